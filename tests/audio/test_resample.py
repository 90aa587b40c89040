"""Resampling: the stream decides the output, not how it was cut."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.resample import LinearResampler, Resampler, StreamResampler

RATES = [(24000, 8000), (22050, 8000), (16000, 8000), (8000, 16000), (8000, 8000)]


def sine(hz: float, rate: int, seconds: float) -> bytes:
    return struct.pack(
        f"<{round(rate * seconds)}h",
        *(round(16000 * math.sin(2 * math.pi * hz * i / rate)) for i in range(round(rate * seconds))),
    )


def run(resampler: StreamResampler, *chunks: bytes) -> bytes:
    return b"".join(resampler.process(chunk) for chunk in chunks) + resampler.flush()


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


@settings(deadline=None)
@given(st.sampled_from(RATES), st.binary(max_size=9000), st.lists(st.integers(0, 9000), max_size=12))
def test_the_chunking_leaves_no_trace(rates: tuple[int, int], data: bytes, points: list[int]) -> None:
    """Any split of the input, in the middle of samples too, gives the bytes of one call."""
    resampler = Resampler(*rates)
    assert run(resampler, *cut(data, points)) == run(Resampler(*rates), data)
    linear = LinearResampler(*rates)
    assert run(linear, *cut(data, points)) == run(LinearResampler(*rates), data)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_second_stream_is_as_good_as_the_first(from_hz: int, to_hz: int) -> None:
    """After flush, and after reset, nothing of the old stream is left."""
    first, second = sine(440, from_hz, 0.3), sine(1000, from_hz, 0.3)
    for resampler, fresh in (
        (Resampler(from_hz, to_hz), Resampler(from_hz, to_hz)),
        (LinearResampler(from_hz, to_hz), LinearResampler(from_hz, to_hz)),
    ):
        expected = run(fresh, second)
        run(resampler, first, b"x")
        assert run(resampler, second) == expected
        resampler.process(first + b"x")
        resampler.reset()
        assert run(resampler, second) == expected


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_the_length_is_that_of_the_ratio(from_hz: int, to_hz: int) -> None:
    """A second stays a second."""
    assert len(run(Resampler(from_hz, to_hz), sine(440, from_hz, 1))) == 2 * to_hz


def test_what_the_telephone_cannot_say_is_filtered_and_not_folded() -> None:
    """A 6 kHz tone at 24 kHz would be heard at 2 kHz after a naive conversion; here it is gone."""
    steady = slice(1600, 6400)  # without the edges, where a tone that is switched is not one frequency
    assert audioop.rms(run(Resampler(24000, 8000), sine(6000, 24000, 0.5))[steady], 2) < 3
    assert audioop.rms(run(Resampler(24000, 8000), sine(1000, 24000, 0.5))[steady], 2) > 11000


def test_linear_holds_nothing_back() -> None:
    """A frame in, a frame out, at once: the first one lacks only the sample after its last."""
    resampler = LinearResampler(8000, 16000)
    frame = sine(400, 8000, 0.02)
    assert [len(resampler.process(frame)) for _ in range(3)] == [636 + 2, 640, 640]
    assert resampler.flush() == b""


def test_full_scale_does_not_wrap() -> None:
    """The overshoot of the filter at a full-scale edge is clamped."""
    square = (struct.pack("<h", 32767) * 60 + struct.pack("<h", -32768) * 60) * 50
    out = struct.unpack("<2000h", run(Resampler(24000, 8000), square))
    assert max(out) == 32767
    assert min(out) == -32768


@pytest.mark.parametrize("kind", [Resampler, LinearResampler])
def test_rates_are_positive(kind: type[Resampler] | type[LinearResampler]) -> None:
    """A rate of nothing is an error at once."""
    with pytest.raises(ValueError, match="positive"):
        kind(0, 8000)
    with pytest.raises(ValueError, match="positive"):
        kind(8000, -1)
