"""A simulated Twilio account behind a real socket, so that the real SDK talks to it as it would to Twilio."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import twilio.rest  # noqa: F401  # now, and not inside the first request that is timed
import uvicorn
from simulated_account import OUR_NUMBER, Account

from voice_runtime.simulator.rest import RestState, rest_app


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment gets into a test."""
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "PHONE_NUMBER", "REGION", "EDGE", "HTTP_TIMEOUT", "API_BASE_URL"):
        monkeypatch.delenv(f"TWILIO_{name}", raising=False)
    for name in ("VOICE_PUBLIC_URL", "VOICE_STREAM_URL", "VOICE_MEDIA_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[list[RestState], str]]:
    """One server for all tests; each puts a state of its own into the list."""
    current: list[RestState] = []

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        await rest_app(current[-1])(scope, receive, send)  # type: ignore[arg-type]

    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="simulated-twilio")
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield current, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def account(served: tuple[list[RestState], str]) -> Account:
    """A fresh account."""
    current, url = served
    current[:] = [RestState()]
    return Account(current[0], url)


@pytest.fixture
def ambient(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The account in the environment, as programs written for 0.1 have it."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", account.state.account_sid)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", account.state.auth_token)
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", OUR_NUMBER)
    monkeypatch.setenv("TWILIO_API_BASE_URL", account.url)
    monkeypatch.setenv("VOICE_STREAM_URL", "https://voice.example.com/")
    return account
