"""Answering machine detection: decides from what the callee says who answered. Frames in, verdict out; no clock.

"Answering Machine Detection": https://www.twilio.com/docs/voice/answering-machine-detection
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_FRAME
from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.events import AnsweredBy

__all__ = ["Detector", "Thresholds"]

_FRAME_MS: Final = 20
_AUDIBLE_DBFS: Final = -45.0
_BEEP_MS: Final = 160
_FAX_HZ: Final = ((1080, 1120), (2080, 2120))  # the calling tone, and the answer of a fax (ITU-T T.30)
_FAX_MS: Final = 400
_PURE: Final = 0.85  # of the energy is at one frequency


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`message_end`: for a machine, wait until its greeting is over. Everything else in milliseconds."""

    message_end: bool = False
    timeout: int = 30_000
    speech: int = 2400
    """Longer speech is a machine's."""
    speech_end: int = 1200
    """Longer silence ends speech."""
    silence: int = 5000
    """Silence at the beginning for so long: unknown."""


class _Phase(Enum):
    LISTENING = auto()
    MACHINE = auto()
    """It is a machine; its message goes on."""


class Detector:
    """Feed it 20 ms of the callee at a time until it has a verdict."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._limits = thresholds
        self._phase = _Phase.LISTENING
        self.elapsed_ms = 0
        self._began: int | None = None
        self._last_voice = 0
        self._tone_ms = 0
        self._tone_hz = 0.0

    def feed(self, frame: bytes) -> AnsweredBy | None:
        """`frame`: mu-law."""
        self.elapsed_ms += _FRAME_MS
        loud = frame != SILENCE_FRAME and level_dbfs(frame) > _AUDIBLE_DBFS
        hz = _pure_tone(frame) if loud else 0.0
        if hz and (not self._tone_ms or abs(hz - self._tone_hz) < 30):
            self._tone_ms, self._tone_hz = self._tone_ms + _FRAME_MS, hz
            if self._tone_ms >= _FAX_MS and any(low <= hz <= high for low, high in _FAX_HZ):
                return AnsweredBy.FAX
        else:
            beeped = self._tone_ms >= _BEEP_MS
            self._tone_ms = _FRAME_MS if hz else 0
            self._tone_hz = hz
            if beeped:
                return AnsweredBy.MACHINE_END_BEEP if self._limits.message_end else AnsweredBy.MACHINE_START
        if loud:
            self._last_voice = self.elapsed_ms
            if self._began is None:
                self._began = self.elapsed_ms - _FRAME_MS
        return self._verdict()

    def _verdict(self) -> AnsweredBy | None:
        limits = self._limits
        if self.elapsed_ms >= limits.timeout:
            machine = self._phase is _Phase.MACHINE
            return AnsweredBy.MACHINE_END_OTHER if machine else AnsweredBy.UNKNOWN
        if self._began is None:
            return AnsweredBy.UNKNOWN if self.elapsed_ms >= limits.silence else None
        if self._phase is _Phase.LISTENING and self._last_voice - self._began > limits.speech:
            if not limits.message_end:
                return AnsweredBy.MACHINE_START
            self._phase = _Phase.MACHINE
        if self.elapsed_ms - self._last_voice >= limits.speech_end:
            return AnsweredBy.HUMAN if self._phase is _Phase.LISTENING else AnsweredBy.MACHINE_END_SILENCE
        return None


def _pure_tone(frame: bytes) -> float:
    """The frequency of a frame that is one sine, else 0. From its zero crossings, then checked."""
    samples = array("h", decode_ulaw(frame))
    crossings = [n for n in range(1, len(samples)) if (samples[n - 1] < 0) != (samples[n] < 0)]
    if len(crossings) < 4:
        return 0.0

    def exact(n: int) -> float:
        return n - samples[n] / (samples[n] - samples[n - 1])

    hz = SAMPLE_RATE * (len(crossings) - 1) / 2 / (exact(crossings[-1]) - exact(crossings[0]))
    step = 2 * math.pi * hz / SAMPLE_RATE
    real = sum(sample * math.cos(step * n) for n, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * n) for n, sample in enumerate(samples))
    energy = sum(sample * sample for sample in samples)
    return hz if 2 * (real * real + imaginary * imaginary) / len(samples) >= _PURE * energy else 0.0
