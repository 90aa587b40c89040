"""G.711: mu-law and A-law to 16-bit linear PCM and back.

PCM16 is signed, little-endian, mono unless said otherwise. The numbers are those of `audioop`, for every value.
"""

from typing import Final

from voice_runtime.audio._audioop import audioop
from voice_runtime.errors import AudioFormatError

__all__ = [
    "decode_alaw",
    "decode_ulaw",
    "encode_alaw",
    "encode_ulaw",
]

_CLIP: Final = 32635  # the largest magnitude mu-law can say: its bias is 132, and 32635 + 132 = 0x7FFF


def decode_ulaw(ulaw: bytes) -> bytes:
    """mu-law to PCM16: two bytes out for each one in."""
    return audioop.ulaw2lin(ulaw, 2)


def encode_ulaw(pcm16: bytes) -> bytes:
    """PCM16 to mu-law: one byte out for each two in. Raises AudioFormatError on half a sample."""
    return audioop.lin2ulaw(_whole(pcm16), 2)


def decode_alaw(alaw: bytes) -> bytes:
    """A-law to PCM16: two bytes out for each one in."""
    return audioop.alaw2lin(alaw, 2)


def encode_alaw(pcm16: bytes) -> bytes:
    """PCM16 to A-law: one byte out for each two in. Raises AudioFormatError on half a sample."""
    return audioop.lin2alaw(_whole(pcm16), 2)


def _whole(pcm16: bytes) -> bytes:
    if len(pcm16) % 2:
        raise AudioFormatError(f"PCM16 needs an even number of bytes, got {len(pcm16)}")
    return pcm16


# The two private names that programs written for 0.1 import from `voice_runtime.audio`.
_ULAW_TO_LINEAR: Final[tuple[int, ...]] = tuple(memoryview(decode_ulaw(bytes(range(256)))).cast("h"))


def _linear_to_ulaw(sample: int) -> int:
    """One linear sample, of any size (clipped at +-32635), to its mu-law byte."""
    clipped = max(-_CLIP, min(_CLIP, sample))
    return encode_ulaw(clipped.to_bytes(2, "little", signed=True))[0]
