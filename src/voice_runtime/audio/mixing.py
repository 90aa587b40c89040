"""Mixing and gain in linear PCM, with clamping: samples stop at the 16-bit limits, they never wrap."""

from array import array
from collections.abc import Sequence

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.errors import AudioFormatError

__all__ = ["gain", "mix_frames", "mix_pcm16", "mix_ulaw"]


def mix_frames(caller: bytes, agent: bytes) -> bytes:
    """Mix two mu-law frames into one of exactly FRAME_BYTES bytes; shorter input counts as silence, longer is cut."""
    if len(caller) != FRAME_BYTES:
        caller = caller[:FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")
    if len(agent) != FRAME_BYTES:
        agent = agent[:FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")
    return audioop.lin2ulaw(audioop.add(audioop.ulaw2lin(caller, 2), audioop.ulaw2lin(agent, 2), 2), 2)


def mix_ulaw(frames: Sequence[bytes]) -> bytes:
    """Mix mu-law pieces of one length. The sum is made whole before it is clamped, however many there are."""
    loud = [frame for frame in frames if frame.strip(b"\xff")]
    if len(loud) < 2:
        return loud[0] if loud else frames[0] if frames else b""
    if len(loud) == 2:
        first, second = (audioop.ulaw2lin(frame, 2) for frame in loud)
        return audioop.lin2ulaw(audioop.add(first, second, 2), 2)
    lanes = [array("h", audioop.ulaw2lin(frame, 2)) for frame in loud]
    summed = array("h", (max(-32768, min(32767, sum(samples))) for samples in zip(*lanes, strict=True)))
    return audioop.lin2ulaw(summed.tobytes(), 2)


def mix_pcm16(first: bytes, second: bytes) -> bytes:
    """Add two pieces of PCM16; as long as the longer one, the other is continued with silence.

    Raises AudioFormatError on half a sample.
    """
    length = max(len(first), len(second))
    try:
        return audioop.add(first.ljust(length, b"\0"), second.ljust(length, b"\0"), 2)
    except audioop.error as error:
        raise _half_sample() from error


def gain(pcm16: bytes, factor: float) -> bytes:
    """Multiply PCM16 by `factor` (0.5 is 6 dB quieter). Raises AudioFormatError on half a sample."""
    try:
        return audioop.mul(pcm16, 2, factor)
    except audioop.error as error:
        raise _half_sample() from error


def _half_sample() -> AudioFormatError:
    return AudioFormatError("PCM16 needs an even number of bytes")
