"""Who hears of what happens on a call: any number of readers, none of which can hold it up."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Callable

from voice_runtime.events import CallConnected, CallEnded, CallEvent

__all__ = ["EventHub", "EventStream"]

log = logging.getLogger(__name__)


class EventStream:
    """`async for event in stream`: every event from the moment it was made, the last one is `CallEnded`.

    A reader that falls `limit` events behind loses the oldest, counted in `dropped`. With a `timeout`, the stream ends
    when nothing has happened for so many seconds.
    """

    def __init__(self, limit: int = 1000, timeout: float | None = None) -> None:
        self._events: deque[CallEvent] = deque()
        self._limit = limit
        self._timeout = timeout
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self.dropped = 0

    def offer(self, event: CallEvent) -> None:
        if len(self._events) >= self._limit:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> CallEvent:
        if self._ended:
            raise StopAsyncIteration
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self._timeout):
                    await self._waiter
            except TimeoutError:
                raise StopAsyncIteration from None
            finally:
                self._waiter = None
        event = self._events.popleft()
        self._ended = isinstance(event, CallEnded)
        return event


class EventHub:
    """Hands each event to the runtime's own listeners at once and to every stream. Used on the call's loop only."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[CallEvent], None]] = []
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()  # one that nobody reads any more just goes
        self.ended: CallEnded | None = None
        """The last event of the call; None while it lives."""

    def listen(self, listener: Callable[[CallEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event, on the loop: it must not block. Returns what takes it away again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def stream(self, timeout: float | None = None) -> EventStream:
        stream = EventStream(timeout=timeout)
        self._streams.add(stream)
        return stream

    def publish(self, event: CallEvent) -> None:
        if isinstance(event, CallConnected):
            self.ended = None
        elif isinstance(event, CallEnded):
            self.ended = event
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # one listener's fault is not the others', nor the call's
                log.exception("an event listener failed on %s", type(event).__name__)
        for stream in self._streams:
            stream.offer(event)
        if isinstance(event, CallEnded):
            self._streams.clear()
