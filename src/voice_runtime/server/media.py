"""The media WebSocket: checked, accepted, handed to the switchboard with the program's handler."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from voice_runtime.errors import CallLimitError
from voice_runtime.events import Direction
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.server.socket import AsgiSocket
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Handler, Switchboard
from voice_runtime.transport import CallControl, CallInfo
from voice_runtime.transports.twilio_ws import HandshakeError, TwilioStream

__all__ = ["DIRECTION", "FROM", "TO", "MediaEndpoint"]

log = logging.getLogger(__name__)

# `<Parameter>`s by which the webhook tells the media socket what it knew of the call.
FROM, TO, DIRECTION = "voice-runtime.from", "voice-runtime.to", "voice-runtime.direction"


class MediaEndpoint:
    """Serves media sockets. `route` picks the handler for a call, `new_session` makes what it is given.

    It is an ASGI application of its own: the framework's wrapping of every message costs as much as our work on it.
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
        self._gate = gate
        self._switchboard = switchboard
        self._route = route
        self._new_session = new_session
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            self._gate.check_socket(websocket)
            call_sid = self._entitled_call(websocket.path_params.get("token", ""))
            self._switchboard.admit(call_sid)
        except (Refused, CallLimitError) as error:
            log.warning("media socket refused: %s", error)
            await websocket.close(1008)  # before accept: the stranger gets HTTP 403
            return
        try:
            await websocket.accept()
            await self._serve(AsgiSocket(receive, send, self._settings.voice_max_message_bytes), call_sid)
        finally:
            self._switchboard.release()

    def _entitled_call(self, token: str) -> str | None:
        """The call that the token is for; None where tokens are not asked for."""
        if token:
            return self._gate.spend(token).call_sid
        if self._settings.voice_require_token:
            raise Refused(403, "no media token; for TwiML that is not ours, VOICE_REQUIRE_TOKEN=false opts out")
        return None

    async def _serve(self, socket: AsgiSocket, entitled: str | None) -> None:
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
            log.warning("media socket closed: %s", error)
            await socket.close(1008)
            return
        await self._switchboard.carry(self._new_session(), media, handler)


def _with_webhook_knowledge(info: CallInfo) -> CallInfo:
    known = dict(info.custom_parameters)
    caller, called, direction = known.pop(FROM, ""), known.pop(TO, ""), known.pop(DIRECTION, "")
    return dataclasses.replace(
        info,
        caller_number=caller,
        called_number=called,
        direction=Direction.OUTBOUND if direction == Direction.OUTBOUND else Direction.INBOUND,
        custom_parameters=known,
    )
