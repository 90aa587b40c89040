"""What the caller heard, to the word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.turns.heard import Heard, Segment, VoicePart, WordTime, heard, spoken_by
from voice_runtime.turns.spoken import Spoken
from voice_runtime.turns.verbalise import language_for, verbalise


def segment(text: str, size: int, **more: object) -> Segment:
    return Segment(Spoken(text), size, **more)  # type: ignore[arg-type]


TWO = [segment("Good morning.", 8000), segment("What can I do for you?", 16000)]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, ""),
        (2000, ""),
        (4000, "Good"),
        (7300, "Good"),
        (7999, "Good morning."),
        (8000, "Good morning."),
        (8000 + 16000 * 8 // 22, "Good morning. What can"),
        (23000, "Good morning. What can I do for"),
        (24000, "Good morning. What can I do for you?"),
        (99999, "Good morning. What can I do for you?"),
    ],
)
def test_whole_sentences_by_their_bytes_and_a_part_by_its_characters(size: int, text: str) -> None:
    assert heard(TWO, size).text == text


def test_the_end_of_the_last_word_heard_is_where_speech_goes_on() -> None:
    """Paused inside "morning": it is said again from its beginning."""
    assert heard(TWO, 5000) == Heard("Good", 8000 * 4 // 13)


def test_word_times_are_better_than_an_estimate() -> None:
    """The voice was slow to begin."""
    timed = segment("Good morning.", 8000, words=(WordTime(4, 0.7), WordTime(13, 1.0)))
    assert heard([timed], 5000).text == ""
    assert heard([timed], 5600) == Heard("Good", 5600)


def test_words_that_the_voice_did_not_tell_are_guessed_from_where_it_stopped() -> None:
    """When the sentence is made; while it is being made they may still be told."""
    half = segment("one two six ten", 16000, words=(WordTime(3, 0.5), WordTime(7, 1.0)))
    assert heard([half], 8000).text == "one two"
    assert heard([half], 12100).text == "one two six"
    assert heard([replace(half, complete=False)], 12100).text == "one two"


def test_a_sentence_that_is_still_being_made_is_as_long_as_it_will_be() -> None:
    """Half a second of audio has been made, and played: that was not the whole sentence."""
    making = segment("This is a sentence of some length.", 4000, complete=False)
    assert heard([making], 4000).text == "This is"


def test_a_number_counts_when_its_last_word_was_heard() -> None:
    spoken = verbalise("It is $20 now.", language_for("en"))  # It is twenty dollars now.
    whole = [Segment(spoken, len(spoken.text) * 100)]
    assert heard(whole, 1300).text == "It is"
    assert heard(whole, 2000).text == "It is $20"


def test_nothing_was_said() -> None:
    assert heard([], 100) == Heard("", 0)


@given(
    st.lists(st.tuples(st.text("ab ,.", min_size=1, max_size=30), st.integers(0, 9000)), max_size=5),
    st.lists(st.integers(0, 40000), max_size=10),
)
def test_more_bytes_are_never_fewer_words(made: list[tuple[str, int]], sizes: list[int]) -> None:
    segments = [segment(text, size) for text, size in made]
    whole = " ".join(" ".join(text for text, _ in made).split())
    found = [heard(segments, size) for size in sorted(sizes)]
    assert all(whole.startswith(one.text) for one in found)
    assert [len(one.text) for one in found] == sorted(len(one.text) for one in found)
    assert all(one.size <= size for one, size in zip(found, sorted(sizes), strict=True))


def test_a_sentence_in_two_voices_is_heard_at_the_pace_of_each() -> None:
    """The first says two words in a second, the second voice four in four."""
    spoken = Spoken("one two three four five six")
    parts = [VoicePart(0, 0), VoicePart(8, SAMPLE_RATE)]  # "one two " took a second
    whole = spoken_by(parts, Segment(spoken, 5 * SAMPLE_RATE))
    assert [word.seconds for word in whole.words][:2] == [0.375, 0.875]
    assert heard([whole], SAMPLE_RATE).text == "one two"
    assert heard([whole], 3 * SAMPLE_RATE).text == "one two three"
    assert heard([whole], 5 * SAMPLE_RATE).text == spoken.source
    under_way = spoken_by(parts, Segment(spoken, 2 * SAMPLE_RATE, complete=False))
    assert heard([under_way], 2 * SAMPLE_RATE - 800).text == "one two three four"
