"""How English is spoken on the phone, and the way back to how it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.turns.spoken import Replacement, Spoken
from voice_runtime.turns.verbalise import Pronunciations, language_for, verbalise

ENGLISH = language_for("en-US")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # digit by digit: H32
        ("Your code is 482913.", "Your code is four eight two nine one three."),
        ("Order 7216 is ready", "Order seven two one six is ready"),
        ("the number 0042", "the number zero zero four two"),
        ("Call 415-555-0123 now", "Call four one five, five five five, zero one two three now"),
        ("Call (415) 555-0123.", "Call four one five, five five five, zero one two three."),
        ("+358 40 123 4567", "plus three five eight, four zero, one two three, four five six seven"),
        ("Booking XK42B7", "Booking X K four two B seven"),
        ("card ending in 4242", "card ending in four two four two"),
        # quantities
        ("12 apples", "twelve apples"),
        (
            "2500 steps and 1,250,000 people",
            "two thousand five hundred steps and one million two hundred fifty thousand people",
        ),
        ("It is 3.5 today, or -4", "It is three point five today, or minus four"),
        ("version 2.10.3", "version two point ten point three"),
        # money
        ("$1,250.50", "one thousand two hundred fifty dollars and fifty cents"),
        ("$1", "one dollar"),
        ("€0.99", "ninety-nine cents"),
        ("20 EUR or £3.01", "twenty euros or three pounds and one penny"),
        ("$2.5 million or $3k", "two point five million dollars or three thousand dollars"),
        # dates and times
        ("on 2026-11-21", "on November twenty-first, twenty twenty-six"),
        ("on 11/3/2025", "on November third, twenty twenty-five"),
        ("on Dec. 5, 1999", "on December fifth, nineteen ninety-nine"),
        ("March 1st at 9:05", "March first at nine oh five"),
        ("at 3:30 pm or 4 p.m. or 15:00", "at three thirty p m or four p m or fifteen hundred"),
        ("in 1900, from 2500 steps", "in nineteen hundred, from two thousand five hundred steps"),
        ("since 1987, in 2005", "since nineteen eighty-seven, in two thousand five"),
        # measures
        ("50% off, 3.5 % more", "fifty percent off, three point five percent more"),
        ("2–3 days, 5-10 km, 1 kg", "two to three days, five to ten kilometers, one kilogram"),
        ("80 km/h at 20°C", "eighty kilometers per hour at twenty degrees Celsius"),
        ("the 1st, 22nd and 13th of 1/2", "the first, twenty-second and thirteenth of one half"),
        ("jane.doe@example.com", "jane dot doe at example dot com"),
        ("https://www.example.com/a-b", "example dot com slash a dash b"),
        ("salt & pepper, 2 + 2 = 4, #5", "salt and pepper, two plus two equals four, number five"),
        # not ours
        ("MP3, H2O, COVID-19, B2B", "MP3, H2O, COVID-nineteen, B2B"),
        ("Nothing to change here.", "Nothing to change here."),
    ],
)
def test_english(written: str, said: str) -> None:
    assert " ".join(verbalise(written, ENGLISH).text.split()) == said


def test_a_language_without_rules_is_left_to_synthesis() -> None:
    assert verbalise("Das kostet 12,50 €", language_for("de")).text == "Das kostet 12,50 €"


def test_a_pronunciation_matches_whole_words_and_comes_before_the_language() -> None:
    """With a capital letter as written, without one in any case."""
    own = Pronunciations({"Nguyen": "win", "sql": "sequel", "route 66": "route sixty six"})
    assert verbalise("Nguyen, nguyen, SQL, sqlite, route 66", ENGLISH, own).text == (
        "win, nguyen, sequel, sqlite, route sixty six"
    )
    assert verbalise("as it is", ENGLISH, Pronunciations({})).text == "as it is"


def test_an_empty_word_has_no_pronunciation() -> None:
    with pytest.raises(ValueError, match="empty word"):
        Pronunciations({" ": "x"})


@pytest.mark.parametrize(
    ("heard", "source"),
    [
        ("", ""),
        ("You pa", "You"),
        ("You pay one thousand", "You pay"),
        ("You pay one thousand two hundred fifty dollars", "You pay $1,250"),
        ("You pay one thousand two hundred fifty dollars to", "You pay $1,250 to"),
        ("You pay one thousand two hundred fifty dollars today.", "You pay $1,250 today."),
    ],
)
def test_what_was_heard_is_told_as_it_was_written(heard: str, source: str) -> None:
    """A number counts when its last word was heard."""
    spoken = verbalise("You pay $1,250 today.", ENGLISH)
    assert spoken.text.startswith(heard)
    expected = source.removesuffix(" to")
    assert spoken.source_prefix(len(heard)) == expected


def test_scripts_without_spaces_are_cut_between_characters() -> None:
    assert Spoken("我想要两个").source_prefix(3) == "我想要"


def test_of_replacements_that_overlap_the_first_counts() -> None:
    assert Spoken.of("abc", [Replacement(1, 2, "X"), Replacement(0, 3, "Y")]).text == "aXc"


written = st.text(alphabet="0123456789 .,:-/$€%+()#@AaXkmp&=×\n", max_size=40)


@given(written)
def test_every_prefix_of_what_is_spoken_is_a_prefix_of_what_was_written(text: str) -> None:
    """It grows with what was heard, and ends as the whole."""
    spoken = verbalise(text, ENGLISH)
    prefixes = [spoken.source_prefix(length) for length in range(len(spoken.text) + 1)]
    assert all(text.startswith(prefix) for prefix in prefixes)
    assert [len(prefix) for prefix in prefixes] == sorted(len(prefix) for prefix in prefixes)
    assert prefixes[-1] == text.rstrip()


@given(written)
def test_no_digit_is_left_out(text: str) -> None:
    """Whatever the rules make of it, something is said for every number."""
    for one in verbalise(text, ENGLISH).replacements:
        assert one.spoken.strip()
