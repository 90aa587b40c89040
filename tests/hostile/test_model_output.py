"""What a model writes is a stranger's text: whatever it is, all of it is spoken, in bounded time."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.agent.reply import Reply
from voice_runtime.turns.heard import Segment, heard
from voice_runtime.turns.lexicon import lexicon_for, tokens
from voice_runtime.turns.sentences import LONGEST, Sentences
from voice_runtime.turns.speech_text import SpeechText
from voice_runtime.turns.verbalise import Pronunciations, language_for, verbalise

ENGLISH = language_for("en")
ODD = (
    "a 9 9. 999, - a- A1- + ( [ ] ]( ](a ! ![ * ` ~ _ = # ``` ```a . ..a a. Dr. @ a@ a@b. http:// www. $ $9 1/ 12/12/"
    " 12: 1- 1– 123- +1 é 中 中。 😀 ’ a' ٣ % 1% ° & ¥ … | — e.g. no."
).split() + [
    "\n",
    "\n#",
    "\n- ",
    " ",
    "\t",
    "1 ",
    "123 ",
    "May 1 ",
    "order 12345 ",
    " a,",
    "\u200d",
    "\u202e",
    "\0",
    "\ud800",
]
WRITTEN = st.lists(
    st.one_of(
        st.sampled_from(
            [*ODD, "\u200b", " ", " – ", "1.25", "$1,250.50", "9" * 5000, "2026-01-02", "9:30 p.m. ", "(555) "]
        ),
        st.text(max_size=8),
        st.text("0123456789.,-–:/$€%+#() aAmpth", max_size=12),
    ),
    max_size=12,
).map("".join)


def filtered(text: str, piece: int = 10**6) -> str:
    speech = SpeechText()
    return "".join(speech.feed(text[at : at + piece]) for at in range(0, len(text), piece)) + speech.flush()


def sentences(text: str, piece: int = 10**6) -> list[str]:
    cutter = Sentences()
    found = [one for at in range(0, len(text), piece) for one in cutter.feed(text[at : at + piece])]
    return found + cutter.flush()


def said(text: str) -> Counter[str]:
    return Counter(char for char in text if char.isalnum())


@given(WRITTEN, st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_no_letter_and_no_digit_is_lost_on_the_way_to_synthesis(text: str, piece: int) -> None:
    """However the text comes; but for the address of a link, and the name of a block of code."""
    speech = filtered(text)
    assert speech == filtered(text, piece)
    if "](" not in text and "```" not in text and "~~~" not in text:
        assert said(speech) == said(text)
    cut = sentences(speech, piece)
    assert cut == sentences(speech) and "".join(cut).rstrip() == speech.rstrip()
    assert all(len(sentence) <= LONGEST + 1 for sentence in cut)


@given(WRITTEN)
@settings(max_examples=300, deadline=None)
def test_any_sentence_can_be_spoken_and_traced_back(text: str) -> None:
    """What was heard of it are words of its beginning: the more, the further the voice came."""
    for sentence in sentences(filtered(text)):
        spoken = verbalise(sentence, ENGLISH, Pronunciations({"sim": "x", "May": "y"}))
        length = len(spoken.text)
        reached = [spoken.source_prefix(length * tenth // 10) for tenth in range(11)]
        assert all(sentence.startswith(prefix) for prefix in reached)
        assert sorted(reached, key=len) == reached and reached[-1] == sentence.rstrip()
        segment = Segment(spoken, 8000)
        assert heard([segment], 8000).text == " ".join(sentence.split())
        assert 0 <= heard([segment], 4000).size <= 8000


@pytest.mark.parametrize("text", ["1.25 – 3.50", "$" + "9" * 5000, "$1" + ",999" * 3000, "¥٣٤", "９９ – ９９"])
def test_odd_numbers_are_spoken(text: str) -> None:
    """A range of prices, a sum without end, digits of other scripts: an answer with one does not fail."""
    assert verbalise(text, ENGLISH).text


def test_pronunciations_fit_letters_that_only_look_alike_in_another_case() -> None:
    """The Turkish dotless i is an i to a case-insensitive pattern; a word may also have no sound at all."""
    own = Pronunciations({"sim": "sym", "SQL": "", "KM": "knock mark", "km": "kilometer"})
    assert verbalise("sım SQL KM Km", ENGLISH, own).text == "sym  knock mark kilometer"


def test_what_no_voice_says_does_not_reach_one() -> None:
    """Control characters, which SSML may not have, halves of surrogate pairs, and signs that are not seen."""
    assert filtered("Pay\0 to\u202e Bob\x1b[31m, \ud83dsoft\u00adly.\u200b\ufeff") == "Pay to Bob31m, softly."


@pytest.mark.alone
async def test_text_without_end_takes_time_as_its_length() -> None:
    """Whatever odd thing it consists of, no step holds up the loop for longer than a few frames last."""
    worst: dict[str, float] = {}
    for odd in ODD:
        text = (odd * 4000)[:4000]
        reply, times = Reply(ENGLISH), []
        for step in (
            lambda reply=reply, text=text: reply.feed(text),
            *(lambda one=one: tokens(verbalise(one, ENGLISH).text) for one in sentences(filtered(text))),
            lambda text=text: lexicon_for("en").meaning(text),
        ):
            before = time.process_time()
            step()
            times.append(time.process_time() - before)
        worst[odd] = max(times)
    assert {odd: seconds for odd, seconds in worst.items() if seconds > 0.08} == {}
