"""The one ordered stream of what a call sends: audio, marks and clears, never overtaking one another.

Producers put from any thread; one consumer, the wire, is handed items on the loop. A clear opens a new epoch: what is
queued is dropped here, what was sent is dropped at the carrier, and a producer that still holds the old epoch is turned
away. The wire is handed audio ahead of its playing, but only `lead` seconds of it: enough that a stalled loop is not a
gap in a word, little enough that a barge-in wastes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable
from threading import get_ident

from voice_runtime.audio.background import Background
from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE
from voice_runtime.audio.ledger import Playout, PlayoutLedger
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import MarkOutcome
from voice_runtime.session.loops import run_on_loop
from voice_runtime.session.marks import PendingMark
from voice_runtime.transport import OutboundAudio, OutboundClear, OutboundItem, OutboundMark, Wire

__all__ = ["LEAD_SECONDS", "OutboundStream"]

LEAD_SECONDS = 1.0
"""How far ahead of its playing audio is sent. A loop that stalls for less is not heard."""
MESSAGE_BYTES = 5 * FRAME_BYTES
"""Largest piece of audio in one message: 100 ms."""
BACKGROUND_LEAD_SECONDS = 0.04
"""How far ahead a background is sent while nothing is said: so much, and a frame, may stand before the first word."""
LIMIT_BYTES = 600 * SAMPLE_RATE
"""Most audio that may wait: ten minutes, as much as Twilio itself holds (warning 31931). More is dropped, counted."""
PARTIAL_FRAME_SECONDS = FRAME_BYTES / SAMPLE_RATE
"""How long less than a frame waits for the rest of it: tiny messages are heard as jitter at the start of words."""


class OutboundStream:
    """Audio, marks and clears in order; marks that say what became of them; a ledger of what was heard."""

    def __init__(
        self, *, lead_seconds: float = LEAD_SECONDS, limit_bytes: int = LIMIT_BYTES, clock: Clock | None = None
    ) -> None:
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
        self.on_put: Callable[[], None] | None = None
        """For readers of 0.1: called on the loop when `pop` may have something again."""
        self.on_audio: Callable[[bytes], object] | None = None
        """A recorder's: called on the loop with the audio that was sent."""
        self.has_sound = True
        """False of a line of text, where nothing can be mixed: agents have no background then."""
        self._background: Background | None = None
        self.clock = clock or SystemClock()
        self._ledger = PlayoutLedger()
        self.lock = threading.Lock()  # around the state only; never held across a callback or an await
        self._wire: Wire | None = None
        self._free: Wire | None = None  # the wire, unless an item is under way on it
        self._under_way: OutboundAudio | None = None  # the item, if it is audio that nothing has cleared yet
        self._thread = 0  # of the wire
        self._items: deque[OutboundItem] = deque()
        self._head_offset = 0  # bytes of the first item that have left already
        self._chunks = 0  # pieces of audio among the items
        self._partial_until: float | None = None
        self._wanted = False  # the consumer has found nothing to take, and waits
        self._wake_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    # -- producers, any thread -----------------------------------------------------------------------------------------

    def put_audio(self, payload: bytes, utterance: int | None = None, epoch: int | None = None) -> bool:
        """Queue mu-law audio. False when it was not taken: `epoch` is over, or ten minutes wait already."""
        size = len(payload)
        item = OutboundAudio(payload, utterance)
        with self.lock:
            if epoch is not None and epoch != self.epoch:
                self.late_bytes += size
                return False
            wire = None if self._items else self._wire_at_once(item, size)
            if wire is None:
                if self.backlog_bytes + size > self.limit_bytes:
                    self.dropped_bytes += size
                    return False
                if not size:
                    return True
                if utterance is not None:  # nobody asks for the account of audio that belongs to no utterance
                    self._ledger.queued(utterance, size)
                # With a frame or more waiting already, the consumer is awake, or paced: this changes nothing for it.
                wake = self._wanted and self.backlog_bytes < FRAME_BYTES and not self._wake_scheduled
                if wake:
                    self._wake_scheduled = True
                self._items.append(item)
                self._chunks += 1
                self.backlog_bytes += size
        if wire is not None:
            self._hand(wire, item)
        elif wake:
            self._wake()
        return True

    def _wire_at_once(self, audio: OutboundAudio, size: int) -> Wire | None:
        """The wire, when audio with nothing before it can go from here, this moment: no queue, no wake-up, one lock.

        It then counts as sent. The frames of a handler that answers the caller's one by one leave like that; by way of
        the queue they cost twice as much. The thread says whether this is the loop: to ask asyncio for the running one
        is a system call (getpid) in Python 3.11.
        """
        if (
            self._background is not None
            or self._free is None
            or get_ident() != self._thread
            or not FRAME_BYTES <= size <= MESSAGE_BYTES
        ):
            return None
        now, ledger = self.clock.monotonic(), self._ledger
        if ledger.ends_at - self.lead_seconds > now:
            return None
        if audio.utterance is not None:
            ledger.queued(audio.utterance, size)
        ledger.sent(audio.utterance, size, now)
        return self._free

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
            if self._background is not None:
                self._background.rewind(int(self._ledger.lead(self.clock.monotonic()) * SAMPLE_RATE))
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
        self._under_way = None
        self._head_offset = 0
        self._partial_until = None
        self._chunks = 0
        self.backlog_bytes = 0

    # -- under the voice ----------------------------------------------------------------------------------------------

    def set_background(self, background: Background | None) -> None:
        """Mix this under all audio from now on, and send it when there is none. Not for transports of 0.1."""
        with self.lock:
            self._background = background if self.has_sound else None
        self._wake()

    def think(self, on: bool) -> None:
        """Let the background's thinking sound begin, or fade out."""
        with self.lock:
            if self._background is not None:
                self._background.think(on)
        self._wake()

    # -- what the carrier says ----------------------------------------------------------------------------------------

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
        """Audio between the producers and the caller's ear, in seconds; a background does not count."""
        with self.lock:
            return self.backlog_bytes / SAMPLE_RATE + max(self._ledger.voice_ends_at - self.clock.monotonic(), 0.0)

    def quiet_seconds(self) -> float:
        """For how long the caller has heard nothing, or a background; 0 while audio is left, infinite before all."""
        with self.lock:
            now = self.clock.monotonic()
            return 0.0 if self.backlog_bytes else max(now - self._ledger.voice_ends_at, 0.0)

    @property
    def waiting(self) -> int:
        """Pieces of audio that wait."""
        return self._chunks

    # -- the wire, on the loop -----------------------------------------------------------------------------------------

    def carry(self, wire: Wire | None) -> None:
        """Hand everything to `wire` from now on, each item as soon as it may leave; None: to nobody."""
        with self.lock:
            self._under_way = None  # lost with the wire before this one
            self._ledger.left(self.clock.monotonic())
        self._wire = self._free = wire
        self._thread = get_ident()
        self._pump()

    def sent(self) -> None:
        """What was under way has left: the wire can take more."""
        with self.lock:
            audio, self._under_way = self._under_way, None
            self._ledger.left(self.clock.monotonic())
        if audio is not None and self.on_audio is not None:
            self.on_audio(audio.payload)
        self._free = self._wire
        self._pump()

    def _pump(self) -> None:
        while (wire := self._free) is not None and (item := self._take()) is not None:
            self._hand(wire, item)

    def _hand(self, wire: Wire, item: OutboundItem) -> None:
        if not wire(item):
            self._wait_for(item, wire)
        elif self.on_audio is not None and isinstance(item, OutboundAudio):
            self.on_audio(item.payload)

    def _wait_for(self, item: OutboundItem, wire: Wire) -> None:
        """The item counts as sent, but is under way on `wire`: nothing follows, and nobody hears it, until `sent`."""
        if self._free is not wire:
            return
        self._free = None
        if isinstance(item, OutboundAudio):
            with self.lock:
                self._under_way = item
                self._ledger.under_way(len(item.payload))

    def _take(self) -> OutboundItem | None:
        """Remove the next item if it may leave now; it counts as sent. If not, the pump runs again when one may."""
        with self.lock:
            wait = self._seconds_until_due()
            if wait <= 0.0:
                if self._background is not None and isinstance(self._items[0], OutboundAudio):
                    return self._mixed_message(self._background)
                item = self._next_message()
                self._account(item)
                return item
            if self._background is not None and self._background.sounds:
                ahead = self._ledger.lead(self.clock.monotonic()) - BACKGROUND_LEAD_SECONDS
                if ahead < 0.001:  # not 0: a wait that is too short for the clock would never be over
                    return self._background_message(self._background.alone(FRAME_BYTES))
                wait = min(wait, ahead)
            self._wanted = True
        if wait < math.inf and self._timer is None and self.loop is not None:
            self._timer = self.loop.call_later(wait, self._due)
        return None

    def _due(self) -> None:
        self._timer = None
        self._ready()

    def _seconds_until_due(self) -> float:
        """When the first item may leave, in seconds from now; for ever when there is none."""
        if not self._items:
            return math.inf
        if not isinstance(self._items[0], OutboundAudio):
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

    def _next_message(self) -> OutboundItem:
        """Remove the first item. Small pieces of one utterance travel together, large ones are cut at whole frames."""
        first = self._items[0]
        if not isinstance(first, OutboundAudio):
            return self._items.popleft()
        pieces: list[bytes] = []
        room = MESSAGE_BYTES
        while room and self._items:
            item = self._items[0]
            if not isinstance(item, OutboundAudio) or item.utterance != first.utterance:
                break
            offset = self._head_offset
            size = len(item.payload) - offset
            if size > room:
                pieces.append(item.payload[offset : offset + room])
                self._head_offset += room
                break
            pieces.append(item.payload[offset:] if offset else item.payload)
            self._pop_chunk()
            room -= size
        self._partial_until = None
        audio = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.backlog_bytes -= len(audio)
        return OutboundAudio(audio, first.utterance)

    def _mixed_message(self, background: Background) -> OutboundAudio:
        """Audio with the background under it. The thinking sound is gone before the first of it."""
        if background.thinks:
            return self._background_message(background.alone(FRAME_BYTES, speech_follows=True))
        item = self._next_message()
        self._account(item)
        assert isinstance(item, OutboundAudio), "the first item is audio"
        return OutboundAudio(background.under(item.payload), item.utterance)

    def _background_message(self, audio: bytes) -> OutboundAudio:
        self._ledger.sent(None, len(audio), self.clock.monotonic(), background=True)
        return OutboundAudio(audio, None)

    def _pop_chunk(self) -> None:
        self._items.popleft()
        self._chunks -= 1
        self._head_offset = 0

    def _account(self, item: OutboundItem) -> None:
        if isinstance(item, OutboundAudio):
            self._ledger.sent(item.utterance, len(item.payload), self.clock.monotonic())
        elif isinstance(item, OutboundMark):
            self._ledger.mark_sent(item.name)
        else:  # what was under way when the clear was put has been dropped as well
            self._ledger.cleared(self.clock.monotonic())

    def _wake(self) -> None:
        if not run_on_loop(self.loop, self._ready):
            self._wake_scheduled = False

    def _ready(self) -> None:
        with self.lock:
            self._wake_scheduled = self._wanted = False
        if self.on_put is not None:
            self.on_put()
        self._pump()

    # -- transports of 0.1, by `OutboundQueue` -------------------------------------------------------------------------

    def pop(self, *, audio: bool) -> OutboundItem | None:
        """The first item as it was put, if it is (not) audio, whether it is due or not; it counts as sent."""
        with self.lock:
            if not self._items or isinstance(self._items[0], OutboundAudio) is not audio:
                self._wanted = True
                return None
            item = self._items[0]
            if isinstance(item, OutboundAudio):
                if self._head_offset:
                    item = OutboundAudio(item.payload[self._head_offset :], item.utterance)
                self.backlog_bytes -= len(item.payload)
                self._pop_chunk()
            else:
                self._items.popleft()
            self._account(item)
            return item
