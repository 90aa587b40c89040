from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest


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
        await asyncio.sleep(0.02)
    raise AssertionError(f"left behind: {tasks} {left}")
