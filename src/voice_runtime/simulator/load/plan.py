"""What load to put on which application. Only on this machine, unless another host is named twice."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from voice_runtime.simulator.addresses import Addresses

__all__ = ["LoadPlan"]

_FRAMES_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`calls` lines to `url`, `ramp` new ones each second, each of them `seconds` long.

    `url`: the voice webhook (http, https), or a media socket itself (ws, wss), which then is told of a call that no
    webhook knows. `public_url`: the origin that the application believes to have, for signatures and for the sockets
    that its TwiML names. `allowed_hosts`: hosts besides this machine that may get the load.
    Raises ValueError with a sentence that says what is wrong.
    """

    url: str
    calls: int = 100
    seconds: float = 10.0
    ramp: float = 50.0
    auth_token: str = ""
    public_url: str = ""
    allowed_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds <= 0 or self.ramp <= 0:
            raise ValueError("calls, seconds and ramp must be more than 0")
        parts = _parts(self.url, ("http", "https", "ws", "wss"))
        if self.public_url:
            _parts(self.public_url, ("http", "https"))
        if self.has_webhook and not self.auth_token:
            raise ValueError(
                "webhooks are signed: give --auth-token or set TWILIO_AUTH_TOKEN; an application that does not check"
                " takes any"
            )
        self.check_host(parts.hostname or "")

    @property
    def has_webhook(self) -> bool:
        """Whether a call begins with a request for TwiML."""
        return urlsplit(self.url).scheme in ("http", "https")

    @property
    def frames(self) -> int:
        """Frames of 20 ms in a call."""
        return max(1, round(self.seconds * _FRAMES_PER_SECOND))

    @property
    def announced_url(self) -> str:
        """`url` as the application knows it: what is signed."""
        if not self.public_url:
            return self.url
        parts, public = urlsplit(self.url), urlsplit(self.public_url)
        secure = public.scheme == "https"
        scheme = ("wss" if secure else "ws") if not self.has_webhook else public.scheme
        return parts._replace(scheme=scheme, netloc=public.netloc, path=parts.path or "/").geturl()

    @property
    def addresses(self) -> Addresses:
        """Where the public addresses really are."""
        parts = urlsplit(self.url)
        local = f"{'https' if parts.scheme in ('https', 'wss') else 'http'}://{parts.netloc}"
        public = self.public_url.rstrip("/") or f"https://{parts.netloc}"
        return Addresses({public: local} if public != local else {})

    def check_host(self, host: str) -> None:
        """Raises ValueError for a host that is neither this machine nor allowed."""
        if host in self.allowed_hosts or host == "localhost":
            return
        try:
            if ipaddress.ip_address(host).is_loopback:
                return
        except ValueError:
            pass
        raise ValueError(
            f"{host} is not this machine, and this is a load test. If it is yours and may fall over:"
            f" --allow-host {host}. If it is the public name of a server on this machine: --public-url"
        )


def _parts(url: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in schemes and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{url} is no address: it begins with {', '.join(f'{s}://' for s in schemes)} and a host")
    return parts
