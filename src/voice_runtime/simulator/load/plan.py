"""What load to put on which application. Only on this machine, unless another host is named twice."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.destination import Destination

__all__ = ["LoadPlan"]

_FRAMES_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`calls` lines to `url`, `ramp` new ones each second, each of them `seconds` long.

    `url`: the voice webhook (http, https), or a media socket itself (ws, wss), which then is told of a call that no
    webhook knows. `public_url`: the origin that the application believes to have, for signatures and for the sockets
    that its TwiML names. `allowed_hosts`: hosts besides this machine that may get the load. `speech`: what each caller
    says (mu-law), after `pause` seconds of silence, again and again; without it, a tone that an echo is measured by.
    Raises ValueError with a sentence that says what is wrong.
    """

    url: str
    calls: int = 100
    seconds: float = 10.0
    ramp: float = 50.0
    auth_token: str = ""
    public_url: str = ""
    allowed_hosts: frozenset[str] = frozenset()
    speech: bytes = b""
    pause: float = 3.0

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds <= 0 or self.ramp <= 0 or self.pause <= 0:
            raise ValueError("calls, seconds, ramp and pause must be more than 0")
        host = self.destination.check(("http", "https", "ws", "wss"))
        if self.has_webhook and not self.auth_token:
            raise ValueError(
                "webhooks are signed: give --auth-token or set TWILIO_AUTH_TOKEN; an application that does not check"
                " takes any"
            )
        self.check_host(host)

    @property
    def has_webhook(self) -> bool:
        """Whether a call begins with a request for TwiML."""
        return urlsplit(self.url).scheme in ("http", "https")

    @property
    def frames(self) -> int:
        """Frames of 20 ms in a call."""
        return max(1, round(self.seconds * _FRAMES_PER_SECOND))

    @property
    def destination(self) -> Destination:
        """Where the application is."""
        return Destination(self.url, self.public_url, self.allowed_hosts)

    @property
    def announced_url(self) -> str:
        """`url` as the application knows it: what is signed."""
        return self.destination.announced_url

    @property
    def addresses(self) -> Addresses:
        """Where the public addresses really are."""
        return Addresses(self.destination.addresses)

    def check_host(self, host: str) -> None:
        """Raises ValueError for a host that is neither this machine nor allowed."""
        self.destination.check_host(host, "this is a load test. If it is yours and may fall over")
