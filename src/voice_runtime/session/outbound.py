"""The one ordered stream of what a call sends: audio, marks and clears, never overtaking one another.

Producers put from any thread; one consumer, the transport, takes on the loop. A clear opens a new epoch: what is queued
is dropped here, what was sent is dropped at the carrier, and a producer that still holds the old epoch is turned away.
The transport is handed audio ahead of its playing, but only `lead` seconds of it: enough that a stalled loop is not a
gap in a word, little enough that a barge-in wastes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE
from voice_runtime.audio.ledger import Playout, PlayoutLedger
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import MarkOutcome
from voice_runtime.session.loops import run_on_loop
from voice_runtime.session.marks import PendingMark
from voice_runtime.transport import OutboundAudio, OutboundClear, OutboundItem, OutboundMark

__all__ = ["LEAD_SECONDS", "OutboundStream"]

LEAD_SECONDS = 1.0
"""How far ahead of its playing audio is sent. A loop that stalls for less is not heard."""
MESSAGE_BYTES = 5 * FRAME_BYTES
"""Largest piece of audio in one message: 100 ms."""
LIMIT_BYTES = 600 * SAMPLE_RATE
"""Most audio that may wait: ten minutes, as much as Twilio itself holds (warning 31931). More is dropped, counted."""
PARTIAL_FRAME_SECONDS = FRAME_BYTES / SAMPLE_RATE
"""How long less than a frame waits for the rest of it: tiny messages are heard as jitter at the start of words."""

T = TypeVar("T")
_Chunk = tuple[bytes, int | None]


class OutboundStream(asyncio.Queue[bytes]):
    """Audio, marks and clears in order; marks that say what became of them; a ledger of what was heard.

    It is an `asyncio.Queue` of audio for transports written for 0.1, which take `await outbound.get()` and the marks
    from a second place: those get each mark when all audio before it was taken, and pace themselves.
    """

    def __init__(
        self, *, lead_seconds: float = LEAD_SECONDS, limit_bytes: int = LIMIT_BYTES, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self.lead_seconds = lead_seconds
        self.limit_bytes = limit_bytes
        self.backlog_bytes = 0
        self.dropped_bytes = 0
        """Audio refused because too much waited already."""
        self.late_bytes = 0
        """Audio turned away because its utterance had been stopped."""
        self.epoch = 0
        self.marks: dict[str, PendingMark] = {}
        self._mark_numbers = itertools.count(1)  # never begun anew: an echo may come after the next call has begun
        self.loop: asyncio.AbstractEventLoop | None = None
        self.on_ready: Callable[[], None] | None = None
        """The transport's: called on the loop, by whoever puts something, when `take` has something to give again."""
        self.clock = clock or SystemClock()
        self._ledger = PlayoutLedger()
        self.lock = threading.Lock()  # around the state only; never held across a callback or an await
        self._items: deque[_Chunk | OutboundMark | OutboundClear] = deque()
        self._head_offset = 0  # bytes of the first chunk that have left already
        self._chunks = 0
        self._partial_until: float | None = None
        self._due_marks: deque[str] = deque()  # for 0.1 transports: marks whose audio has been taken
        self._waiters: list[asyncio.Future[None]] = []
        self._wanted = False  # somebody waits for the next item
        self._wake_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    # -- producers, any thread -----------------------------------------------------------------------------------------

    def put_audio(self, payload: bytes, utterance: int | None = None, epoch: int | None = None) -> bool:
        """Queue mu-law audio. False when it was not taken: `epoch` is over, or ten minutes wait already."""
        size = len(payload)
        with self.lock:
            if epoch is not None and epoch != self.epoch:
                self.late_bytes += size
                return False
            if self.backlog_bytes + size > self.limit_bytes:
                self.dropped_bytes += size
                return False
            if not size:
                return True
            # With a frame or more waiting already, whoever reads is awake, or paced: this changes nothing for them.
            wake = self._wanted and self.backlog_bytes < FRAME_BYTES and not self._wake_scheduled
            if wake:
                self._wake_scheduled = True
            self._items.append((payload, utterance))
            self._chunks += 1
            self.backlog_bytes += size
            if utterance is not None:  # nobody asks for the account of audio that belongs to no utterance
                self._ledger.queued(utterance, size)
        if wake:
            self._wake()
        return True

    def put_mark(self, name: str, epoch: int | None = None) -> PendingMark:
        """Queue a mark behind everything so far. Its wire name is unique; a mark of an old epoch is cleared at once."""
        writable = name.encode(errors="replace").decode()  # a lone surrogate could not be sent, and stall all after it
        mark = PendingMark(name, f"{writable}__{next(self._mark_numbers):08x}")
        with self.lock:
            stale = epoch is not None and epoch != self.epoch
            if not stale:
                self.marks[mark.wire_name] = mark
                self._items.append(OutboundMark(mark.wire_name))
                self._wake_scheduled = True
        if stale:
            mark.resolve(MarkOutcome.CLEARED)
        else:
            self._wake()
        return mark

    def clear(self) -> list[PendingMark]:
        """Drop all audio, here and at the carrier, and open a new epoch. Returns the marks that this cleared."""
        with self.lock:
            self.epoch += 1
            self._forget_items()
            self._items.append(OutboundClear())
            self._ledger.cleared(self.clock.monotonic())
            cleared, self.marks = list(self.marks.values()), {}
            self._wake_scheduled = True
        for mark in cleared:
            mark.resolve(MarkOutcome.CLEARED)
        self._wake()
        return cleared

    def abandon(self, outcome: MarkOutcome) -> None:
        """Nothing will be played any more: drop everything and release whoever waits for a mark."""
        with self.lock:
            self.epoch += 1
            self._forget_items()
            self._ledger.cleared(self.clock.monotonic())
            # They may belong to a loop that is gone: for the next call they must not look as if they were to come.
            self._wake_scheduled, self._timer = False, None
            waiting, self.marks = list(self.marks.values()), {}
        for mark in waiting:
            mark.set() if outcome is MarkOutcome.RESET else mark.resolve(outcome)

    def _forget_items(self) -> None:
        self._items.clear()
        self._due_marks.clear()
        self._head_offset = 0
        self._partial_until = None
        self._chunks = 0
        self.backlog_bytes = 0

    def mark_echoed(self, wire_name: str) -> bool:
        """The carrier says that it has played everything before this mark. False for a mark we do not wait for."""
        with self.lock:
            mark = self.marks.pop(wire_name, None)
            if mark is not None:
                self._ledger.mark_echoed(wire_name, self.clock.monotonic())
        return mark is not None and mark.resolve(MarkOutcome.PLAYED)

    def forget_mark(self, mark: PendingMark) -> None:
        """Nobody waits for this mark any more."""
        with self.lock:
            self.marks.pop(mark.wire_name, None)

    # -- the ledger ----------------------------------------------------------------------------------------------------

    def playout(self, utterance: int) -> Playout:
        """How much of the utterance was queued, sent and heard by now."""
        with self.lock:
            return self._ledger.snapshot(utterance, self.clock.monotonic())

    def finish(self, utterance: int) -> Playout:
        """As `playout`, for the last time."""
        with self.lock:
            return self._ledger.finish(utterance, self.clock.monotonic())

    def unplayed_seconds(self) -> float:
        """Audio between the producers and the caller's ear, in seconds."""
        with self.lock:
            return self.backlog_bytes / SAMPLE_RATE + self._ledger.lead(self.clock.monotonic())

    def sent(self, item: OutboundItem) -> None:
        """The transport has put `item` on the wire."""
        with self.lock:
            if isinstance(item, OutboundAudio):
                self._ledger.sent(item.utterance, len(item.payload), self.clock.monotonic())
            elif isinstance(item, OutboundMark):
                self._ledger.mark_sent(item.name)
            else:  # what was under way when the clear was put has been dropped as well
                self._ledger.cleared(self.clock.monotonic())

    # -- the transport, on the loop ------------------------------------------------------------------------------------

    def take(self) -> OutboundItem | None:
        """The next item if it may leave now. If not, `on_ready` is called as soon as one may."""
        with self.lock:
            wait = self._seconds_until_due()
            if wait <= 0.0:
                return self._take()
            self._wanted = True
        if wait < math.inf and self._timer is None and self.loop is not None:
            self._timer = self.loop.call_later(wait, self._due)
        return None

    def _due(self) -> None:
        self._timer = None
        self._release_waiters()

    async def next(self) -> OutboundItem:
        """The next item, as soon as it may leave; for those who would rather wait than be called."""
        while (item := self.take()) is None:
            with self.lock:
                waiter = self._new_waiter()
            await waiter
        return item

    def _seconds_until_due(self) -> float:
        """When the first item may leave, in seconds from now; for ever when there is none."""
        if not self._items:
            return math.inf
        if not isinstance(self._items[0], tuple):
            return 0.0
        now = self.clock.monotonic()
        ahead = self._ledger.lead(now) - self.lead_seconds
        if ahead > 0.0:
            return ahead
        if self.backlog_bytes < FRAME_BYTES and len(self._items) == self._chunks:
            if self._partial_until is None:
                self._partial_until = now + PARTIAL_FRAME_SECONDS
            return self._partial_until - now
        return 0.0

    def _take(self) -> OutboundItem:
        """Remove the first item. Small pieces of one utterance travel together, large ones are cut at whole frames."""
        first = self._items[0]
        if not isinstance(first, tuple):
            self._items.popleft()
            return first
        utterance = first[1]
        pieces: list[bytes] = []
        room = MESSAGE_BYTES
        while room and self._items:
            item = self._items[0]
            if not isinstance(item, tuple) or item[1] != utterance:
                break
            payload, offset = item[0], self._head_offset
            size = len(payload) - offset
            if size > room:
                pieces.append(payload[offset : offset + room])
                self._head_offset += room
                room = 0
                break
            pieces.append(payload[offset:] if offset else payload)
            self._items.popleft()
            self._chunks -= 1
            self._head_offset = 0
            room -= size
        self._partial_until = None
        audio = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.backlog_bytes -= len(audio)
        return OutboundAudio(audio, utterance)

    def _new_waiter(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wanted = True
        return waiter

    def _wake(self) -> None:
        if not run_on_loop(self.loop, self._release_waiters):
            self._wake_scheduled = False

    def _release_waiters(self) -> None:
        with self.lock:
            self._wake_scheduled = self._wanted = False
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self.on_ready is not None:
            self.on_ready()

    # -- 0.1's view ----------------------------------------------------------------------------------------------------

    async def next_mark(self) -> str:
        """The wire name of the next mark whose audio has all been taken with `get`."""
        return await self._until(self._pop_mark)

    def _pop_mark(self) -> str | None:
        if not self._due_marks and self._items and isinstance(self._items[0], OutboundMark):
            self._pass_non_audio()
        return self._due_marks.popleft() if self._due_marks else None

    def _pop_chunk(self) -> bytes | None:
        self._pass_non_audio()
        if not self._items:
            return None
        item = self._items.popleft()
        assert isinstance(item, tuple)
        self._chunks -= 1
        payload = item[0][self._head_offset :] if self._head_offset else item[0]
        self._head_offset = 0
        self.backlog_bytes -= len(payload)
        self._ledger.sent(item[1], len(payload), self.clock.monotonic())
        return payload

    def _pass_non_audio(self) -> None:
        while self._items and not isinstance(self._items[0], tuple):
            passed = self._items.popleft()
            if isinstance(passed, OutboundMark):
                self._ledger.mark_sent(passed.name)
                self._due_marks.append(passed.name)

    async def _until(self, pop: Callable[[], T | None]) -> T:
        while True:
            with self.lock:
                found = pop()
                waiter = None if found is not None else self._new_waiter()
                marks_due = bool(self._due_marks)
            if found is not None:
                if marks_due:
                    self._release_waiters()  # the reader of marks waits elsewhere
                return found
            assert waiter is not None
            await waiter

    async def get(self) -> bytes:
        return await self._until(self._pop_chunk)

    def get_nowait(self) -> bytes:
        with self.lock:
            chunk = self._pop_chunk()
        if chunk is None:
            raise asyncio.QueueEmpty
        return chunk

    async def put(self, item: bytes) -> None:
        self.put_audio(item)

    def put_nowait(self, item: bytes) -> None:
        self.put_audio(item)

    def qsize(self) -> int:
        return self._chunks

    def empty(self) -> bool:
        return not self._chunks

    def full(self) -> bool:
        return self.backlog_bytes >= self.limit_bytes
