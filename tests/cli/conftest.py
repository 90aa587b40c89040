"""The command line in this process, and a simulated Twilio in a thread beside it, on a loop of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import twilio.rest  # noqa: F401  # now, and not inside the first request that is timed
import uvicorn
from cli_world import OUR_NUMBER, PUBLIC, TOKEN, World
from click.testing import Result
from typer.testing import CliRunner

from voice_runtime.cli import app
from voice_runtime.simulator import Carrier, rest_app

PREFIXES = ("VOICE_", "TWILIO_", "ELEVENLABS_", "AZURE_")


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of this machine; logging, path and modules as they were."""
    for name in os.environ:
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VOICE_MAX_LOOP_LAG_MS", "0")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs one command line."""
    return lambda *arguments: CliRunner().invoke(app, [*arguments], catch_exceptions=False)


@pytest.fixture(scope="session")
def network() -> Iterator[tuple[asyncio.AbstractEventLoop, list[Carrier], str]]:
    """A loop in a thread, with the REST API of whatever carrier comes last."""
    carriers: list[Carrier] = []
    loop = asyncio.new_event_loop()

    async def api(scope: dict[str, object], receive: object, send: object) -> None:
        await rest_app(carriers[-1].rest)(scope, receive, send)  # type: ignore[arg-type]

    server = uvicorn.Server(
        uvicorn.Config(api, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=1)
    )

    def work() -> None:
        loop.run_until_complete(server.serve())
        loop.close()

    thread = threading.Thread(target=work, name="simulated-twilio")
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield loop, carriers, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def world(
    network: tuple[asyncio.AbstractEventLoop, list[Carrier], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A fresh account, in the environment; the carrier reaches `PUBLIC` at a port that is free now."""
    loop, carriers, api = network
    made = World.on(loop, api)
    carriers.append(made.carrier)
    for name, value in {
        "TWILIO_ACCOUNT_SID": made.carrier.rest.account_sid,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_PHONE_NUMBER": OUR_NUMBER,
        "TWILIO_API_BASE_URL": api,
        "VOICE_PUBLIC_URL": PUBLIC,
        "VOICE_SERVER_PORT": str(made.port),
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()
