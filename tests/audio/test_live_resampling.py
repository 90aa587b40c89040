"""Live audio on its way to the telephone: nothing folds into speech, and nothing is held back."""

from __future__ import annotations

import numpy as np
import pytest

from voice_runtime.audio import LiveResampler


def sine(hz: float, rate: int, seconds: float = 0.5) -> bytes:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype("<i2").tobytes()


def level(pcm: bytes) -> float:
    """dB below the sine that went in, without the beginning."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)[400:]
    return float(20 * np.log10(max(float(np.sqrt(np.mean(samples**2))), 0.1) / (8000 / np.sqrt(2))))


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_speech_passes_and_what_would_fold_into_it_does_not(rate: int) -> None:
    """A tone within the telephone's band keeps its level, one above it is gone."""
    for hz, least, most in ((300, -0.5, 0.5), (3000, -1.0, 0.5), (4700, -99.0, -45.0), (7000, -99.0, -45.0)):
        assert least < level(LiveResampler(rate).process(sine(hz, rate))) < most, f"{hz} Hz"


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_every_20_ms_give_20_ms_at_once(rate: int) -> None:
    """The output is as long as the input, piece by piece, and does not depend on how it was cut."""
    audio, frame = sine(1000, rate), rate // 50 * 2
    resampler = LiveResampler(rate)
    pieces = [resampler.process(audio[start : start + frame]) for start in range(0, len(audio), frame)]
    assert {len(piece) for piece in pieces} == {320}
    odd = LiveResampler(rate)
    assert b"".join(odd.process(audio[start : start + 77]) for start in range(0, len(audio), 77)) == b"".join(pieces)


def test_a_stream_ends_with_what_the_filter_held() -> None:
    """2 ms, and then the resampler is as new; there is no telephone below 8000 Hz."""
    resampler = LiveResampler(16000)
    first = resampler.process(sine(1000, 16000))
    assert len(resampler.flush()) == 2 * 16
    assert resampler.process(sine(1000, 16000)) == first
    with pytest.raises(ValueError, match="less than the telephone"):
        LiveResampler(7999)
