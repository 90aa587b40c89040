"""The playout ledger: per utterance, how many bytes were queued, sent to the carrier, and heard by the caller.

The carrier plays what it is sent in order, at 8000 bytes per second, and says nothing while it does, except for the
echo of a mark: everything sent before that mark has now been played. So the playhead comes from the marks, and between
them from the clock. An idle carrier starts to play when the first byte is sent.

The clock alone runs ahead of the truth by the network's delay. Therefore it never carries the playhead past a mark
that has not been echoed, and what was reported as heard never has to be taken back. A mark that is overdue by
`MARK_GRACE` counts as lost, and the clock has the word again.

Pure: time comes in as `now`, in seconds of any monotonic clock.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from voice_runtime.audio.frames import SAMPLE_RATE, bytes_to_ms

__all__ = ["MARK_GRACE", "Playout", "PlayoutLedger"]

MARK_GRACE: Final = 1.0
"""Seconds after its expected time at which a mark is taken for lost. The round trip to a carrier is about 0.2 s."""

_MAX_MARKS: Final = 1024  # a carrier that echoes none must not cost memory


@dataclass(frozen=True, slots=True)
class Playout:
    """How far one utterance came, in bytes of mu-law: heard <= sent <= queued.

    `sent_at`: when its first byte was sent; `plays_at`: when the carrier had played all before that. None: not yet.
    """

    queued: int = 0
    sent: int = 0
    heard: int = 0
    sent_at: float | None = field(default=None, compare=False)
    plays_at: float | None = field(default=None, compare=False)

    @property
    def queued_ms(self) -> float:
        """Milliseconds of speech that were to be said."""
        return bytes_to_ms(self.queued)

    @property
    def sent_ms(self) -> float:
        """Milliseconds handed to the carrier."""
        return bytes_to_ms(self.sent)

    @property
    def heard_ms(self) -> float:
        """Milliseconds that came out of the caller's phone."""
        return bytes_to_ms(self.heard)


class _Mark(NamedTuple):
    name: str
    position: int
    due: float  # before the corrections in `_late`


class _Account:
    """The counts of one utterance; `heard` without the segment that is being played."""

    __slots__ = ("heard", "plays_at", "queued", "sent", "sent_at")

    def __init__(self) -> None:
        self.queued = 0
        self.sent = 0
        self.heard = 0
        self.sent_at: float | None = None
        self.plays_at: float | None = None


class _Segment:
    """A stretch of the outgoing stream that belongs to one utterance: [start, end) in bytes since the beginning.

    It holds the account, not the number: the number may be forgotten and used again while this is being played.
    """

    __slots__ = ("account", "end", "start")

    def __init__(self, account: _Account, start: int, end: int) -> None:
        self.account = account
        self.start = start
        self.end = end


