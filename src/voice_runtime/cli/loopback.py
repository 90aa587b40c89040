"""Serving an ASGI application on a port of this machine, beside what a command does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from voice_runtime.tasks import TaskOwner

__all__ = ["open_door", "serving", "url_of"]


def open_door(port: int = 0) -> socket.socket:
    """A port of this machine, any free one for 0. Raises OSError when it is taken."""
    return socket.create_server(("127.0.0.1", port))


def url_of(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


@contextlib.asynccontextmanager
async def serving(app: Any, door: socket.socket) -> AsyncIterator[None]:
    """Serve an ASGI app at `door`."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    tasks = TaskOwner("loopback")
    running = tasks.start("server", server.serve(sockets=[door]))
    try:
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await running
