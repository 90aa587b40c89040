from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # `fakes` is shared by several test directories

from fakes.loops import NetworkLoop
from voice_runtime.testing import VirtualLoop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
VIRTUAL = {"test_calls"}
"""Calls from webhook to ear, in process. The others are about sockets."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_time: measures the machine, or loads it: at the speed of life.")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The time of a test is that of its loop."""
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.SelectorEventLoop}
    return {"virtual": VirtualLoop} if item.path.stem in VIRTUAL else {"network": NetworkLoop}


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No test leaves a task or a thread of its own behind."""
    mine = asyncio.all_tasks()
    threads = set(threading.enumerate())
    yield
    for _ in range(100):
        tasks = {task for task in asyncio.all_tasks() - mine if not task.get_name().startswith("Task-")}
        left = {
            t
            for t in set(threading.enumerate()) - threads
            if not t.name.startswith(("asyncio_", "AnyIO", "ThreadPool"))
        }
        if not tasks and not left:
            return
        await asyncio.to_thread(time.sleep, 0.02)  # threads end in real time
    raise AssertionError(f"left behind: {tasks} {left}")
