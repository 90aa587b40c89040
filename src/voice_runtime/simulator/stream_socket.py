"""The carrier's end of a media socket, wherever the server is: what a stream needs of it, and what can go wrong."""

from __future__ import annotations

from typing import Final, Protocol
from urllib.parse import urlsplit

from voice_runtime.simulator.violations import ViolationCode

__all__ = ["HANDSHAKE_SECONDS", "Refused", "SocketEnded", "StreamSocket", "check"]

HANDSHAKE_SECONDS: Final = 10.0  # Twilio's own is not known


class Refused(Exception):
    """There is no stream."""

    def __init__(self, code: ViolationCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class SocketEnded(Exception):
    """The server closed the socket, broke it, or broke the protocol. `code`: Twilio's number for it."""

    def __init__(self, code: ViolationCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class StreamSocket(Protocol):
    """An open media socket. One task sends at a time, one receives."""

    def send_now(self, message: str) -> bool:
        """Send a text message if that needs no waiting; False when nothing was sent."""

    async def send(self, message: str) -> None:
        """Send a text message; waits while the server does not read. Raises `SocketEnded`."""

    async def receive(self) -> str | bytes:
        """The next message, text or binary. Raises `SocketEnded`."""

    async def close(self) -> None:
        """Say goodbye (1000)."""

    def abort(self) -> None:
        """Break the connection."""

    async def tear(self, message: str, characters: int) -> None:
        """Break it when so much of this message is under way, if the message has parts."""


def check(url: str, track: str) -> None:
    """Whether a stream can be opened to `url` at all. Raises `Refused`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(ViolationCode.MALFORMED_URL, url) from error
    if parts.scheme != "wss":
        raise Refused(ViolationCode.SCHEME_NOT_SUPPORTED, f"only wss is, not {url}")
    if not host:
        raise Refused(ViolationCode.MALFORMED_URL, url)
    if parts.query:
        raise Refused(ViolationCode.HANDSHAKE_REFUSED, f"a stream url takes no query string: {url}")
    if track != "inbound_track":
        raise Refused(ViolationCode.BAD_TRACK, f"<Connect><Stream> takes inbound_track, not {track}")
