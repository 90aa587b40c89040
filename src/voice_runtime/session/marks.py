"""A mark on its way to the carrier and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from voice_runtime.events import MarkOutcome
from voice_runtime.session.loops import run_on_loop

__all__ = ["PendingMark"]


class PendingMark:
    """A bookmark in the outbound stream. It resolves once, from any thread, and says what became of it."""

    __slots__ = ("_callbacks", "_done", "_lock", "name", "outcome", "wire_name")

    def __init__(self, name: str, wire_name: str) -> None:
        self.name = name
        self.wire_name = wire_name
        self.outcome: MarkOutcome | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []

    def resolve(self, outcome: MarkOutcome) -> bool:
        """The first outcome wins; True when this was it. Never call it under a lock: it wakes waiters."""
        with self._lock:
            if self.outcome is not None:
                return False
            self.outcome = outcome
            callbacks, self._callbacks = self._callbacks, []
        self._done.set()
        for callback in callbacks:
            callback()
        return True

    def set(self) -> None:
        """Release the waiter, as 0.1's event in its place did."""
        self.resolve(MarkOutcome.RESET)

    def wait_blocking(self, timeout: float) -> MarkOutcome:
        """Block this thread until the mark resolves, at most `timeout` seconds."""
        if not self._done.wait(timeout):
            self.resolve(MarkOutcome.TIMED_OUT)
        return self._settled()

    async def wait(self, timeout: float) -> MarkOutcome:
        """Wait on the loop until the mark resolves, at most `timeout` seconds."""
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[None] = loop.create_future()

        def release() -> None:
            if not settled.done():
                settled.set_result(None)

        with self._lock:
            pending = self.outcome is None
            if pending:
                self._callbacks.append(lambda: run_on_loop(loop, release))
        if pending:
            try:
                await asyncio.wait_for(settled, timeout)
            except TimeoutError:
                self.resolve(MarkOutcome.TIMED_OUT)
        return self._settled()

    def _settled(self) -> MarkOutcome:
        assert self.outcome is not None
        return self.outcome
