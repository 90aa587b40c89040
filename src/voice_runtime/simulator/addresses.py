"""Where a public address really is: the tunnel or proxy in front of an application under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

__all__ = ["Addresses", "Target", "signed_form"]

_WEB = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_SOCKET = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and what to say there. `url` keeps the scheme family (http or ws) of the public one."""

    url: str
    headers: dict[str, str]
    """What a proxy adds: the public Host, and where the request came from. Empty without a proxy."""


class Addresses:
    """Maps public origins to local ones: `{"https://voice.example.com": "http://127.0.0.1:8080"}`.

    An origin counts for sockets as well (wss for https). Addresses that are not mapped are used as they are.
    """

    def __init__(self, local: Mapping[str, str] | None = None) -> None:
        self._local = {_origin(urlsplit(public)): urlsplit(url) for public, url in (local or {}).items()}

    def locate(self, url: str) -> Target:
        parts = urlsplit(url)
        local = self._local.get(_origin(parts))
        if local is None:
            return Target(urlunsplit(parts._replace(fragment="")), {})
        scheme = _SOCKET[_WEB[local.scheme]] if parts.scheme in ("ws", "wss") else _WEB[local.scheme]
        proxied = {
            "host": parts.netloc.rpartition("@")[2],
            "x-forwarded-host": parts.netloc.rpartition("@")[2],
            "x-forwarded-proto": _WEB[parts.scheme],
            "x-forwarded-for": "198.51.100.7",
        }
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
