"""Every task has a name, an owner and an end; every stream an end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

__all__ = ["TaskOwner", "closing"]

T = TypeVar("T")
log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 5.0
"""How long a cancelled task may take to end before it is cancelled once more: some swallow the first time."""
GIVE_UP_SECONDS = 10.0
"""A task that has not ended by then is left behind: what waits for it must not wait for ever."""


class TaskOwner:
    """Starts tasks, knows which of them live, and ends them all.

    A task that fails on its own is logged with its name: nothing dies unseen.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as the task "<owner>.<name>" on the running loop."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)

    async def finish(self, seconds: float) -> None:
        """Give what still runs so long to end by itself, then `close`."""
        me = asyncio.current_task()
        if others := [task for task in self._tasks if task is not me]:
            await asyncio.wait(others, timeout=seconds)
        await self.close()

    async def close(self) -> None:
        """Cancel what still runs and wait until all of it has ended. Safe to call twice, and from one of the tasks."""
        me = asyncio.current_task()
        now = asyncio.get_running_loop().time
        deadline = now() + GIVE_UP_SECONDS
        while others := [task for task in self._tasks if task is not me]:
            if now() >= deadline:
                log.error("these tasks do not end: %s", ", ".join(task.get_name() for task in others))
                return
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=ASK_AGAIN_SECONDS)


@asynccontextmanager
async def closing(stream: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close the maker of a stream as soon as nobody wants the rest: at a vendor, every second costs."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)  # generators have it, a plain iterator need not
        if close is not None:
            await close()
