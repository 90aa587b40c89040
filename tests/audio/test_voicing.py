"""When a voice begins and ends, by how likely each piece of audio is voice."""

from __future__ import annotations

import pytest

from voice_runtime.audio.voicing import Voicing, VoicingChange

CHUNK = 256


def heard(*probabilities: float) -> list[VoicingChange]:
    voicing = Voicing(start=0.5, stop=0.35, min_speech=0.064, min_silence=0.096)
    changes = (voicing.hear(p, i * CHUNK, (i + 1) * CHUNK) for i, p in enumerate(probabilities))
    return [change for change in changes if change is not None]


def test_a_voice_began_where_it_was_first_heard() -> None:
    """It takes two pieces to be sure, and the first of them is its beginning."""
    assert heard(0.1, 0.1, 0.6, 0.7) == [VoicingChange(True, 2 * CHUNK)]


def test_one_loud_piece_is_no_voice() -> None:
    """A click, however sure the model is of it."""
    assert heard(0.1, 0.99, 0.1, 0.1, 0.99, 0.1, 0.1) == []


def test_a_voice_may_blink() -> None:
    """One piece of doubt at its beginning does not make it begin later."""
    assert heard(0.6, 0.3, 0.6) == [VoicingChange(True, 0)]


def test_a_voice_goes_on_at_less_than_it_took_to_begin() -> None:
    """It ends when it was below the lower threshold for long enough, and where it was last above."""
    assert heard(0.9, 0.9, 0.4, 0.4, 0.2, 0.2, 0.2)[1:] == [VoicingChange(False, 4 * CHUNK)]
    assert heard(0.9, 0.9, 0.4, 0.2, 0.2, 0.4, 0.2, 0.2)[1:] == []


def test_thresholds_that_make_no_sense() -> None:
    """A voice cannot end above where it begins."""
    with pytest.raises(ValueError, match="stop"):
        Voicing(start=0.3, stop=0.5, min_speech=0.1, min_silence=0.1)
