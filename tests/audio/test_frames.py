"""Frames: cutting a stream into 20 ms pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio import frames
from voice_runtime.audio.frames import Framer, bytes_to_ms, ms_to_bytes, split_frames


def test_the_constants_of_0_1_keep_their_values() -> None:
    """8 kHz mu-law in frames of 20 ms, silence is 0xFF."""
    assert (frames.SAMPLE_RATE, frames.FRAME_BYTES, frames.FRAME_INTERVAL, frames.MAX_FRAMES) == (8000, 160, 0.020, 400)
    assert frames.SILENCE_FRAME == b"\xff" * 160


def test_the_last_frame_is_padded_with_silence() -> None:
    """A short tail becomes a whole frame, or stays short when asked, or takes another pad byte."""
    assert split_frames(b"abcde", 2) == [b"ab", b"cd", b"e\xff"]
    assert split_frames(b"abcde", 2, pad=None) == [b"ab", b"cd", b"e"]
    assert split_frames(b"a", 2, pad=0xD5) == [b"a\xd5"]
    assert split_frames(b"") == []


@pytest.mark.parametrize("size", [0, -1])
def test_a_frame_has_a_size(size: int) -> None:
    """A frame of no bytes is an error, not an endless loop."""
    with pytest.raises(ValueError, match="positive"):
        split_frames(b"a", size)
    with pytest.raises(ValueError, match="positive"):
        Framer(size)


@given(st.lists(st.binary(max_size=400)))
def test_a_framer_gives_the_same_frames_however_the_stream_is_chunked(chunks: list[bytes]) -> None:
    """Chunk borders leave no trace."""
    framer = Framer()
    got = [frame for chunk in chunks for frame in framer.push(chunk)]
    assert framer.pending == len(b"".join(chunks)) % 160
    assert got + framer.flush() == split_frames(b"".join(chunks))


def test_what_waits_in_a_framer_can_be_forgotten() -> None:
    """After a clear, nothing of the old audio comes out."""
    framer = Framer(2)
    assert framer.push(b"abc") == [b"ab"]
    framer.clear()
    assert framer.push(b"d") == []
    assert framer.flush() == [b"d\xff"]
    assert framer.flush() == []


def test_milliseconds_and_bytes() -> None:
    """Eight bytes are a millisecond."""
    assert ms_to_bytes(20) == 160
    assert ms_to_bytes(0.2) == 2
    assert bytes_to_ms(4) == 0.5
