"""Markup and emoji are not spoken; every word is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.turns.speech_text import HELD, SpeechText


def spoken(*chunks: str) -> str:
    speech = SpeechText()
    return "".join([*(speech.feed(chunk) for chunk in chunks), speech.flush()])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Press `1` now", "Press 1 now"),  # H32
        ("This is **very** _important_ and ***so on***.", "This is very important and so on."),
        ("~~gone~~ but about ~5", "gone but about ~5"),
        ("# Our menu\n\n- apples\n- *pears*\n+ plums\n1. first", "Our menu\napples\npears\nplums\n1. first"),
        ("> quoted\n> - and listed", "quoted\nand listed"),
        ("See [our page](https://example.com/a?b=c) for more.", "See our page for more."),
        ("See ![a cat](/cat.png) there", "See a cat there"),
        ("Press [1] (or 2) now", "Press 1 (or 2) now"),
        ("[yes](no)", "yes (no)"),
        ("Run this:\n```python\nprint(1)\n```\nDone", "Run this:\nprint(1)\n\nDone".replace("\n\n", "\n")),
        ("Set x=1 (a=b) [c=d] today", "Set x=1 (a=b) c=d today"),  # H32: brackets with "="
        ("one\n---\ntwo", "one\ntwo"),
        ("| a | b |", "a b"),
        ("snake_case and 2 * 3 and 2*3 and #5 and well-known", "snake_case and 2 * 3 and 2*3 and #5 and well-known"),
        ("Great! 🎉👍🏽 See you ❤️ soon 👨‍👩‍👧!", "Great! See you soon !"),
        ("too   many \t spaces\n\n\nand lines", "too many spaces\nand lines"),
        ("क्‍ष", "क्‍ष"),  # a joiner is a letter here
        ("20°C © ACME™", "20°C © ACME™"),
    ],
)
def test_what_is_said_of_it(written: str, said: str) -> None:
    assert spoken(written) == said
    assert spoken(*written) == said


@pytest.mark.parametrize("opened", ["(", "[", "[text](", "[text](https", "**", "`", "```", "![", "_"])
def test_what_is_never_closed_holds_back_next_to_nothing(opened: str) -> None:
    speech = SpeechText()
    said = speech.feed(opened + " word" * 40)
    assert len(said) >= 200 - HELD
    assert said.count("word") + speech.flush().count("word") == 40


def test_a_flush_in_the_middle_gives_what_waits() -> None:
    speech = SpeechText()
    assert speech.feed("almost!") == "almost"
    assert speech.flush() == "!"
    assert speech.feed(" there") == " there"


marks = st.sampled_from(
    list("*_`~#>-[]()!| \n") + ["```", "**", "http://x.y", "www.", "a", "word", "1", "\U0001f389", "."]
)


@given(st.lists(marks, max_size=30), st.data())
def test_any_chunking_says_the_same(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    assert spoken(*(text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True))) == spoken(text)


@given(
    st.lists(
        st.sampled_from(["**", "*", "`", "#", "> ", "- ", "[", "]", "(", ")", "_", "🎉", "\n", "~~", "|", " word7 "])
    )
)
def test_no_word_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    assert re.findall(r"word7", spoken(text)) == re.findall(r"word7", text)
