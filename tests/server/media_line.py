"""A web server with one media path, in a thread and on a loop of its own; the other end of it is the test's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from voice_runtime import Settings, VoiceSession
from voice_runtime.server.fast_server import http_protocol
from voice_runtime.server.fast_socket import FATAL_TIMES
from voice_runtime.server.gate import Gate
from voice_runtime.server.media import MediaEndpoint
from voice_runtime.switchboard import Switchboard
from voice_runtime.transport import MediaSocket

Program = Callable[[MediaSocket], Awaitable[None]]
MAX_BYTES = 1024


class Desk(MediaEndpoint):
    """The real admission; then the program has the socket, instead of a call."""

    def __init__(self, program: Program, settings: Settings) -> None:
        self.gate, self.switchboard = Gate(settings), Switchboard(max_calls=settings.voice_max_calls)
        super().__init__(
            settings=settings,
            gate=self.gate,
            switchboard=self.switchboard,
            route=lambda info: None,
            new_session=VoiceSession,
            control=None,
        )
        self._program = program
        self.failures: list[BaseException] = []
        self.served = 0

    async def _serve(self, socket: MediaSocket, entitled: str | None) -> None:
        self.served += 1
        try:
            await self._program(socket)
        except BaseException as error:
            self.failures.append(error)


class Line:
    """`url` is where to connect; `stop` is what an operator does."""

    def __init__(self, desk: Desk, kind: str, tls: ssl.SSLContext | None) -> None:
        self.desk, self._tls = desk, tls
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.port}/voice"
        app = Starlette(
            routes=[
                WebSocketRoute("/voice", desk),
                WebSocketRoute("/voice/{token}", desk),
                WebSocketRoute("/other", _shout),
                Route("/page", _page),
            ]
        )
        config = uvicorn.Config(
            app,
            http="auto" if kind == "asgi" else http_protocol(desk),
            ws="websockets-sansio",
            ws_max_size=FATAL_TIMES * MAX_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            log_config=None,
            timeout_graceful_shutdown=5,
        )
        config.load()
        config.ssl = tls
        self.server = uvicorn.Server(config)
        self.tasks_left: set[str] = set()
        factory = uvloop.new_event_loop if kind != "fast-asyncio" else asyncio.new_event_loop
        self.thread = threading.Thread(target=self._run, args=[factory], name="media-line")

    def _run(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def main() -> None:
            await self.server.serve(sockets=[self.door])
            me = asyncio.current_task()
            self.tasks_left = {task.get_name() for task in asyncio.all_tasks() if task is not me}

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    async def stop(self) -> None:
        self.server.should_exit = True
        async with asyncio.timeout(30):
            while self.thread.is_alive():  # noqa: ASYNC110 - a thread tells nobody
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - it is in another thread
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def media_line(
    kind: str, program: Program, *, tls: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[Line]:
    """Up, and down again; a program that failed fails the test. `kind`: "fast", "fast-asyncio" or "asgi"."""
    settings = Settings(
        **{
            "twilio_skip_signature_validation": True,
            "voice_require_token": False,
            "voice_max_message_bytes": MAX_BYTES,
            **changes,
        }
    )
    line = Line(Desk(program, settings), kind, tls)
    line.thread.start()
    try:
        await line.until(lambda: line.server.started)
        yield line
    finally:
        await line.stop()
        line.door.close()
    for failure in line.desk.failures:
        raise failure
    assert not line.tasks_left and not line.server.server_state.connections
    assert line.desk.switchboard.places.taken == 0


async def _shout(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a page")
