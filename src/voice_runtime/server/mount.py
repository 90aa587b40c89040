"""0.1's way in: one session on anybody's FastAPI app, one call at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from fastapi import FastAPI, WebSocket

from voice_runtime.errors import CallLimitError
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.server.recordings import recording_of
from voice_runtime.server.socket import AsgiSocket
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Switchboard
from voice_runtime.transports.twilio_call import TwilioRegion, TwilioTransport
from voice_runtime.transports.twilio_ws import HandshakeError, TwilioStream

__all__ = ["register_voice_websocket"]

log = logging.getLogger(__name__)

HANDOVER_SECONDS = 5.0
"""How long the next call may wait for the end of the one before: its recogniser is being stopped, its socket closed."""
RESET_SECONDS = 0.5
"""How long a program may take to reset the session itself. A reset of its that came later would end the next call."""


def register_voice_websocket(
    app: FastAPI,
    session: VoiceSession,
    *,
    hangup_regions: Sequence[TwilioRegion] | None = None,
    settings: Settings | None = None,
) -> None:
    """Serve `session` at `/voice` (VOICE_MEDIA_PATH) of `app`, for one call after the other.

    Sockets must be signed by Twilio (TWILIO_AUTH_TOKEN, against VOICE_STREAM_URL); TWILIO_SKIP_SIGNATURE_VALIDATION
    opts out. A second socket during a call is refused: the session belongs to the first. After a call the session is
    reset by itself when the next one comes. With credentials set, a call that the program ends is ended at the carrier
    first, in `hangup_regions` where they are given.
    """
    fixed = settings
    switchboard: Switchboard | None = None
    regions = tuple(hangup_regions or ())

    async def voice(websocket: WebSocket) -> None:
        nonlocal switchboard
        now = fixed or Settings()  # 0.1 programs may set the environment after registering
        if switchboard is None:
            switchboard = Switchboard(
                max_calls=1, max_call_seconds=now.voice_max_call_seconds, record=recording_of(now)
            )
        try:
            Gate(now).check_socket(websocket)
            if switchboard.places.taken and (session.is_disconnected or session.stream_sid is None):
                await switchboard.places.empty(HANDOVER_SECONDS)  # the last call is over, but not yet cleaned up after
            switchboard.places.take()
        except (Refused, CallLimitError) as refused:
            log.warning("media socket refused: %s", refused)
            await websocket.close(1008)
            return
        try:
            await websocket.accept()
            await _serve(AsgiSocket(websocket.receive, websocket.send, now.voice_max_message_bytes), now, switchboard)
        finally:
            switchboard.places.release()

    async def _serve(socket: AsgiSocket, now: Settings, switchboard: Switchboard) -> None:
        mock = now.transport.strip().lower() == "mock"  # its calls are not the carrier's to end
        credentials = not mock and now.twilio_account_sid and now.twilio_auth_token.get_secret_value()
        control = TwilioTransport(now, regions=regions) if credentials else None
        media = TwilioStream(socket, control=control, media_timeout=now.voice_media_timeout)
        try:
            await media.open(now.voice_start_timeout)
            await _ready_again(session)
            await switchboard.carry(session, media)
        except HandshakeError as error:
            log.warning("media socket closed: %s", error)
            await socket.close(1008)
        finally:
            if control is not None:
                await control.close()

    app.websocket((settings or Settings()).voice_media_path)(voice)


async def _ready_again(session: VoiceSession) -> None:
    """Make sure that nothing of the last call is left in the session."""
    now = asyncio.get_running_loop().time
    deadline = now() + RESET_SECONDS
    while session.is_disconnected and now() < deadline:  # noqa: ASYNC110 a program resets from its thread, and tells nobody
        await asyncio.sleep(0.01)
    if session.is_disconnected:
        session.reset()
