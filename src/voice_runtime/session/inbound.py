"""The caller's audio on its way to whoever listens: bounded, oldest dropped first, fed from any thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from voice_runtime.session.loops import run_on_loop

__all__ = ["FrameSubscription", "InboundQueue"]

BACKLOG_FRAMES = 100
"""2 s."""


class InboundQueue(asyncio.Queue["bytes | None"]):
    """Frames of the caller, mu-law, `None` at the end. At most `limit` frames wait; then the oldest go, counted.

    It stays an `asyncio.Queue`, since 0.1 handed it to `stt.start(queue)` as one.
    """

    def __init__(self, limit: int = 500) -> None:
        super().__init__()
        self.limit = limit
        self.dropped = 0
        self.awaited = False
        """Somebody reads this queue, or is about to. If not, and the call's audio is read elsewhere, it stays empty."""
        self.on_drop: Callable[[], None] | None = None
        self.on_backlog: Callable[[], None] | None = None
        """Called on the loop when so much has come to wait that whoever reads may have stopped."""
        self._offered = 0
        self.arrive: Callable[[bytes | None], None] = self.offer
        """Where frames of other threads go, on the loop: the session has more readers than this queue."""
        self._crossing: deque[bytes | None] = deque(maxlen=limit)
        self._crossing_scheduled = False

    def offer(self, frame: bytes | None) -> None:
        """Add a frame, on the loop. Never waits, never refuses. The hot path: `put_nowait` costs
        twice as much, for bookkeeping of `join` that nobody asks for."""
        waiting: deque[bytes | None] = self._queue  # type: ignore[attr-defined]
        size = len(waiting)
        if size >= self.limit:
            self._drop_oldest(waiting)
        elif size == BACKLOG_FRAMES and self.on_backlog is not None:
            self.on_backlog()
        waiting.append(frame)
        self._offered += 1
        if self._getters:  # type: ignore[attr-defined]
            self._wakeup_next(self._getters)  # type: ignore[attr-defined]

    @property
    def taken(self) -> int:
        """How many frames have gone, one way or another."""
        return self._offered - len(self._queue)  # type: ignore[attr-defined]

    def get(self) -> Coroutine[Any, Any, bytes | None]:
        self.awaited = True
        return super().get()

    def get_nowait(self) -> bytes | None:
        self.awaited = True
        return super().get_nowait()

    def empty(self) -> bool:
        self.awaited = True  # whoever looks whether there is something to get will get it
        return super().empty()

    def qsize(self) -> int:
        self.awaited = True
        return super().qsize()

    def offer_from_thread(self, loop: asyncio.AbstractEventLoop, frame: bytes | None) -> None:
        """Add a frame from another thread. A burst costs one wake-up of the loop, not one per frame."""
        if len(self._crossing) == self._crossing.maxlen:
            self.dropped += 1
        self._crossing.append(frame)
        if not self._crossing_scheduled:
            self._crossing_scheduled = True
            if not run_on_loop(loop, self._arrive):
                self._crossing_scheduled = False
                self._crossing.clear()

    def _arrive(self) -> None:
        # The flag falls first: a frame appended after the last popleft schedules another arrival.
        self._crossing_scheduled = False
        while self._crossing:
            self.arrive(self._crossing.popleft())

    def _drop_oldest(self, waiting: deque[bytes | None]) -> None:
        if waiting[0] is None:
            waiting.rotate(-1)  # the end of a call must not get lost
        waiting.popleft()
        self.dropped += 1
        if self.on_drop is not None:
            self.on_drop()

    def drain(self) -> int:
        """Throw away what waits, sentinels too; how many there were."""
        waiting: deque[bytes | None] = self._queue  # type: ignore[attr-defined]
        drained = len(waiting)
        self._crossing.clear()
        waiting.clear()
        return drained


class FrameSubscription:
    """One more reader of the caller's audio beside the STT: `async for frame in subscription`. Oldest dropped first."""

    def __init__(self, limit: int = 500) -> None:
        self._limit = limit
        self._frames: deque[bytes] = deque(maxlen=limit)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self.dropped = 0

    def offer(self, frame: bytes) -> None:
        frames, waiter = self._frames, self._waiter
        if len(frames) == self._limit:
            self.dropped += 1
        frames.append(frame)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self) -> None:
        """There will be no more; what has arrived is still handed out."""
        self._ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> FrameSubscription:
        return self

    async def __anext__(self) -> bytes:
        frames = self._frames
        while not frames:
            if self._ended:
                raise StopAsyncIteration
            if self._loop is None:
                self._loop = asyncio.get_running_loop()  # kept: to ask for it is a system call (getpid) in Python 3.11
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return frames.popleft()
