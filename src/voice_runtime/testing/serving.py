"""Bringing an application up for a test, and down again: its lifespan in process, or a web server on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_runtime.server.serving import Stop, serve
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.tasks import TaskOwner

__all__ = ["lifespan", "served", "voice_app_served"]

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Start the application, as a web server would; gives what to send requests to. Raises RuntimeError.

    One that knows no lifespan events is used as it is.
    """
    state: dict[str, Any] = {}
    events: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def answer(message: Message) -> None:
        if message["type"].endswith(".failed"):
            answers.put_nowait(message.get("message") or "it failed to start")
        else:
            answers.put_nowait("")

    async def live() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await app(scope, events.get, answer)
        except Exception as error:  # the specification's way to say that there is no lifespan
            log.debug("the application has no lifespan: %r", error)
        answers.put_nowait("")

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    owner = TaskOwner("lifespan")
    living = owner.start("application", live())
    events.put_nowait({"type": "lifespan.startup"})
    try:
        if failure := await answers.get():
            raise RuntimeError(f"the application did not start: {failure}")
        yield with_state
        events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait({living})
    finally:
        await owner.close()


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """uvicorn on a free port of this machine; gives its address."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    owner = TaskOwner("web server")
    with socket.create_server(("127.0.0.1", 0)) as door:
        serving = owner.start("serve", server.serve(sockets=[door]))
        try:
            while not server.started:
                if serving.done():
                    raise RuntimeError("the application did not start: the log says why")
                await asyncio.sleep(0.005)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.wait({serving})


@contextlib.asynccontextmanager
async def voice_app_served(app: VoiceApp) -> AsyncIterator[str]:
    """`app` as `voice-runtime serve` serves it, with its fast media sockets; gives its address."""
    stop = Stop()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    owner = TaskOwner("voice app")
    serving = owner.start("serve", serve(app, host="127.0.0.1", port=0, ready=ready.set_result, stop=stop))
    try:
        both: set[asyncio.Future[Any]] = {serving, ready}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            serving.result()
        yield f"http://127.0.0.1:{ready.result()}"
    finally:
        stop.ask()
        await asyncio.wait({serving})
