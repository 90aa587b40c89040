"""Resampling of PCM16 mono, with the state of one stream: any chunking of the input gives the same output.

Two resamplers, because no single one fits both directions of a call:

* `Resampler` (soxr) is anti-aliased and holds output back, up to 0.1 s and in bursts. For speech synthesis, which
  arrives faster than real time, that costs nothing.
* `LinearResampler` (`audioop.ratecv`) holds nothing back and does not filter. For 8 kHz telephone audio on its way to
  a recogniser that wants 16 kHz: there is no content to alias, and a late frame would cost more than a soft image.

Importing this module imports numpy and soxr; `voice_runtime.audio` does so only when one of the names is used.
"""

from typing import Any, Final, Literal, Protocol

import numpy as np
import soxr

from voice_runtime.audio._audioop import audioop

__all__ = ["LinearResampler", "Quality", "Resampler", "StreamResampler"]

Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
"""soxr's names, from quick to very high. HQ costs about 4 us per 20 ms. LQ loses 8 dB at 3.4 kHz, QQ aliases."""

_LOW: Final = -32768
_HIGH: Final = 32767


class StreamResampler(Protocol):
    """What both resamplers do."""

    def process(self, pcm16: bytes) -> bytes:
        """Take the next piece of the stream, of any length, and return what can be said of the output so far."""

    def flush(self) -> bytes:
        """End the stream: return what was held back. The resampler is then as new."""

    def reset(self) -> None:
        """Forget the stream (after a clear): what was held back is lost. The resampler is then as new."""


class Resampler:
    """Anti-aliased resampling of one PCM16 mono stream. Half a sample at the end of a chunk waits for the next one."""

    def __init__(self, from_hz: int, to_hz: int, quality: Quality = "HQ") -> None:
        """Raises ValueError when a rate is not positive."""
        _check_rates(from_hz, to_hz)
        # float32 inside: soxr dithers its int16 output, and then the same input does not give the same bytes twice.
        # Equal rates need no filter, and so no delay either.
        self._stream: Any = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, "float32", quality)
        self._half = b""

    def process(self, pcm16: bytes) -> bytes:
        """Resample the next piece. May return nothing for a while, then more than was put in."""
        whole, self._half = _whole_samples(self._half + pcm16)
        return self._run(whole, last=False)

    def flush(self) -> bytes:
        """End the stream and return its last samples; half a sample is dropped. The resampler is then as new."""
        tail = self._run(b"", last=True)
        self.reset()
        return tail

    def reset(self) -> None:
        """Forget the stream: after a clear, or before another utterance."""
        self._half = b""
        if self._stream is not None:
            self._stream.clear()

    def _run(self, pcm16: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return pcm16
        samples = np.frombuffer(pcm16, dtype="<i2").astype(np.float32)
        out = self._stream.resample_chunk(samples, last=last)
        resampled: bytes = np.rint(out).clip(_LOW, _HIGH).astype("<i2").tobytes()
        return resampled


class LinearResampler:
    """Linear interpolation of one PCM16 mono stream, with no delay. Do not use it to go down: it aliases at 0 dB."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Raises ValueError when a rate is not positive."""
        _check_rates(from_hz, to_hz)
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._state: Any = None
        self._half = b""

    def process(self, pcm16: bytes) -> bytes:
        """Resample the next piece and return all of it."""
        whole, self._half = _whole_samples(self._half + pcm16)
        out, self._state = audioop.ratecv(whole, 2, 1, self._from_hz, self._to_hz, self._state)
        return out

    def flush(self) -> bytes:
        """End the stream. Nothing was held back, so this is always empty."""
        self.reset()
        return b""

    def reset(self) -> None:
        """Forget the stream: after a clear, or before another utterance."""
        self._state = None
        self._half = b""


def _check_rates(from_hz: int, to_hz: int) -> None:
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"sample rates must be positive, not {from_hz} and {to_hz}")


def _whole_samples(data: bytes) -> tuple[bytes, bytes]:
    end = len(data) & ~1
    return data[:end], data[end:]
