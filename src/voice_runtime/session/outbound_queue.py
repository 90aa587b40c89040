"""The outbound stream as transports for 0.1 see it: a queue of audio, with the marks in a second place."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from voice_runtime.session.outbound import OutboundStream
from voice_runtime.transport import OutboundAudio, OutboundMark

__all__ = ["OutboundQueue"]

T = TypeVar("T")


class OutboundQueue(asyncio.Queue[bytes]):
    """Audio by `await queue.get()`, as it was put and as soon as it is asked for: those transports pace themselves.

    They get each mark, by `next_mark`, when all audio before it was taken.
    """

    def __init__(self, stream: OutboundStream | None = None) -> None:
        super().__init__()
        self.stream = stream or OutboundStream()
        self.stream.on_put = self._wake
        self._due_marks: deque[tuple[int, str]] = deque()  # with the epoch: a clear drops them too
        self._waiters: list[asyncio.Future[None]] = []

    async def next_mark(self) -> str:
        """The wire name of the next mark whose audio has all been taken with `get`."""
        return await self._until(self._pop_mark)

    async def get(self) -> bytes:
        return await self._until(self._pop_chunk)

    def get_nowait(self) -> bytes:
        chunk = self._pop_chunk()
        if chunk is None:
            raise asyncio.QueueEmpty
        return chunk

    async def put(self, item: bytes) -> None:
        self.stream.put_audio(item)

    def put_nowait(self, item: bytes) -> None:
        self.stream.put_audio(item)

    def qsize(self) -> int:
        return self.stream.waiting

    def empty(self) -> bool:
        return not self.stream.waiting

    def full(self) -> bool:
        return self.stream.backlog_bytes >= self.stream.limit_bytes

    def _pop_mark(self) -> str | None:
        if not self._due_marks:
            self._pass_non_audio()
        while self._due_marks:
            epoch, name = self._due_marks.popleft()
            if epoch == self.stream.epoch:
                return name
        return None

    def _pop_chunk(self) -> bytes | None:
        self._pass_non_audio()
        item = self.stream.pop(audio=True)
        return item.payload if isinstance(item, OutboundAudio) else None

    def _pass_non_audio(self) -> None:
        passed = len(self._due_marks)
        while (item := self.stream.pop(audio=False)) is not None:
            if isinstance(item, OutboundMark):
                self._due_marks.append((self.stream.epoch, item.name))
        if len(self._due_marks) > passed:
            self._wake()  # the reader of marks waits elsewhere

    async def _until(self, pop: Callable[[], T | None]) -> T:
        while (found := pop()) is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return found

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
