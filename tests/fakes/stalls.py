"""How long a loop stands still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["stalls_longer_than"]


async def stalls_longer_than(seconds: float, work: Callable[[], Awaitable[None]]) -> bool:
    """Whether the loop stands still for so long while `work` is done: each time of five.

    What blocks the loop blocks it each time; a busy machine does not.
    """
    for _ in range(5):
        if await _longest_stall(work) < seconds:
            return False
    return True


async def _longest_stall(work: Callable[[], Awaitable[None]]) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    watcher = asyncio.create_task(watch())
    await work()
    watcher.cancel()
    await asyncio.wait([watcher])
    return longest
