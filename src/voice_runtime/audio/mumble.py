"""Speech-like sound that nobody understands: a voice with syllables and pauses, the same each time."""

from __future__ import annotations

import math
import random
from array import array
from typing import Final

from voice_runtime.audio.frames import SAMPLE_RATE, ms_to_bytes
from voice_runtime.audio.g711 import encode_ulaw

__all__ = ["mumble"]

_AMPLITUDE: Final = 0.25
_SYLLABLE_MS: Final = (120, 240)
_PAUSE_MS: Final = (10, 60)
_PITCH_HZ: Final = (100, 150)
_FORMANTS_HZ: Final = ((300, 750), (900, 2000))
_WIDTH_HZ: Final = 150
_PERIOD_SAMPLES: Final = 128  # of the table of one period


def mumble(seconds: float, seed: int = 1) -> bytes:
    """Mu-law at 8 kHz, about -20 dBFS: louder than a recogniser's threshold, and no word, key or pure tone."""
    chance, samples, size = random.Random(seed), array("h"), ms_to_bytes(1000 * seconds)
    while len(samples) < size:
        samples.extend(_syllable(chance))
        samples.extend(array("h", bytes(2 * ms_to_bytes(chance.uniform(*_PAUSE_MS)))))
    return encode_ulaw(samples[:size].tobytes())


def _syllable(chance: random.Random) -> array[int]:
    """Harmonics of a voice that falls a little, as loud as two formants make them."""
    pitch = chance.uniform(*_PITCH_HZ)
    formants = [chance.uniform(*band) for band in _FORMANTS_HZ]
    count = ms_to_bytes(chance.uniform(*_SYLLABLE_MS))
    table = _period(pitch, formants)
    samples, phase = array("h"), 0.0
    for n in range(count):
        loudness = math.sin(math.pi * (n + 0.5) / count) ** 0.5
        samples.append(round(32767 * _AMPLITUDE * loudness * table[int(phase * _PERIOD_SAMPLES) % _PERIOD_SAMPLES]))
        phase += pitch * (1 - 0.1 * n / count) / SAMPLE_RATE
    return samples


def _period(pitch: float, formants: list[float]) -> list[float]:
    harmonics = range(1, int(3400 / pitch))
    levels = [
        0.15 / k + sum(math.exp(-(((k * pitch - hz) / _WIDTH_HZ) ** 2)) / (1 + n) for n, hz in enumerate(formants))
        for k in harmonics
    ]
    wave = [
        sum(
            level * math.sin(2 * math.pi * k * i / _PERIOD_SAMPLES + k * k)
            for k, level in zip(harmonics, levels, strict=True)
        )
        for i in range(_PERIOD_SAMPLES)
    ]
    peak = max(map(abs, wave))
    return [value / peak for value in wave]
