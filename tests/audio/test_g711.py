"""G.711, against audioop and against the standard's landmarks."""

import struct

import pytest

from voice_runtime.audio import _ULAW_TO_LINEAR, _linear_to_ulaw
from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from voice_runtime.errors import AudioFormatError

EVERY_BYTE = bytes(range(256))
EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))


def test_every_value_is_that_of_audioop() -> None:
    """All 256 codes and all 65536 samples, both laws."""
    assert decode_ulaw(EVERY_BYTE) == audioop.ulaw2lin(EVERY_BYTE, 2)
    assert encode_ulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert decode_alaw(EVERY_BYTE) == audioop.alaw2lin(EVERY_BYTE, 2)
    assert encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)


def test_mu_law_landmarks() -> None:
    """Silence is 0xFF, 0x00 is the loudest negative value, and only minus zero does not survive the way back."""
    assert struct.unpack("<4h", decode_ulaw(b"\xff\x7f\x00\x80")) == (0, 0, -32124, 32124)
    assert encode_ulaw(decode_ulaw(EVERY_BYTE)) == EVERY_BYTE.replace(b"\x7f", b"\xff")


def test_the_names_of_0_1() -> None:
    """The table has 256 entries, and the encoder takes one sample of any size."""
    assert _ULAW_TO_LINEAR == struct.unpack("<256h", decode_ulaw(EVERY_BYTE))
    assert bytes(_linear_to_ulaw(sample) for sample in range(-32768, 32768)) == encode_ulaw(EVERY_SAMPLE)
    assert _linear_to_ulaw(32635) == _linear_to_ulaw(40000) == 0x80
    assert _linear_to_ulaw(-32635) == _linear_to_ulaw(-99999) == 0x00


def test_half_a_sample_is_an_error() -> None:
    """An odd number of bytes is not PCM16."""
    with pytest.raises(AudioFormatError, match="got 3"):
        encode_ulaw(b"abc")
    with pytest.raises(AudioFormatError, match="got 1"):
        encode_alaw(b"a")
