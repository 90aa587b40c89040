"""Measuring: levels, stretches of speech, and the holes in them."""

import math

import pytest

from voice_runtime.audio.measure import FLOOR_DBFS, gaps, level_dbfs, silent_runs, speech_spans
from voice_runtime.audio.tones import silence, tone


def voice(ms: float) -> bytes:
    return tone(((500, 0.5),), ms)


def test_levels() -> None:
    """A full-scale sine is at -3 dBFS, one of half that at -9, silence and nothing at the floor."""
    assert level_dbfs(tone(((1000, 1.0),), 1000)) == pytest.approx(20 * math.log10(0.5**0.5), abs=0.2)
    assert level_dbfs(voice(1000)) == pytest.approx(-9.0, abs=0.1)
    assert level_dbfs(silence(100)) == level_dbfs(b"") == FLOOR_DBFS


def test_speech_and_its_gaps() -> None:
    """Two words 300 ms apart are two spans, one gap; a shorter pause is part of the speech."""
    sound = silence(100) + voice(200) + silence(300) + voice(50) + silence(40) + voice(100) + silence(70)
    assert speech_spans(sound) == [(100, 300), (600, 790)]
    assert gaps(sound) == [(300, 600)]
    assert gaps(sound)[0].duration_ms == 300
    assert gaps(sound, min_gap_ms=40) == [(300, 600), (650, 690)]
    assert speech_spans(sound, min_gap_ms=301) == [(100, 790)]
    assert speech_spans(voice(100), min_gap_ms=0) == [(0, 100)]


def test_the_threshold_decides() -> None:
    """What is not louder than the threshold is not speech."""
    assert speech_spans(voice(100), threshold_dbfs=-5) == []
    assert speech_spans(b"") == gaps(b"") == []


def test_exact_silence_is_told_from_quiet() -> None:
    """An underrun is a run of 0xFF or 0x7F, to the sample; a noisy pause is not."""
    quiet = b"\xfe\x7e" * 400
    assert silent_runs(quiet + silence(20) + b"\x7f" * 8 + quiet) == [(100, 121)]
    assert silent_runs(silence(4)) == []
    assert silent_runs(b"\x00\xff\x00", min_ms=0) == [(0.125, 0.25)]
