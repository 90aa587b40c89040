"""What is heard on phone lines and is no voice, synthesised: mu-law at 8 kHz, the same each time for one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from voice_runtime.audio import dtmf
from voice_runtime.audio.g711 import encode_ulaw

RATE = 8000
Samples = NDArray[np.float64]


def _time(seconds: float) -> Samples:
    return np.arange(int(seconds * RATE)) / RATE


def ulaw(samples: Samples, peak_dbfs: float) -> bytes:
    """With its peak at that level."""
    scaled = samples / max(float(np.max(np.abs(samples))), 1e-9) * 32767 * 10 ** (peak_dbfs / 20)
    return encode_ulaw(scaled.astype(np.int16).tobytes())


def shaped(noise: Samples, gain: Callable[[Samples], Samples]) -> Samples:
    """Noise with a spectrum: `gain` of a frequency."""
    spectrum = np.fft.rfft(noise)
    return np.fft.irfft(spectrum * gain(np.fft.rfftfreq(len(noise), 1 / RATE)), len(noise))


def formants(*peaks: tuple[float, float, float]) -> Callable[[Samples], Samples]:
    """Resonances: (Hz, width in Hz, gain)."""
    return lambda hz: sum((gain / (1 + ((hz - at) / width) ** 2) for at, width, gain in peaks), np.zeros_like(hz))


def cough(rng: np.random.Generator) -> Samples:
    """A burst of throat noise, a breathy tail, perhaps a second one."""
    bursts = []
    for _ in range(int(rng.integers(1, 4))):
        t = _time(rng.uniform(0.15, 0.35))
        tube = formants((rng.uniform(400, 700), 200, 1.0), (rng.uniform(1100, 1700), 300, 0.8), (2600, 500, 0.5))
        envelope = np.minimum(t / 0.008, 1) * np.exp(-t / rng.uniform(0.04, 0.09))
        bursts += [shaped(rng.standard_normal(len(t)), tube) * envelope, np.zeros(int(rng.uniform(0.05, 0.2) * RATE))]
    return np.concatenate(bursts)


def door(rng: np.random.Generator) -> Samples:
    """A thump, the room's answer, and the latch."""
    t = _time(0.6)
    body = np.sin(2 * np.pi * rng.uniform(70, 140) * t) * np.exp(-t / 0.06)
    bang = shaped(rng.standard_normal(len(t)), formants((300, 250, 1.0), (900, 400, 0.3))) * np.exp(-t / 0.05)
    latch = np.roll(shaped(rng.standard_normal(len(t)), formants((2200, 700, 1.0))) * np.exp(-t / 0.008), 700)
    return body * 3 + bang * 2 + latch


def melody(rng: np.random.Generator, seconds: float = 6.0) -> Samples:
    """Chords under a tune, with overtones and vibrato."""
    out = np.zeros(int(seconds * RATE))
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    position = 0
    while position < len(out):
        t = _time(rng.choice([0.25, 0.5, 1.0]))[: len(out) - position]
        root = rng.integers(0, 5)
        notes = [scale[root], scale[root + 2] * 1.0, scale[(root + 4) % 8], scale[rng.integers(0, 8)] * 2]
        tone = np.zeros(len(t))
        for note in notes:
            phase = 2 * np.pi * note * t + 0.3 * np.sin(2 * np.pi * 5 * t)
            tone += sum(np.sin(phase * overtone) / overtone**1.5 for overtone in (1, 2, 3, 4))
        out[position : position + len(t)] += tone * np.minimum(t / 0.01, 1) * np.exp(-t / 0.6)
        position += len(t)
    return out


def ringback(seconds: float) -> Samples:
    t = _time(seconds)
    us = np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)
    return us * ((t % 6.0) < 2.0)


def busy(seconds: float) -> Samples:
    t = _time(seconds)
    return np.sin(2 * np.pi * 425 * t) * ((t % 1.0) < 0.5)


def hum(seconds: float, rng: np.random.Generator) -> Samples:
    t = _time(seconds)
    mains = sum(np.sin(2 * np.pi * 50 * n * t) / n for n in range(1, 12))
    return np.asarray(mains) + 0.05 * rng.standard_normal(len(t))


def pink(seconds: float, rng: np.random.Generator) -> Samples:
    return shaped(rng.standard_normal(int(seconds * RATE)), lambda hz: 1 / np.sqrt(np.maximum(hz, 20)))


def ten_minutes(seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Ten minutes of everything, piece by piece."""
    rng = np.random.default_rng(seed)
    quiet = b"\xff" * RATE
    for level in (-40, -30, -20, -12, -6):
        yield f"white {level}", ulaw(rng.standard_normal(12 * RATE), level)
        yield f"pink {level}", ulaw(pink(12, rng), level)
        yield f"hum {level}", ulaw(hum(10, rng), level)
    yield "ringback", ulaw(ringback(30), -10)
    yield "busy", ulaw(busy(20), -10)
    for _ in range(20):
        digits = "".join(rng.choice(list("0123456789*#ABCD"), 4))
        yield f"keys {digits}", dtmf(digits) + quiet[: RATE // 2]
    for level in (-25, -15, -8, -3):
        for _ in range(3):
            yield f"music {level}", ulaw(melody(rng, 12), level)
    made = 0.0
    while made < 210:
        level = rng.uniform(-25, -1)
        name, sound = ("cough", cough(rng)) if rng.random() < 0.5 else ("door", door(rng))
        audio = ulaw(sound, level) + quiet[: int(rng.uniform(0.3, 1.0) * RATE)]
        made += len(audio) / RATE
        yield f"{name} {level:.0f}", audio
