"""An answer that another brain goes on with: no word twice, none lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.fallback.continuation import Continuation


def go_on(said: str, *pieces: str) -> str:
    continuation = Continuation(said)
    return "".join([*(continuation.feed(piece) for piece in pieces), continuation.finish()])


@pytest.mark.parametrize(
    ("said", "text", "new"),
    [
        ("it comes on ", "thursday at nine.", "thursday at nine."),
        ("it comes on ", "It comes on Thursday.", "Thursday."),
        ("it comes on monday. at half ", "At half past nine.", "past nine."),
        ("it comes on monday.", "It comes on Monday. At nine.", " At nine."),
        ("it comes on monday,", "at nine.", " at nine."),
        ("no, no ", "no, no, not that", ", not that"),
        ("the bank and the ", "bank is closed", "bank is closed"),
        ("it comes on ", "it is late", "it is late"),
        ("", "all of it", "all of it"),
        ("我们星期四", "星期四来。", "来。"),
        ("it comes on ", "it comes on", ""),
    ],
)
def test_what_was_said_already_is_left_out(said: str, text: str, new: str) -> None:
    """Wherever the second author begins, and in whatever pieces it writes."""
    assert go_on(said, text) == new
    assert go_on(said, *text) == new


def test_half_a_word_is_not_handed_out() -> None:
    """It would be heard, and then said again whole."""
    continuation = Continuation()
    assert continuation.feed("it com") == "it "
    assert continuation.feed("es on th") == "comes on "


@given(st.lists(st.sampled_from(["one", "two", "three", "four.", "five,"]), min_size=1, max_size=12), st.data())
def test_words_are_neither_lost_nor_repeated(words: list[str], data: st.DataObject) -> None:
    """An author who begins again from the start, or goes on, leaves the same text at the ear."""
    words = [f"{word[:-1] if word[-1] in '.,' else word}{at}" for at, word in enumerate(words)]
    cut = data.draw(st.integers(0, len(words)))
    start = data.draw(st.sampled_from([0, cut]))
    said = "".join(f"{word} " for word in words[:cut])
    assert (said + go_on(said, " ".join(words[start:]))).split() == words
