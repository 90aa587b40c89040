"""Serving without a command line, as the demo does."""

from __future__ import annotations

import asyncio
import socket
import threading

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from voice_runtime import VoiceApp
from voice_runtime.errors import ConfigurationError
from voice_runtime.server.serving import Stop, listen, serve
from voice_runtime.settings import Settings


def app() -> VoiceApp:
    made = VoiceApp(settings=Settings(twilio_auth_token="a" * 32, voice_public_url="https://voice.test"))

    @made.call()
    async def answer(call: object) -> None: ...

    return made


async def test_ready_tells_the_port_and_stop_ends_it() -> None:
    """From another thread as well; nothing is left behind."""
    stop, ports = Stop(), asyncio.Queue[int]()
    tasks = asyncio.all_tasks()
    serving = asyncio.create_task(serve(app(), host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    port = await ports.get()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    threading.Thread(target=stop.ask).start()
    assert await serving is True
    assert asyncio.all_tasks() == tasks
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_a_stop_that_was_asked_before_is_heard() -> None:
    """A signal may come while providers load. Asked twice, it says that it cut."""
    early, twice = Stop(), Stop()
    early.ask()
    assert await serve(app(), host="127.0.0.1", port=0, stop=early) is True
    twice.ask()
    twice.ask()
    twice.ask()
    assert await serve(app(), host="127.0.0.1", port=0, stop=twice) is False


async def test_an_application_that_cannot_start_is_a_configuration_error() -> None:
    """And not the end of the interpreter, which is uvicorn's way."""

    class Broken(VoiceApp):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("no")

    with pytest.raises(ConfigurationError, match="failed to start"):
        await serve(Broken(settings=Settings()), host="127.0.0.1", port=0)


def test_an_address_that_is_not_ours_is_a_configuration_error() -> None:
    """Here one that is reserved for documentation."""
    with pytest.raises(ConfigurationError, match="Cannot listen at 192.0.2.1:0: "):
        listen("192.0.2.1", 0)
