"""The raw-audio WebSocket: checked, accepted, and carried like any other call."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from voice_runtime import audio
from voice_runtime.errors import CallLimitError
from voice_runtime.handler import Handler
from voice_runtime.server.gate import Refused, key_of
from voice_runtime.server.socket import AsgiSocket
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Switchboard
from voice_runtime.telemetry.repeated import Repeated
from voice_runtime.transport import CallInfo
from voice_runtime.transports.raw_ws import HelloError, RawLimits, RawStream

__all__ = ["RawEndpoint"]

log = logging.getLogger(__name__)

SUBPROTOCOL, BEARER = "voice.raw", "bearer."
"""A browser can set no header: it offers these two subprotocols, the second with the token behind it."""
LONGEST_ORIGIN = 100
"""Characters of a stranger's in a log line."""
WHOLE_FILES_LEAD_SECONDS = 600.0


class RawEndpoint:
    """Serves raw-audio sockets, for clients that have VOICE_RAW_TOKEN; without that setting, for nobody.

    Raises `ConfigurationError` for a token that can be guessed.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        switchboard: Switchboard,
        route: Callable[[CallInfo], Handler | None],
        new_session: Callable[[], VoiceSession],
    ) -> None:
        self._token = key_of("VOICE_RAW_TOKEN", settings.voice_raw_token)
        self._origins = {origin.strip().rstrip("/") for origin in settings.voice_raw_origins.split(",")} - {""}
        self._max_bytes = settings.voice_raw_max_message_bytes
        self._limits = RawLimits(settings.voice_start_timeout, settings.voice_raw_idle_seconds)
        self._switchboard = switchboard
        self._route = route
        self._new_session = new_session
        self._refusals = Repeated(log)
        if self._token:
            _ = audio.Resampler, audio.LiveResampler  # imported now: it takes a moment, in which no call should wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        places = self._switchboard.places
        try:
            self._check(websocket)
            places.take()
        except (Refused, CallLimitError) as error:
            self._refusals.warning("raw-audio socket refused", str(error))
            await websocket.close(1008)  # before accept: the stranger gets HTTP 403
            return
        try:
            offered = websocket.scope.get("subprotocols", [])
            await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            await self._serve(RawStream(AsgiSocket(receive, send, self._max_bytes), self._limits))
        finally:
            places.release()

    def _check(self, websocket: WebSocket) -> None:
        """Raises `Refused`."""
        if not self._token:
            raise Refused(403, "VOICE_RAW_TOKEN is not set")
        origin = websocket.headers.get("origin")
        if origin is not None and not {origin, "*"} & self._origins:
            raise Refused(403, f"the origin {origin[:LONGEST_ORIGIN]!r} is not among VOICE_RAW_ORIGINS")
        if not any(hmac.compare_digest(token.encode(), self._token.encode()) for token in _tokens(websocket)):
            raise Refused(403, "no token, or not the right one")

    async def _serve(self, media: RawStream) -> None:
        try:
            handler = self._route(await media.open())
            if handler is None:
                raise HelloError("nobody answers that name or number")  # in the log, it would be somebody's
        except HelloError as error:
            self._refusals.warning("raw-audio socket closed", str(error))
            media.refuse("bad_hello", str(error))
            await media.close(1008)
            return
        session = self._new_session()
        if media.simple:
            session.stream.lead_seconds = WHOLE_FILES_LEAD_SECONDS  # nobody plays it while it is made
        unlisten = session.on_event(media.tell)
        try:
            await self._switchboard.carry(session, media, handler)
        finally:
            unlisten()


def _tokens(websocket: WebSocket) -> list[str]:
    """What was brought along: as a bearer, in the query, as a subprotocol."""
    scheme, _, bearer = websocket.headers.get("authorization", "").partition(" ")
    found = [bearer.strip()] if scheme.lower() == "bearer" else []
    found += websocket.query_params.getlist("token")
    offered = websocket.scope.get("subprotocols", [])
    return found + [name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)]
