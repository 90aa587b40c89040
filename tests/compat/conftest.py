"""Programs for 0.1 read their settings from the environment: here it holds nothing but what a test puts there."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))  # `telephone` is shared by the tests of this folder

from telephone import AUTH_TOKEN

_KEYS = (
    "TRANSPORT",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_API_BASE_URL",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_PHONE_NUMBER",
    "TWILIO_SKIP_SIGNATURE_VALIDATION",
    "VOICE_MEDIA_PATH",
    "VOICE_PUBLIC_URL",
    "VOICE_SERVER_PORT",
    "VOICE_STREAM_URL",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)


@pytest_asyncio.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No test leaves a task or a thread of its own."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    for _ in range(200):
        left_threads = [t for t in threading.enumerate() if t not in threads and not t.name.startswith("asyncio_")]
        left_tasks = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        if not left_threads and not left_tasks:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"left behind: {left_threads} {left_tasks}")
