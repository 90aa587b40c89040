"""Live PCM16 of any rate on its way to the telephone's 8 kHz: filtered, and 2 ms later, always the same 2 ms.

soxr's streams are better filters, but hold up to 0.1 s back and release it in bursts: that is time that the caller
waits. This one is a short FIR low-pass (a sinc of 4 ms under a Kaiser window: 1.4 dB down at 3.4 kHz, 66 dB from
4.3 kHz on, which would fold into speech), then linear interpolation, which is exact for whole ratios.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.resample import LinearResampler

__all__ = ["LiveResampler"]

Samples: TypeAlias = NDArray[np.float32]

CUTOFF_HZ: Final = 3600.0
SPAN_SECONDS: Final = 0.004
KAISER_BETA: Final = 6.0


class LiveResampler:
    """One PCM16 mono stream, down to 8000 Hz. Half a sample at the end of a chunk waits for the next one."""

    def __init__(self, from_hz: int) -> None:
        """Raises ValueError for a rate below 8000 Hz."""
        if from_hz < SAMPLE_RATE:
            raise ValueError(f"{from_hz} Hz is less than the telephone has")
        self._taps = _low_pass(from_hz)
        self._linear = LinearResampler(from_hz, SAMPLE_RATE)
        self._same = from_hz == SAMPLE_RATE
        self._half = b""
        self._before = self._silence()

    def process(self, pcm16: bytes) -> bytes:
        """Take the next piece, of any length, and return all that can be said of the output."""
        data = self._half + pcm16
        whole, self._half = data[: len(data) & ~1], data[len(data) & ~1 :]
        if self._same or not whole:
            return whole
        samples = np.concatenate((self._before, np.frombuffer(whole, dtype="<i2").astype(np.float32)))
        self._before = samples[1 - len(self._taps) :]
        filtered = np.convolve(samples, self._taps, "valid")
        return self._linear.process(np.rint(filtered).clip(-32768, 32767).astype("<i2").tobytes())

    def flush(self) -> bytes:
        """End the stream: the last 2 ms. The resampler is then as new."""
        tail = b"" if self._same else self.process(bytes(len(self._taps) - 1))
        self.reset()
        return tail

    def reset(self) -> None:
        self._half = b""
        self._before = self._silence()
        self._linear.reset()

    def _silence(self) -> Samples:
        return np.zeros(len(self._taps) - 1, dtype=np.float32)


def _low_pass(rate: int) -> Samples:
    half = round(rate * SPAN_SECONDS / 2)
    at = np.arange(-half, half + 1)
    taps = np.sinc(2 * CUTOFF_HZ / rate * at) * np.kaiser(2 * half + 1, KAISER_BETA)
    scaled: Samples = (taps / taps.sum()).astype(np.float32)
    return scaled
