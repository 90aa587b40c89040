"""When is a keyed number complete? Transcripts with the time as an argument."""

from __future__ import annotations

import pytest

from voice_runtime.turns.digits import DigitCollector, Digits, DigitsEnd


def collector(max_digits: int | None = None, terminator: str = "#") -> DigitCollector:
    return DigitCollector(max_digits=max_digits, terminator=terminator, timeout=10, between=4, started=100)


def test_a_number_is_complete_at_its_last_digit() -> None:
    """Four of four."""
    keys = collector(4)
    assert [keys.press(key, 101) for key in "123"] == [None, None, None]
    assert keys.press("4", 102) == Digits("1234", DigitsEnd.COMPLETE)


def test_the_terminator_ends_a_number_and_is_not_part_of_it() -> None:
    """12# is 12; # alone is an empty number, which is false."""
    keys = collector()
    keys.press("1", 101)
    keys.press("2", 101)
    assert keys.press("#", 101) == Digits("12", DigitsEnd.TERMINATOR)
    assert not collector().press("#", 101)


def test_without_a_terminator_every_key_counts() -> None:
    """terminator="" takes # as a digit."""
    keys = collector(2, "")
    keys.press("#", 101)
    assert keys.press("*", 101) == Digits("#*", DigitsEnd.COMPLETE)


def test_nobody_pressing_a_key_is_a_timeout() -> None:
    """Ten seconds for the first key."""
    keys = collector()
    assert keys.wakeup(109.9) is None
    assert keys.wakeup(110) == Digits("", DigitsEnd.TIMEOUT)


def test_each_key_buys_time_for_the_next() -> None:
    """Four seconds between two."""
    keys = collector()
    keys.press("1", 109)
    assert keys.wakeup(112.9) is None
    keys.press("2", 112.9)
    assert keys.wakeup(113.5) is None
    assert keys.wakeup(116.9) == Digits("12", DigitsEnd.TIMEOUT)


def test_after_the_end_nothing_changes_it() -> None:
    """Late keys belong to whatever is asked next."""
    keys = collector(1)
    done = keys.press("1", 101)
    assert keys.press("2", 101) is done and keys.wakeup(999) is done


def test_a_number_of_no_digits_makes_no_sense() -> None:
    """max_digits starts at 1."""
    with pytest.raises(ValueError, match="1 or more"):
        collector(0)
