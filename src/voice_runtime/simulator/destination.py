"""An application to call: its address, the one that it believes to have, and whether it is ours to call."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

__all__ = ["Destination"]


@dataclass(frozen=True, slots=True)
class Destination:
    """`url`: the webhook, or a media socket. `public_url`: the origin that the application believes to have.

    Without one, an application on plain http is taken to believe in https at the same place for its media sockets.
    """

    url: str
    public_url: str = ""
    allowed_hosts: frozenset[str] = frozenset()

    def check(self, schemes: Sequence[str]) -> str:
        """The host of `url`. Raises ValueError with a sentence that says what is wrong with the addresses."""
        parts = _parts(self.url, schemes)
        if self.public_url:
            _parts(self.public_url, ("http", "https"))
        return parts.hostname or ""

    def check_host(self, host: str, but: str) -> None:
        """Raises ValueError for a host that is neither this machine nor allowed. `but`: why that matters."""
        if host in self.allowed_hosts or host == "localhost":
            return
        try:
            if ipaddress.ip_address(host).is_loopback:
                return
        except ValueError:
            pass
        raise ValueError(
            f"{host} is not this machine, and {but}: --allow-host {host}."
            " If it is the public name of a server on this machine: --public-url"
        )

    @property
    def announced_url(self) -> str:
        """`url` as the application knows it: what is signed."""
        if not self.public_url:
            return self.url
        parts, public = urlsplit(self.url), urlsplit(self.public_url)
        scheme = public.scheme
        if parts.scheme in ("ws", "wss"):
            scheme = "wss" if public.scheme == "https" else "ws"
        return parts._replace(scheme=scheme, netloc=public.netloc, path=parts.path or "/").geturl()

    @property
    def addresses(self) -> dict[str, str]:
        """Where the public addresses really are, for `Addresses` and `Carrier`."""
        parts = urlsplit(self.url)
        local = f"{'https' if parts.scheme in ('https', 'wss') else 'http'}://{parts.netloc}"
        public = self.public_url.rstrip("/") or f"https://{parts.netloc}"
        return {public: local} if public != local else {}


def _parts(url: str, schemes: Sequence[str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in schemes and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{url} is no address: it begins with {', '.join(f'{s}://' for s in schemes)} and a host")
    return parts
