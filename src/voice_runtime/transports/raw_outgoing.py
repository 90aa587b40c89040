"""What goes out on a raw-audio socket: audio and messages in one order, with as much waiting as is bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import MediaSocket, SocketClosed

__all__ = ["Outgoing"]

MAX_WAITING: Final = 1000
"""Messages that wait for a client that reads nothing. More, and the socket counts as broken."""


class Outgoing:
    """The writing side of one socket. `broken` is set to why nothing can be sent any more; nothing here raises."""

    def __init__(self, socket: MediaSocket, tasks: TaskOwner, on_room: Callable[[], None]) -> None:
        self.broken: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.waiting_since: float | None = None
        self._socket = socket
        self._tasks = tasks
        self._on_room = on_room  # called when all that waited has left
        self._queue: deque[str | bytes] = deque()
        self._left = asyncio.Event()

    def put(self, *messages: str | bytes) -> bool:
        """Send these in turn. True when all have left; else `on_room` will be called."""
        self._queue += messages
        if len(self._queue) > MAX_WAITING:
            self._fail(SocketClosed(1006, "the client does not read"))
        if self.waiting_since is None:
            self._pump()
        return self._idle

    @property
    def _idle(self) -> bool:
        return self.waiting_since is None and not self.broken.done()

    async def flush(self, seconds: float) -> None:
        """Wait until all has left, or nothing can any more, but not longer."""
        try:
            async with asyncio.timeout(seconds):
                while self.waiting_since is not None and not self.broken.done():
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            pass  # whoever does not read does not get to know

    def _pump(self) -> None:
        while self._queue and not self.broken.done():
            try:
                sending = self._socket.send(self._queue.popleft())
            except Exception as error:  # the reader of `broken` reports it: this runs within calls of the program
                self._fail(error)
                return
            if sending is not None:
                self.waiting_since = asyncio.get_running_loop().time()
                self._tasks.start("send", self._finish(sending))
                return

    async def _finish(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except Exception as error:  # as above
            self._fail(error)
            return
        self.waiting_since = None
        self._pump()
        self._left.set()
        if self._idle:
            self._on_room()

    def _fail(self, error: Exception) -> None:
        self._queue.clear()
        self._left.set()
        if not self.broken.done():
            self.broken.set_result(error)
