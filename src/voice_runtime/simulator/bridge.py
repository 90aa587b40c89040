"""Two lines joined, and what a line hears while the other one rings."""

from __future__ import annotations

from typing import Final

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE, SILENCE_FRAME
from voice_runtime.audio.tones import dtmf, ringback
from voice_runtime.simulator.handset import Spoken
from voice_runtime.simulator.playout import Playout

__all__ = ["BridgeEnd", "Ringing", "Voice", "bridge"]

_MOST_LATENCY: Final = 0.06  # seconds; silence is left out when one line's clock is behind the other's


class Voice:
    """What the other side hears of somebody: the voice, and the tones of keys."""

    def __init__(self) -> None:
        self._tones = bytearray()

    def of(self, spoken: Spoken) -> bytes:
        """20 ms."""
        if spoken.digit:
            self._tones += dtmf(spoken.digit)
        if not self._tones:
            return spoken.audio
        frame = bytes(self._tones[:FRAME_BYTES])
        del self._tones[:FRAME_BYTES]
        return frame


class BridgeEnd:
    """What one of two joined lines is connected to."""

    def __init__(self) -> None:
        self._playout = Playout("")
        self._voice = Voice()
        self.other = self

    def play(self, at: float) -> bytes:
        return self._playout.play(at).audio

    def take(self, spoken: Spoken, at: float) -> None:
        self.other.hear(self._voice.of(spoken))

    def hear(self, frame: bytes) -> None:
        if frame != SILENCE_FRAME or self._playout.queued_seconds < _MOST_LATENCY:
            self._playout.queue(frame)


def bridge() -> tuple[BridgeEnd, BridgeEnd]:
    """Both ends of a conversation."""
    one, two = BridgeEnd(), BridgeEnd()
    one.other, two.other = two, one
    return one, two


class Ringing:
    """The ringback tone."""

    def __init__(self) -> None:
        self._cadence = ringback()
        self._position = 0

    def play(self, at: float) -> bytes:
        begin, self._position = self._position, max(self._position, round(at * SAMPLE_RATE))
        start = begin % len(self._cadence)
        wanted = self._position - begin
        return (self._cadence * (wanted // len(self._cadence) + 2))[start : start + wanted]

    def take(self, spoken: Spoken, at: float) -> None:
        pass
