"""Frames of telephone audio: the sizes, silence, and cutting a byte stream into frames.

The telephone side of the package is mu-law, 8000 samples per second, one byte per sample: 160 bytes are 20 ms.
"""

from typing import Final

__all__ = [
    "BYTES_PER_MS",
    "FRAME_BYTES",
    "FRAME_INTERVAL",
    "MAX_FRAMES",
    "SAMPLE_RATE",
    "SILENCE_BYTE",
    "SILENCE_FRAME",
    "Framer",
    "bytes_to_ms",
    "ms_to_bytes",
    "split_frames",
]

SAMPLE_RATE: Final = 8000
"""Samples, and mu-law bytes, per second."""
FRAME_BYTES: Final = 160
"""Bytes in a frame of 20 ms."""
FRAME_INTERVAL: Final = 0.020
"""Seconds in a frame."""
BYTES_PER_MS: Final = 8
SILENCE_BYTE: Final = 0xFF
"""mu-law zero. Never pad with 0x00: it decodes to -32124, a loud click."""
SILENCE_FRAME: Final = bytes([SILENCE_BYTE]) * FRAME_BYTES
MAX_FRAMES: Final = 400
"""8 s. The length of the queues of 0.1; kept because programs import it."""


def split_frames(data: bytes, frame_bytes: int = FRAME_BYTES, pad: int | None = SILENCE_BYTE) -> list[bytes]:
    """Cut `data` into frames of `frame_bytes`; a short last frame is filled with the byte `pad`, or kept short if None.

    Empty data gives no frames. Raises ValueError when `frame_bytes` is not positive.
    """
    if frame_bytes <= 0:
        raise ValueError(f"frame_bytes must be positive, not {frame_bytes}")
    frames = [data[start : start + frame_bytes] for start in range(0, len(data), frame_bytes)]
    if frames and pad is not None:
        frames[-1] = frames[-1].ljust(frame_bytes, bytes([pad]))
    return frames


class Framer:
    """Cuts a stream that comes in chunks of any size into whole frames; what is left over waits for the next chunk."""

    __slots__ = ("_frame_bytes", "_rest")

    def __init__(self, frame_bytes: int = FRAME_BYTES) -> None:
        if frame_bytes <= 0:
            raise ValueError(f"frame_bytes must be positive, not {frame_bytes}")
        self._frame_bytes = frame_bytes
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes waiting for the rest of their frame; always less than a frame."""
        return len(self._rest)

    def push(self, data: bytes) -> list[bytes]:
        """Take a chunk and return the frames that are now whole."""
        if self._rest:
            data = self._rest + data
        frames = split_frames(data, self._frame_bytes, pad=None)
        self._rest = frames.pop() if frames and len(frames[-1]) < self._frame_bytes else b""
        return frames

    def flush(self) -> list[bytes]:
        """Return the last frame padded with silence, or nothing when no byte is waiting."""
        frames = split_frames(self._rest, self._frame_bytes)
        self._rest = b""
        return frames

    def clear(self) -> None:
        """Forget the waiting bytes (barge-in: they belong to audio that will not be played)."""
        self._rest = b""


def ms_to_bytes(ms: float) -> int:
    """Bytes of mu-law in `ms` milliseconds, to the nearest sample."""
    return round(ms * BYTES_PER_MS)


def bytes_to_ms(n: int) -> float:
    """Milliseconds that `n` bytes of mu-law last."""
    return n / BYTES_PER_MS
