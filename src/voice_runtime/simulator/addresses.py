"""Where a public address really is: the tunnel or proxy in front of an application under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx
from starlette.types import ASGIApp

from voice_runtime.simulator.asgi import AsgiApplication

__all__ = ["Addresses", "Target", "signed_form", "signed_message_form"]

_WEB = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_SOCKET = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and what to say there. `url` keeps the scheme family (http or ws) of the public one."""

    url: str
    headers: dict[str, str]
    """What a proxy adds: the public Host, and where the request came from. Empty without a proxy."""
    application: AsgiApplication | None = None
    """It is in this process, and needs no connection."""


class Addresses:
    """Maps public origins to where they really are: an address, or an ASGI application in this process.

    `{"https://voice.example.com": "http://127.0.0.1:8080"}`; an origin counts for sockets as well (wss for https).
    Addresses that are not mapped are used as they are.
    """

    def __init__(self, local: Mapping[str, str | ASGIApp] | None = None) -> None:
        self._local: dict[str, SplitResult] = {}
        self._here: dict[str, AsgiApplication] = {}
        for public, where in (local or {}).items():
            origin = _origin(urlsplit(public))
            if isinstance(where, str):
                self._local[origin] = urlsplit(where)
            else:
                self._here[origin] = AsgiApplication(where)

    @property
    def mounts(self) -> dict[str, httpx.AsyncBaseTransport]:
        """For an `httpx.AsyncClient`: how it reaches the applications that are here."""
        return {origin: application.transport for origin, application in self._here.items()}

    async def close(self) -> None:
        """End what the applications that are here still do, when it does not end by itself."""
        for application in self._here.values():
            await application.close()

    def locate(self, url: str) -> Target:
        parts = urlsplit(url)
        origin = _origin(parts)
        local, here = self._local.get(origin), self._here.get(origin)
        if local is None and here is None:
            return Target(urlunsplit(parts._replace(fragment="")), {})
        host = parts.netloc.rpartition("@")[2]
        proxied = {
            "host": host,
            "x-forwarded-host": host,
            "x-forwarded-proto": _WEB[parts.scheme],
            "x-forwarded-for": "198.51.100.7",
        }
        if local is None:
            return Target(urlunsplit(parts._replace(netloc=host, path=parts.path or "/", fragment="")), proxied, here)
        scheme = _SOCKET[_WEB[local.scheme]] if parts.scheme in ("ws", "wss") else _WEB[local.scheme]
        path = local.path.rstrip("/") + (parts.path or "/")
        return Target(urlunsplit((scheme, local.netloc, path, parts.query, "")), proxied)


def _origin(parts: SplitResult) -> str:
    return f"{_WEB.get(parts.scheme, parts.scheme)}://{parts.netloc.rpartition('@')[2].lower()}"


def signed_form(url: str) -> str:
    """`url` as Twilio signs it for voice: no fragment, no user, and over HTTPS no port ("Security", URL rules)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https":
        host = host.removesuffix(f":{parts.port}")
    return urlunsplit(parts._replace(netloc=host, fragment=""))


def signed_message_form(url: str) -> str:
    """`url` as Twilio signs it for messages: as for voice, but with its port ("Security", URL rules)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
