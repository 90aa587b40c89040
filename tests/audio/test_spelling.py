"""Speech that spells its text, read back after what a telephone line does to it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw
from voice_runtime.audio.measure import gaps, level_dbfs, silent_runs, speech_spans
from voice_runtime.audio.mixing import gain
from voice_runtime.audio.spelling import SpelledWord, SpellingReader, read_spelling, spell, spellable
from voice_runtime.audio.tones import beep, busy, detect_dtmf, dtmf, ringback, silence

SENTENCE = "Hello there, bookkeeper: aaa-1 1100? O'Neill!"
WORDS = "hello there, bookkeeper: aaa-1 1100? o'neill!"
texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("aabbee 11.,?!'-: ")), max_size=40)


def text_of(words: list[SpelledWord]) -> str:
    return " ".join(word.text for word in words)


@settings(deadline=None, max_examples=80)
@given(texts, st.floats(8, 20))
def test_any_text_is_read_back_at_any_speed(text: str, speed: float) -> None:
    """As `spellable` makes it, which making it so again does not change; every word whole."""
    words = read_spelling(silence(33) + spell(text, speed) + silence(200))
    assert text_of(words) == spellable(text) == spellable(spellable(text))
    assert all(word.whole for word in words)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Åsa Öberg's  café\n", "asa oberg's cafe"),
        ("“Straße” – №5, ½ …", "strasse - no5, 12 ..."),
        ("Москва 東京 ٣", "?????? ?? 3"),
        ("+358 40, me@example.com 🙂", "+358 40, me@example.com"),
    ],
)
def test_what_cannot_be_spelled_is_spelled_as_well_as_it_can(text: str, plain: str) -> None:
    """Accents and case are lost; letters of other alphabets are question marks; signs are left out."""
    assert spellable(text) == plain


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(spell(SENTENCE))))
def test_speech_cut_anywhere_is_read_up_to_there(cut: int) -> None:
    """Character by character, and only the last word can be in pieces."""
    words = read_spelling(spell(SENTENCE)[:cut])
    assert WORDS.startswith(text_of(words))
    assert all(word.whole for word in words[:-1])
    assert abs(len(text_of(words)) - (cut / 8000 * 15 - 1)) <= 2
    if words and not words[-1].whole:
        assert abs(words[-1].end_s - cut / 8000) < 0.06


def test_words_have_times() -> None:
    """To 10 ms, whatever was heard before: the letters of `no` sound from 1.4 s + 5 characters until 7 characters."""
    words = read_spelling(silence(1400) + spell("yes no"))
    assert [word.text for word in words] == ["yes", "no"]
    assert [round(word.start_s, 2) for word in words] == [pytest.approx(1.4 + at / 15, abs=0.011) for at in (1, 5)]
    assert words[1].end_s == pytest.approx(1.4 + 7 / 15, abs=0.011)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_chunks_make_no_difference(sizes: list[int]) -> None:
    """A word is told once, in the chunk that ends it."""
    audio, reader, words, at = silence(50) + spell(SENTENCE) + silence(300), SpellingReader(), [], 0
    while at < len(audio):
        size = sizes[at % len(sizes)]
        words += reader.feed(audio[at : at + size])
        at += size
    assert words == read_spelling(audio)
    assert text_of(words) == WORDS


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(spell(SENTENCE)) - 160), st.booleans())
def test_a_lost_frame_costs_one_character_at_most(at: int, silent: bool) -> None:
    """Whether 20 ms are missing, or are silence instead."""
    audio = spell(SENTENCE)
    read = text_of(read_spelling(audio[:at] + silence(20 if silent else 0) + audio[at + 160 :]))
    assert read == WORDS or any(read.startswith(WORDS[:i]) and read.endswith(WORDS[i + 1 :]) for i in range(len(WORDS)))


@pytest.mark.parametrize("decibels", [0, -10, -20])
def test_a_quiet_line_with_noise_is_read(decibels: int) -> None:
    """Noise 20 dB below speech that is itself up to 20 dB quieter, through G.711 once more."""
    pcm = np.frombuffer(decode_ulaw(spell(SENTENCE)), "<i2").astype(float) * 10 ** (decibels / 20)
    noise = np.random.default_rng(1).normal(size=len(pcm)) * np.sqrt(np.mean(pcm**2)) / 10
    assert text_of(read_spelling(encode_ulaw((pcm + noise).astype("<i2").tobytes()))) == WORDS


def test_it_measures_as_one_piece_of_speech() -> None:
    """Of about -15 dBFS, without gaps, digital silence or touch tones, also slow and fast."""
    for speed in (8, 15, 20):
        audio = spell(SENTENCE, speed)
        assert -18 < level_dbfs(audio) < -14
        assert len(speech_spans(audio)) == 1
        assert gaps(audio, min_gap_ms=40) == silent_runs(audio) == []
        assert detect_dtmf(audio) == ""
    quiet = encode_ulaw(gain(decode_ulaw(spell(SENTENCE)), 0.1))
    assert len(speech_spans(quiet)) == 1


def test_other_sounds_say_nothing() -> None:
    """Tones of telephones, noise, silence."""
    noise = random.Random(1).randbytes(40000)
    for sound in (dtmf("1234567890*#ABCD"), beep(), ringback(), ringback(region="us"), busy(region="us"), noise, b""):
        assert read_spelling(sound) == []


def test_a_word_cut_off_is_not_continued_by_what_comes_next() -> None:
    """Speech that was cleared, and the next utterance without a pause."""
    cut = spell("hello")[:1700]
    words = read_spelling(cut + spell("lo"))
    assert [(word.text, word.whole) for word in words] == [("he", False), ("lo", True)]
    words = read_spelling(cut + silence(200) + spell("hello")[1700:])
    assert [(word.text, word.whole) for word in words] == [("he", False), ("llo", True)]


def test_the_reader_tells_what_is_being_said() -> None:
    """Before the word is over; a reader that has finished goes on with what comes next."""
    reader = SpellingReader()
    assert reader.feed(spell("hello")[:1700]) == []
    assert (reader.open_word, reader.symbols) == ("he", 3)
    assert reader.position_s == 1700 / 8000
    assert 0.15 < reader.heard_until_s <= 1700 / 8000
    assert [word.text for word in reader.finish()] == ["he"]
    assert [word.text for word in reader.feed(spell("you"))] == ["you"]


def test_the_speed_has_limits() -> None:
    """Tones are whole, pauses are not gaps."""
    for speed in (7, 21):
        with pytest.raises(ValueError, match="from 8 to 20"):
            spell("x", speed)
