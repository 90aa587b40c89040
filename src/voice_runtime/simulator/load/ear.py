"""What a caller would hear, by arithmetic: a playout queue as the carrier has it, of which only the times are kept."""

from __future__ import annotations

from collections import deque
from typing import Final

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE
from voice_runtime.audio.measure import level_dbfs

__all__ = ["GAP_SECONDS", "Ear"]

GAP_SECONDS: Final = 0.010
"""The queue ran dry for longer, with sound on both sides of it: a gap. Half a frame."""
PAUSE_SECONDS: Final = 0.700
"""Longer than this is a pause between turns, and no gap."""
_SPEECH_DBFS: Final = -45.0


class Ear:
    """The playout queue of one line. All times are seconds of one monotonic clock.

    A mark is echoed when everything before it was played, at once when nothing waits; `clear` empties the queue and
    has all pending marks echoed ("Media Streams - WebSocket Messages").
    """

    __slots__ = ("_asked", "_last", "_marks", "_until", "answers", "first_at", "gaps", "most_queued")

    def __init__(self) -> None:
        self._until = 0.0
        self._last = b""
        self._marks: deque[tuple[float, str]] = deque()
        self._asked: float | None = None
        self.first_at: float | None = None
        self.answers: list[float] = []
        self.gaps: list[float] = []
        self.most_queued = 0.0

    def media(self, audio: bytes, now: float) -> None:
        """Audio comes in, and is played behind what waits."""
        dry = now - self._until
        if self.first_at is None:
            self.first_at = now
        elif GAP_SECONDS < dry < PAUSE_SECONDS and _loud(self._last[-FRAME_BYTES:]) and _loud(audio[:FRAME_BYTES]):
            self.gaps.append(dry)
        self._until = max(now, self._until) + len(audio) / SAMPLE_RATE
        self._last = audio
        if self._asked is not None and _loud(audio):
            self.answers.append(now - self._asked)
            self._asked = None
        self.most_queued = max(self.most_queued, self._until - now)

    def expects_answer(self, now: float) -> None:
        """The caller is done: from now on the next sound is the answer. A question without one is forgotten."""
        self._asked = now

    def mark(self, name: str, now: float) -> bool:
        """Whether the mark is to be echoed at once; otherwise `due` gives it back."""
        if self._until <= now and not self._marks:
            return True
        self._marks.append((self._until, name))
        return False

    def clear(self, now: float) -> list[str]:
        """Drop what waits. Returns the marks to be echoed."""
        self._until = min(self._until, now)
        self._last = b""
        return self.due(float("inf"))

    def due(self, now: float) -> list[str]:
        """The marks that have been reached by `now`."""
        if not self._marks:
            return []
        reached = []
        while self._marks and self._marks[0][0] <= now:
            reached.append(self._marks.popleft()[1])
        return reached


def _loud(audio: bytes) -> bool:
    return bool(audio) and level_dbfs(audio) > _SPEECH_DBFS
