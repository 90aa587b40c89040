"""Mixing clamps, never wraps, and takes input of any length."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio.frames import SILENCE_FRAME
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw
from voice_runtime.audio.mixing import gain, mix_frames, mix_pcm16, mix_ulaw
from voice_runtime.errors import AudioFormatError


def test_a_room_is_summed_before_it_is_clamped() -> None:
    """Two that cancel each other out leave the third as it is; silence changes nothing."""
    loud, opposite, third = (encode_ulaw(struct.pack("<2h", *two)) for two in ((32000, 0), (-32000, 0), (9000, 60)))
    assert mix_ulaw([loud, third, opposite]) == mix_ulaw([third]) == mix_ulaw([b"\xff\xff", third]) == third
    assert mix_ulaw([loud, third]) == encode_ulaw(struct.pack("<2h", 32767, 60))
    assert (mix_ulaw([]), mix_ulaw([b"\xff"])) == (b"", b"\xff")


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_a_mixed_frame_is_the_clamped_sum(caller: bytes, agent: bytes) -> None:
    """Exactly 160 bytes: shorter input is silence, longer is cut, and samples stop at the limits."""
    pairs = zip(
        struct.unpack("<160h", decode_ulaw(caller[:160].ljust(160, b"\xff"))),
        struct.unpack("<160h", decode_ulaw(agent[:160].ljust(160, b"\xff"))),
        strict=True,
    )
    clamped = [max(-32768, min(32767, a + b)) for a, b in pairs]
    assert mix_frames(caller, agent) == encode_ulaw(struct.pack("<160h", *clamped))


def test_silence_changes_nothing() -> None:
    """Silence mixed with a frame is that frame."""
    frame = bytes(range(128, 256)) + bytes(32)
    assert mix_frames(SILENCE_FRAME, frame) == mix_frames(frame, SILENCE_FRAME) == frame
    assert mix_frames(b"", b"") == SILENCE_FRAME


def test_pcm_of_different_lengths() -> None:
    """The result is as long as the longer one."""
    assert mix_pcm16(struct.pack("<h", 30000), struct.pack("<2h", 30000, 5)) == struct.pack("<2h", 32767, 5)


def test_gain_clamps() -> None:
    """A factor is applied to every sample, up to full scale."""
    assert gain(struct.pack("<3h", 100, -30000, 30000), 2) == struct.pack("<3h", 200, -32768, 32767)


def test_half_a_sample_is_an_error() -> None:
    """An odd number of bytes is not PCM16."""
    with pytest.raises(AudioFormatError):
        mix_pcm16(b"abc", b"ab")
    with pytest.raises(AudioFormatError):
        gain(b"a", 1)