class PlayoutLedger:
    """The ledger of one call. An utterance is an int; None is audio that belongs to none (a tone, a beep)."""

    __slots__ = (
        "_accounts",
        "_booked",
        "_head",
        "_held",
        "_late",
        "_marks",
        "_segments",
        "_speaker",
        "_tail",
        "_voice_tail",
        "ends_at",
        "voice_ends_at",
    )

    def __init__(self) -> None:
        self._accounts: dict[int | None, _Account] = {}
        self._segments: deque[_Segment] = deque()  # sent, not yet played to their end, in order
        self._marks: deque[_Mark] = deque()  # sent, not yet echoed, in order
        self._tail = 0  # the position after the last byte sent
        self._booked = 0  # up to here it is in the accounts and segments; the rest is of `_speaker`
        self._speaker: int | None = None
        self._head = 0  # the position of the playhead, as of the last event or question
        self._held: int | None = None  # the bytes after this position are still under way to the carrier
        self.ends_at = float("-inf")
        """When the last byte sent will have been played."""
        self._voice_tail = 0  # the position after the last byte sent that was no background
        self.voice_ends_at = float("-inf")
        """When the last byte sent that was no background will have been played."""
        self._late = 0.0  # what the echoes so far have added to that

    def queued(self, utterance: int | None, n: int) -> None:
        """`n` bytes of the utterance were accepted for sending. Raises ValueError when `n` is negative."""
        if n < 0:
            raise ValueError(f"cannot queue {n} bytes")
        self._account(utterance).queued += n

    def sent(self, utterance: int | None, n: int, now: float, *, background: bool = False) -> None:
        """`n` bytes, of the utterance or a background, went to the carrier. Raises ValueError when `n` is negative."""
        if n < 0:
            raise ValueError(f"cannot send {n} bytes")
        if utterance != self._speaker:
            self._book()
            self._speaker = utterance
            account = self._account(utterance)
            if account.sent_at is None:
                account.sent_at, account.plays_at = now, max(now, self.ends_at)
        if self.ends_at <= now:  # the carrier has run dry, and starts again
            self._settle(now)
            self.ends_at = now
        self.ends_at += n / SAMPLE_RATE
        self._tail += n
        if not background:
            self.voice_ends_at, self._voice_tail = self.ends_at, self._tail

    def under_way(self, n: int) -> None:
        """The last `n` bytes sent have not left yet, after all: nobody hears them before they have `left`."""
        self._held = max(self._head, self._tail - n)

    def left(self, now: float) -> None:
        """What was under way has left. A carrier that ran dry meanwhile begins to play it now."""
        if self._held is None:
            return
        self._settle(now)
        self.ends_at = max(self.ends_at, now + (self._tail - self._held) / SAMPLE_RATE)
        if self._voice_tail > self._held:
            self.voice_ends_at = self.ends_at - (self._tail - self._voice_tail) / SAMPLE_RATE
        self._held = None

    def mark_sent(self, name: str) -> None:
        """A mark went to the carrier, after everything sent so far."""
        if len(self._marks) == _MAX_MARKS:
            self._marks.popleft()
        self._marks.append(_Mark(name, self._tail, self.ends_at - self._late))

    def mark_echoed(self, name: str, now: float) -> None:
        """The carrier echoed a mark: what was sent before it has been played, and nothing after it.

        An unknown name (late, cleared, given up) is ignored. The echo of a later mark settles the earlier ones.
        """
        mark = next((mark for mark in self._marks if mark.name == name), None)
        if mark is None:
            return
        while self._marks.popleft() is not mark:
            pass
        self._book()
        end = now + (self._tail - mark.position) / SAMPLE_RATE
        if self._tail > mark.position:
            self._late += end - self.ends_at  # the marks after this one are as late as the audio they follow
        self.ends_at = end
        if self._voice_tail > mark.position:
            self.voice_ends_at = end - (self._tail - self._voice_tail) / SAMPLE_RATE
        self._move(mark.position)

    def cleared(self, now: float) -> None:
        """The carrier was told to drop its queue: what was not heard by now never will be."""
        self._book()
        self._marks_expire(now)
        self._move(self._estimate(now))
        if self._segments:
            playing = self._segments[0]
            playing.account.heard += self._head - playing.start
        self._segments.clear()
        self._marks.clear()
        self._tail = self._booked = self._head
        self._held = None
        self.ends_at = now
        self.voice_ends_at, self._voice_tail = min(self.voice_ends_at, now), min(self._voice_tail, self._tail)
        self._late = 0.0

    def playhead_end(self, now: float) -> float:
        """The time at which everything sent will have been played; `now` when nothing is left. By clock and echoes."""
        return self.ends_at if self.ends_at > now else now

    def lead(self, now: float) -> float:
        """Seconds of audio that the carrier holds and has not played: what to send ahead is decided by this."""
        return self.ends_at - now if self.ends_at > now else 0.0

    def heard(self, utterance: int | None, now: float) -> int:
        """Bytes of the utterance that the caller has heard; 0 for an unknown one."""
        self._settle(now)
        account = self._accounts.get(utterance)
        return 0 if account is None else account.heard + self._playing(account)

    def snapshot(self, utterance: int | None, now: float) -> Playout:
        """How far the utterance came; zeros for an unknown one."""
        self._settle(now)
        return self._playout(utterance)

    def finish(self, utterance: int | None, now: float | None = None) -> Playout:
        """The last snapshot of the utterance, which is then forgotten. Without `now`, as of the last event."""
        self._book()
        if now is not None:
            self._settle(now)
        playout = self._playout(utterance)
        self._accounts.pop(utterance, None)
        return playout

    def _account(self, utterance: int | None) -> _Account:
        return self._accounts.setdefault(utterance, _Account())

    def _playout(self, utterance: int | None) -> Playout:
        account = self._accounts.get(utterance)
        if account is None:
            return Playout()
        heard = account.heard + self._playing(account)
        return Playout(account.queued, account.sent, heard, account.sent_at, account.plays_at)

    def _playing(self, account: _Account) -> int:
        """Bytes heard of the segment under the playhead, if it is of this account."""
        if not self._segments or self._segments[0].account is not account:
            return 0
        return self._head - self._segments[0].start

    def _book(self) -> None:
        """Enter into the accounts what was sent since the last time: not done for every frame, only when it counts."""
        start, end = self._booked, self._tail
        if start == end:
            return
        self._booked = end
        account = self._account(self._speaker)
        account.sent += end - start
        account.queued = max(account.queued, account.sent)
        if self._segments and self._segments[-1].account is account:
            self._segments[-1].end = end
        else:
            self._segments.append(_Segment(account, start, end))

    def _settle(self, now: float) -> None:
        """Move the playhead to where it is at `now`."""
        self._book()
        if self._marks:
            self._marks_expire(now)
        if self._segments:
            self._move(self._estimate(now))

    def _marks_expire(self, now: float) -> None:
        while self._marks and self._marks[0].due + self._late + MARK_GRACE < now:
            self._marks.popleft()

    def _estimate(self, now: float) -> int:
        left = self.ends_at - now
        position = self._tail - int(left * SAMPLE_RATE + 0.5) if left > 0 else self._tail
        if self._held is not None and position > self._held:
            position = self._held
        if self._marks and position > self._marks[0].position:
            return self._marks[0].position
        return position

    def _move(self, position: int) -> None:
        # Never back: a rounding error, or a `now` from another thread, is not an event of the call.
        if position <= self._head:
            return
        self._head = position
        segments = self._segments
        while segments and segments[0].end <= position:
            played = segments.popleft()
            played.account.heard += played.end - played.start
