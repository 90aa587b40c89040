"""A whole phone system for one test: our server on a real port, a simulated carrier, time ten times as fast."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from pydantic import SecretStr

from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.simulator import CallRecord, Carrier, Script, rest_app

PUBLIC = "https://voice.example.com"
TOKEN = "0123456789abcdef0123456789abcdef"
SPEED = 10.0


class FastClock:
    """The machine's clock, `SPEED` times as fast: the line's time, so that ledger and carrier agree."""

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def wall(self) -> float:
        return time.time()


def fast_session() -> VoiceSession:
    """A session on a line that runs ten times as fast. Its pacing cannot: it sends everything at once."""
    session = VoiceSession(clock=FastClock())
    session.stream.lead_seconds = 600.0
    return session


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "voice_public_url": PUBLIC,
            "twilio_account_sid": "AC" + "0" * 32,
            "twilio_auth_token": SecretStr(TOKEN),
            "twilio_skip_signature_validation": False,
            "twilio_http_timeout": 2.0,
            "voice_max_loop_lag_ms": 0.0,  # a busy test machine must not turn callers away
            **changes,
        }
    )


class PhoneSystem:
    """`app` answers; `call(script)` is somebody who rings it."""

    def __init__(self, app: VoiceApp, carrier: Carrier, url: str) -> None:
        self.app, self.carrier, self.url = app, carrier, url

    async def call(self, script: Script, **options: Any) -> CallRecord:
        return await self.carrier.call(f"{PUBLIC}/incoming", script, **options)


@contextlib.asynccontextmanager
async def phone_system(
    app: VoiceApp | None = None, *, speed: float = SPEED, **options: Any
) -> AsyncIterator[PhoneSystem]:
    """Everything up, and everything down again. `options` go to the `VoiceApp`, `changes` to its settings."""
    door, rest_door = _door(), _door()
    async with (
        Carrier(TOKEN, account_sid="AC" + "0" * 32, addresses={PUBLIC: _url(door)}, speed=speed) as carrier,
        _serving(rest_app(carrier.rest), rest_door),
    ):
        changes = {"twilio_api_base_url": _url(rest_door), **options.pop("changes", {})}
        app = VoiceApp(settings=settings(**changes), **{"session": fast_session, **options})
        async with _serving(app, door):
            yield PhoneSystem(app, carrier, _url(door))


def _door() -> socket.socket:
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


def _url(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


@contextlib.asynccontextmanager
async def _serving(app: Any, door: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[door]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await serving
        door.close()
