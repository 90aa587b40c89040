"""From how likely each moment is voice to when a voice began and ended: two thresholds, and a least time for each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Voicing", "VoicingChange"]


@dataclass(frozen=True, slots=True)
class VoicingChange:
    """There is a voice now, or none any more. `at`: the sample at which that began."""

    voiced: bool
    at: int


class Voicing:
    """Is told of one piece of audio after the other. A voice begins with `min_speech` seconds of pieces of at least
    `start`, and ends after `min_silence` seconds in which none came to `stop`.

    `rate`: samples a second. One piece that is no voice does not keep a voice from beginning, two in a row do: the
    model blinks.
    """

    __slots__ = ("_candidate", "_last", "_min_silence", "_min_speech", "_misses", "_start", "_stop", "_sure", "voiced")

    def __init__(self, *, start: float, stop: float, min_speech: float, min_silence: float, rate: int = 8000) -> None:
        if not 0 <= stop <= start <= 1:
            raise ValueError("stop must not be above start, and both are probabilities")
        self._start, self._stop = start, stop
        self._min_speech, self._min_silence = int(min_speech * rate), int(min_silence * rate)
        self.voiced = False
        self._candidate: int | None = None  # where a voice began that is not sure yet
        self._sure = 0  # samples of it
        self._misses = 0
        self._last = 0  # the end of the last piece that was voice

    @property
    def quiet(self) -> bool:
        """Neither voice nor the beginning of one."""
        return not self.voiced and self._candidate is None

    def hear(self, probability: float, begin: int, end: int) -> VoicingChange | None:
        """The samples from `begin` to `end` are voice with that probability."""
        if self.voiced:
            if probability >= self._stop:
                self._last = end
            elif end - self._last >= self._min_silence:
                self.reset()
                return VoicingChange(False, self._last)
            return None
        if probability >= self._start:
            if self._candidate is None:
                self._candidate = begin
            self._sure += end - begin
            self._misses, self._last = 0, end
            if self._sure >= self._min_speech:
                self.voiced = True
                return VoicingChange(True, self._candidate)
        elif self._candidate is not None:
            self._misses += 1
            if self._misses > 1:
                self.reset()
        return None

    def reset(self) -> None:
        """There is no voice."""
        self.voiced, self._candidate, self._sure, self._misses = False, None, 0, 0
