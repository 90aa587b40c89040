"""Who may come in. Every webhook and media socket passes here before anything of it is accepted; without proof, no."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from voice_runtime.clock import Clock, SystemClock
from voice_runtime.errors import ConfigurationError, TokenError
from voice_runtime.settings import Settings
from voice_runtime.wire.signature import url_candidates, valid
from voice_runtime.wire.tokens import MediaToken, TokenMinter, UsedTokens

__all__ = ["Gate", "Refused", "key_of"]

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
"""No webhook of the carrier comes near this."""
MAX_FIELDS = 500
MIN_KEY_CHARS = 16
BODY_SECONDS = 10.0
"""How long the body of a request may take to come: whoever sends half of one is not waited for."""

_SOCKET_SCHEME = {"http": "ws", "https": "wss"}


class Refused(Exception):
    """Not let in. `status` is the HTTP status of the answer; the message is for our log, not for the stranger."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def key_of(setting: str, key: SecretStr) -> str:
    """A key of our own; "" for none. Raises `ConfigurationError` for one that can be guessed."""
    value = key.get_secret_value()
    if value and len(value) < MIN_KEY_CHARS:
        raise ConfigurationError(
            f"{setting} is shorter than {MIN_KEY_CHARS} characters.",
            remedy="openssl rand -hex 24 makes a better one.",
        )
    return value


class Gate:
    """Checks signatures against the public URL that was requested, and mints and spends media tokens."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._latest = 0.0
        self._auth_token = settings.twilio_auth_token.get_secret_value()
        self._open = settings.twilio_skip_signature_validation
        secret = settings.voice_token_secret.get_secret_value() or self._auth_token
        # Without any secret to share, tokens are good for this process alone, which is where they are checked.
        self._minter = TokenMinter(secret.encode() if len(secret) >= 16 else secrets.token_bytes(32) + secret.encode())
        self._used = UsedTokens()
        if self._open:
            log.warning(
                "SIGNATURES ARE NOT CHECKED (TWILIO_SKIP_SIGNATURE_VALIDATION): anybody who finds this server can call"
            )
        elif not self._auth_token:
            log.warning("TWILIO_AUTH_TOKEN is not set: every webhook and media socket will be refused until it is")

    # -- signatures ----------------------------------------------------------------------------------------------------

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a webhook, after its signature was checked. Raises `Refused`."""
        body = await _body(request)
        try:
            # Blank fields are signed too; names and values must stay as they came.
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except (ValueError, UnicodeDecodeError) as error:
            raise Refused(400, "the body is not a form") from error
        self._check(request, fields)
        if request.method == "GET":
            fields = list(request.query_params.multi_items())
        return dict(fields)

    async def json(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request, after its signature was checked. Raises `Refused`."""
        body = await _body(request)
        self._check(request, body=body)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:  # thousands of brackets are no reason to fail
            raise Refused(400, "the body is not JSON") from error
        if not isinstance(found, dict):
            raise Refused(400, "the body is not a JSON object")
        return found

    def check_socket(self, socket: HTTPConnection) -> None:
        """The signature of a WebSocket handshake, before it is accepted. Raises `Refused`."""
        self._check(socket)

    def _check(
        self, connection: HTTPConnection, fields: Sequence[tuple[str, str]] = (), body: bytes | None = None
    ) -> None:
        if self._open:
            return
        if not self._auth_token:
            raise Refused(
                403,
                "TWILIO_AUTH_TOKEN is not set, so nothing can be checked; TWILIO_SKIP_SIGNATURE_VALIDATION opts out",
            )
        signature = connection.headers.get("x-twilio-signature")
        if signature is None:
            raise Refused(403, "no X-Twilio-Signature")
        requested = [
            url for base in self.public_bases(connection) for url in url_candidates(base + _target(connection))
        ]
        if not valid(self._auth_token, signature, requested, fields, body=body):
            # The address alone: the path of a media socket holds its token.
            base = self.public_bases(connection)[0]
            raise Refused(403, f"the signature is not right for an address at {base}; is that the public one?")

    def public_bases(self, connection: HTTPConnection) -> list[str]:
        """What the carrier may have called this server: scheme://host[:port][/prefix], the likeliest first."""
        websocket = connection.scope["type"] == "websocket"
        bases = [self._settings.public_url] if self._settings.public_url else []
        headers = connection.headers
        if self._settings.voice_trust_forwarded and (host := headers.get("x-forwarded-host")):
            scheme = headers.get("x-forwarded-proto", "https").split(",")[0].strip()
            bases.append(f"{scheme.replace('ws', 'http', 1)}://{host.split(',')[0].strip()}")
        if not bases:
            scheme = str(connection.scope.get("scheme", "http")).replace("ws", "http", 1)
            bases.append(f"{scheme}://{headers.get('host', '')}")
        if not websocket:
            return bases
        split = [base.partition("://") for base in bases]
        return [f"{_SOCKET_SCHEME.get(scheme.lower(), scheme)}://{rest}" for scheme, _, rest in split]

    # -- tokens --------------------------------------------------------------------------------------------------------

    def mint(self, call_sid: str) -> str:
        """A token that lets one media socket of this call in, once, soon."""
        return self._minter.mint(call_sid, self._now(), self._settings.voice_token_seconds, secrets.token_bytes(12))

    def spend(self, token: str) -> MediaToken:
        """Use the token up. Raises `Refused` when it is forged, expired or used."""
        now = self._now()
        try:
            read = self._minter.read(token, now)
            self._used.spend(read, now)
        except TokenError as error:
            raise Refused(403, str(error)) from error
        return read

    def _now(self) -> float:
        """Never back: else a clock that jumped ahead and was set right would make every new token an expired one."""
        self._latest = max(self._latest, self._clock.wall())
        return self._latest


def _target(connection: HTTPConnection) -> str:
    """Path and query, byte for byte as they came: they are signed percent-encoded."""
    raw = connection.scope.get("raw_path") or connection.scope["path"].encode()
    query = connection.scope.get("query_string", b"")
    return str((raw + b"?" + query if query else raw).decode("latin-1"))


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise Refused(413, "the body is too large")
    except TimeoutError:
        raise Refused(408, "the body did not come") from None
    except ClientDisconnect:
        raise Refused(400, "the peer left before its body had come") from None
    return bytes(body)
