"""The media WebSocket: checked, accepted, handed to the switchboard with the program's handler."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from voice_runtime.errors import CallLimitError
from voice_runtime.events import AnsweredBy, Direction
from voice_runtime.handler import Handler
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.server.socket import AsgiSocket
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Switchboard
from voice_runtime.telemetry.repeated import Repeated
from voice_runtime.transport import CallControl, CallInfo, MediaSocket
from voice_runtime.transports.twilio_ws import HandshakeError, TwilioStream

__all__ = ["ANSWERED_BY", "DIRECTION", "FROM", "RAW_SUFFIX", "TO", "MediaEndpoint"]

log = logging.getLogger(__name__)

RAW_SUFFIX = "/raw"
"""Behind the path of media sockets: raw audio (`server.raw`). No token looks like it."""
# `<Parameter>`s by which the webhook tells the media socket what it knew of the call.
FROM, TO, DIRECTION = "voice-runtime.from", "voice-runtime.to", "voice-runtime.direction"
ANSWERED_BY = "voice-runtime.answered-by"


class MediaEndpoint:
    """Serves media sockets. `route` picks the handler for a call, `new_session` makes what it is given.

    It is an ASGI application of its own: the framework's wrapping of every message costs as much as our work on it. The
    fast path (`fast_server`) comes in by `admit` and `serve`, which is all that there is to a media socket.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        gate: Gate,
        switchboard: Switchboard,
        route: Callable[[CallInfo], Handler | None],
        new_session: Callable[[], VoiceSession],
        control: CallControl | None,
    ) -> None:
        self._settings = settings
        self._path = settings.voice_media_path
        self._gate = gate
        self._switchboard = switchboard
        self._route = route
        self._new_session = new_session
        self._control = control
        self._refusals = Repeated(log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            call_sid = self.admit(websocket, websocket.path_params.get("token", ""))
        except Refused:
            await websocket.close(1008)  # before accept: the stranger gets HTTP 403
            return
        try:
            await websocket.accept()
        except BaseException:  # the peer did not wait for it
            self._switchboard.places.release(call_sid)
            raise
        await self.serve(AsgiSocket(receive, send, self.max_message_bytes), call_sid)

    @property
    def max_message_bytes(self) -> int:
        return self._settings.voice_max_message_bytes

    def token_in(self, path: str) -> str | None:
        """The token in the path of a media socket, "" for one without; None when the path is not ours."""
        own, token = path[: len(self._path)], path[len(self._path) :]
        if own != self._path or (token and (token[0] != "/" or token == "/" or "/" in token[1:])):
            return None
        return None if token == RAW_SUFFIX else token[1:]

    def admit(self, handshake: HTTPConnection, token: str) -> str | None:
        """Let a socket in before it is accepted: its place is taken, and `serve` gives it back.

        Returns the call that the token is for. Raises `Refused`; why is in the log.
        """
        try:
            self._gate.check_socket(handshake)
            call_sid = self._entitled_call(token)
            self._switchboard.places.admit(call_sid)
        except (Refused, CallLimitError) as error:
            self._refusals.warning("media socket refused", str(error))
            raise Refused(403, "media socket refused") from error
        return call_sid

    async def serve(self, socket: MediaSocket, entitled: str | None) -> None:
        """Carry the call of a socket that was admitted and is accepted."""
        try:
            await self._serve(socket, entitled)
        finally:
            self._switchboard.places.release(entitled)

    def _entitled_call(self, token: str) -> str | None:
        """The call that the token is for; None where tokens are not asked for."""
        if token:
            return self._gate.spend(token).call_sid
        if self._settings.voice_require_token:
            raise Refused(403, "no media token; for TwiML that is not ours, VOICE_REQUIRE_TOKEN=false opts out")
        return None

    async def _serve(self, socket: MediaSocket, entitled: str | None) -> None:
        media = TwilioStream(socket, control=self._control, media_timeout=self._settings.voice_media_timeout)
        try:
            info = await media.open(self._settings.voice_start_timeout)
            if entitled is not None and info.call_sid != entitled:
                raise HandshakeError("the token is for another call")
            media.info = info = _with_webhook_knowledge(info)
            handler = self._route(info)
            if handler is None:
                raise HandshakeError("no handler for this number")
        except HandshakeError as error:
            self._refusals.warning("media socket closed", str(error))
            await socket.close(1008)
            return
        await self._switchboard.carry(self._new_session(), media, handler)


def _with_webhook_knowledge(info: CallInfo) -> CallInfo:
    known = dict(info.custom_parameters)
    caller, called, direction = known.pop(FROM, ""), known.pop(TO, ""), known.pop(DIRECTION, "")
    answered_by = known.pop(ANSWERED_BY, "")
    return dataclasses.replace(
        info,
        caller_number=caller,
        called_number=called,
        direction=Direction.OUTBOUND if direction == Direction.OUTBOUND else Direction.INBOUND,
        answered_by=_answered_by(answered_by) if answered_by else None,
        custom_parameters=known,
    )


def _answered_by(said: str) -> AnsweredBy:
    return AnsweredBy(said) if said in set(AnsweredBy) else AnsweredBy.UNKNOWN
