"""Text as it streams from a model, in sentences that synthesis can speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.turns.sentences import Sentences


def cut(*chunks: str) -> list[str]:
    """All sentences of the text, without the white space around them."""
    sentences = Sentences()
    found = [sentence for chunk in chunks for sentence in sentences.feed(chunk)]
    return [sentence.strip() for sentence in found + sentences.flush()]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith and Mrs. Jones are in.",
        "It costs 3.50 today.",
        "Go to https://example.com/a.b?c=d now.",
        "Write to jane.doe@example.com today.",
        "Version 2.10.3 is out.",
        "Ask J. R. Smith about it.",
        "Bring fruit, e.g. apples.",
        "We open at 9 a.m. on weekdays.",
        "It is room No. 5.",
        "1. Open the door.",
    ],
)
def test_a_dot_inside_a_sentence_does_not_end_it(sentence: str) -> None:
    assert cut(sentence + " Next one.") == [sentence, "Next one."]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("We open at 9 a.m. Come early.", ["We open at 9 a.m.", "Come early."]),
        ("Fruit etc.\nand more", ["Fruit etc.", "and more"]),
        ("You and I. Us.", ["You and I.", "Us."]),
        ("No. I do not.", ["No.", "I do not."]),
        ("apples\npears\n", ["apples", "pears"]),
        ("你好。我想要两个！好的", ["你好。", "我想要两个！", "好的"]),
        ("「はい。」と言った。", ["「はい。」", "と言った。"]),
        ("नमस्ते। आप कैसे हैं?", ["नमस्ते।", "आप कैसे हैं?"]),
        ("مرحبا؟ نعم۔ شكرا", ["مرحبا؟", "نعم۔", "شكرا"]),
    ],
)
def test_sentences_of_many_scripts(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_the_first_sentence_leaves_early_at_a_comma() -> None:
    """After 20 characters, and only the first: after it there is audio to hide behind."""
    text = "Thank you for calling us, I can help you with that, and more, today. Goodbye then, my friend, until soon."
    assert cut(text) == [
        "Thank you for calling us,",
        "I can help you with that, and more, today.",
        "Goodbye then, my friend, until soon.",
    ]
    assert cut("Yes, of course.") == ["Yes, of course."]
    assert cut("That makes altogether 1,250 euros.") == ["That makes altogether 1,250 euros."]


def test_a_very_long_sentence_is_cut_at_commas_too() -> None:
    long = "word " * 50
    assert len(cut(f"Hello. {long}, and {long}, and so on.")) == 4


def test_a_sentence_leaves_as_soon_as_the_next_begins() -> None:
    sentences = Sentences()
    assert sentences.feed("Hello there.") == []
    assert sentences.feed(" ") == ["Hello there. "]


def test_an_abbreviation_waits_for_what_comes_to_tell_whether_it_ends_the_sentence() -> None:
    sentences = Sentences()
    assert sentences.feed("We open at 9 a.m. ") == []
    assert sentences.feed("C") == ["We open at 9 a.m. "]


def test_a_flush_gives_what_is_left_because_the_model_is_thinking() -> None:
    sentences = Sentences()
    assert sentences.feed("One moment") == []
    assert sentences.flush() == ["One moment"]
    assert sentences.flush() == []
    assert sentences.feed(" please. ") == [" please. "]


pieces = st.lists(
    st.sampled_from(
        [
            "Dr.",
            " ",
            "Hello",
            ".",
            ",",
            "3",
            "!",
            "?",
            "\n",
            "。",
            '"',
            ")",
            "etc.",
            "No.",
            "I",
            "J.",
            "a",
            "。」",
            "…",
            "؟",
        ]
        + ["this is a longer stretch of words", "e.g.", "।"]
    ),
    max_size=25,
)


@given(pieces, st.data())
def test_any_chunking_gives_the_same_sentences_and_joined_they_are_the_text(
    parts: list[str], data: st.DataObject
) -> None:
    text = "".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chunks = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    whole, chunked = Sentences(), Sentences()
    expected = whole.feed(text) + whole.flush()
    assert [one for chunk in chunks for one in chunked.feed(chunk)] + chunked.flush() == expected
    assert "".join(expected).strip() == text.strip()
    assert all(one.strip() for one in expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Your order is with the dri", "Your order is with the "),
        ("Your order is with Mr. ", "Your order is with "),
        ("It costs about 12 ", "It costs about "),
        ("Your order has come, and we ", "Your order has come, "),
        ("Well, I ", ""),
        ("Supercalifragilistic", ""),
    ],
)
def test_what_there_is_of_a_late_sentence(text: str, said: str) -> None:
    """Up to a clause or a word, if that is worth it; what may be one thing with what comes stays together."""
    sentences = Sentences()
    assert not sentences.feed(text)
    assert "".join(sentences.cut_short()) == said
    assert "".join(sentences.flush()) == text[len(said) :]


@given(pieces, st.data())
def test_pauses_lose_no_text(parts: list[str], data: st.DataObject) -> None:
    """Wherever the text pauses, joined, what was said is the text."""
    text = "".join(parts)
    sentences, said, at = Sentences(), "", 0
    while at < len(text):
        size = data.draw(st.integers(1, 20))
        said += "".join([*sentences.feed(text[at : at + size]), *sentences.cut_short()])
        at += size
    assert (said + "".join(sentences.flush())).strip() == text.strip()
