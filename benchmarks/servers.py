"""The two servers that are compared. `python -m benchmarks.servers bare|ours PORT`"""

from __future__ import annotations

import logging
import sys

import structlog
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.wire.media import Media, Start, StreamEncoder, decode_from_carrier

WARNING = "warning"


def bare() -> FastAPI:
    """The floor: what any FastAPI program must do to echo a call. The same JSON and base64 code as ours."""
    app = FastAPI()

    @app.websocket("/voice")
    async def voice(websocket: WebSocket) -> None:
        await websocket.accept()
        encoder = StreamEncoder("")
        try:
            while True:
                message = decode_from_carrier(await websocket.receive_text())
                if isinstance(message, Media):
                    await websocket.send_text(encoder.media(message.media.payload))
                elif isinstance(message, Start):
                    encoder = StreamEncoder(message.stream_sid)
        except WebSocketDisconnect:
            pass

    return app


def ours() -> FastAPI:
    """Session, ledger, switchboard, watchdogs and all."""
    app = VoiceApp(settings=Settings(twilio_skip_signature_validation=True, voice_require_token=False))

    @app.call()
    async def echo(call: VoiceSession) -> None:
        async for frame in call.audio():
            call.send_audio(frame)

    return app.api


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    app = {"bare": bare, "ours": ours}[sys.argv[1]]()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level=WARNING, ws="websockets-sansio", loop="uvloop")
