"""The servers that are measured. `python -m benchmarks.servers KIND PORT`, with a kind of `KINDS`."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from benchmarks.ready_agent import agent
from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.audio import beep
from voice_runtime.cli.serving import spare_the_collector
from voice_runtime.server.serving import serve
from voice_runtime.wire.media import Media, Start, StreamEncoder, decode_from_carrier

TOKEN, PUBLIC = "a-token-for-benchmarks", "https://bench.test"
WARNING = "warning"
SECOND_OF_SPEECH = beep(400, 1000)
STALL_SECONDS = 0.2
QUEUED_SECONDS = 10

Handler = Callable[[VoiceSession], Awaitable[None]]


# -- floors ------------------------------------------------------------------------------------------------------------


def bare() -> FastAPI:
    """What any FastAPI program must do to echo a call. The same JSON and base64 code as ours."""
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


def paced() -> FastAPI:
    """A talker as many write it: a frame, 20 ms of sleep, the next frame. Its loop stalls like that of `stalling`."""
    app = FastAPI()
    stalls = Stalls()

    @app.websocket("/voice")
    async def voice(websocket: WebSocket) -> None:
        await websocket.accept()
        stalls.begin()
        while not isinstance(message := decode_from_carrier(await websocket.receive_text()), Start):
            pass
        encoder = StreamEncoder(message.stream_sid)
        began, sent = time.perf_counter(), 0
        try:
            while True:
                await websocket.send_text(encoder.media(SECOND_OF_SPEECH[:160]))
                sent += 1
                await asyncio.sleep(began + sent * 0.02 - time.perf_counter())
        except WebSocketDisconnect:
            pass

    return app


# -- ours --------------------------------------------------------------------------------------------------------------


class Stalls:
    """From the first call on, the loop stands still for 200 ms in every second."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_later(1.0, self._stall)

    def _stall(self) -> None:
        time.sleep(STALL_SECONDS)
        asyncio.get_running_loop().call_later(1.0 - STALL_SECONDS, self._stall)


async def echo(call: VoiceSession) -> None:
    """What our echo is everywhere here: every frame through the session, both ways."""
    async for frame in call.audio():
        call.send_audio(frame)


def stalling() -> Handler:
    """Speaks for as long as the call is, on a loop that stalls."""
    stalls = Stalls()

    async def speak(call: VoiceSession) -> None:
        stalls.begin()
        call.send_audio(SECOND_OF_SPEECH * 60)
        await call.wait_ended()

    return speak


async def clearing(call: VoiceSession) -> None:
    """Always has seconds of audio queued, clears them about once in a second, and says in a mark when it asked."""
    pause = random.Random(call.call_sid or "").uniform
    while call.end is None:
        call.send_audio(SECOND_OF_SPEECH * QUEUED_SECONDS)
        await asyncio.sleep(pause(0.5, 1.5))
        asked = time.perf_counter()
        call.interrupt()
        call.stream.put_mark(f"asked:{asked}")


def ours(handler: Handler, *, fast: bool = True) -> VoiceApp:
    """Session, ledger, switchboard, watchdogs, signatures and all."""
    app = VoiceApp(settings=settings(fast=fast), vad="none")
    app.call()(handler)
    return app


def settings(*, fast: bool = True) -> Settings:
    return Settings(
        twilio_auth_token=TOKEN,
        voice_public_url=PUBLIC,
        voice_require_token=False,
        voice_fast_sockets=fast,
        voice_max_calls=5000,
    )


KINDS: dict[str, Callable[[], FastAPI | VoiceApp]] = {
    "bare": bare,
    "ours": lambda: ours(echo),
    "ours-asgi": lambda: ours(echo, fast=False),
    "stalling": lambda: ours(stalling()),
    "paced": paced,
    "clearing": lambda: ours(clearing),
    "agent": lambda: agent(settings(), "silero"),
    "agent-mock": lambda: agent(settings(), "mock"),
}


def main(kind: str, port: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if kind == "picows":
        uvloop.run(picows(port))
    elif isinstance(app := KINDS[kind](), VoiceApp):
        uvloop.run(serve(app, host="127.0.0.1", port=port, ready=lambda _: spare_the_collector()))
    else:
        uvicorn.run(app, host="127.0.0.1", port=port, log_level=WARNING, ws="websockets-sansio", loop="uvloop")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
