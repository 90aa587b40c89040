"""The servers that are compared. `python -m benchmarks.servers bare|picows|ours|ours-asgi PORT`"""

from __future__ import annotations

import logging
import sys

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.server.serving import serve
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


class PicowsEcho(WSListener):
    """The floor below that: the fastest WebSocket there is for Python, and nothing around it. The same code again."""

    def __init__(self) -> None:
        self._encoder = StreamEncoder("")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        message = decode_from_carrier(frame.get_payload_as_utf8_text())
        if isinstance(message, Media):
            transport.send(WSMsgType.TEXT, self._encoder.media(message.media.payload))
        elif isinstance(message, Start):
            self._encoder = StreamEncoder(message.stream_sid)


async def picows(port: int) -> None:
    server = await ws_create_server(lambda request: PicowsEcho(), "127.0.0.1", port)
    await server.serve_forever()


def ours(*, fast: bool) -> VoiceApp:
    """Session, ledger, switchboard, watchdogs and all."""
    app = VoiceApp(
        settings=Settings(
            twilio_skip_signature_validation=True,
            voice_require_token=False,
            voice_fast_sockets=fast,
            voice_max_calls=1000,
        )
    )

    @app.call()
    async def echo(call: VoiceSession) -> None:
        async for frame in call.audio():
            call.send_audio(frame)

    return app


def main(kind: str, port: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if kind == "bare":
        uvicorn.run(bare(), host="127.0.0.1", port=port, log_level=WARNING, ws="websockets-sansio", loop="uvloop")
    elif kind == "picows":
        uvloop.run(picows(port))
    else:
        uvloop.run(serve(ours(fast=kind == "ours"), host="127.0.0.1", port=port))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
