"""A voice without words."""

from __future__ import annotations

from voice_runtime.audio.measure import level_dbfs, speech_spans
from voice_runtime.audio.mumble import mumble
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.audio.tones import detect_dtmf


def test_it_is_speech_and_says_nothing() -> None:
    """As loud as a voice for as long as was asked for; neither words nor keys are read from it."""
    for seed in range(5):
        sound = mumble(3, seed)
        assert len(sound) == 24_000 and -27 < level_dbfs(sound) < -15
        assert sum(span.duration_ms for span in speech_spans(sound)) > 2500
        assert (read_spelling(sound), detect_dtmf(sound)) == ([], "")
    assert mumble(1, 1) == mumble(1, 1) != mumble(1, 2)
