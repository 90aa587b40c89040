"""Words as the floor counts them, in any script, and the few that mean "go on" or "stop"."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["ENGLISH", "Lexicon", "Meaning", "Token", "is_unspaced", "lexicon_for", "same_words", "tokens"]

# Scripts that put no space between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))
_SUPPLEMENTARY_HAN = (0x20000, 0x3FFFF)


class Token(NamedTuple):
    """One word, or one character of a script without spaces: text[start:end], folded to compare."""

    start: int
    end: int
    folded: str

    @property
    def is_character(self) -> bool:
        return is_unspaced(self.folded[0])


def tokens(text: str) -> list[Token]:
    """The words of `text`, without punctuation."""
    found: list[Token] = []
    start: int | None = None
    for at, char in enumerate(text):
        kind = unicodedata.category(char)[0]
        if kind == "L" and is_unspaced(char):
            if start is not None:
                found.append(_token(text, start, at))
                start = None
            found.append(_token(text, at, at + 1))
        elif kind in "LN" or (kind == "M" and start is not None) or (char in "'’" and start is not None):
            start = at if start is None else start
        elif start is not None:
            found.append(_token(text, start, at))
            start = None
    if start is not None:
        found.append(_token(text, start, len(text)))
    return found


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in punctuation, case and spaces at most."""
    return [token.folded for token in tokens(one)] == [token.folded for token in tokens(other)]


def _token(text: str, start: int, end: int) -> Token:
    return Token(start, end, text[start:end].casefold().replace("’", "'").strip("'") or text[start:end])


def is_unspaced(char: str) -> bool:
    """Whether the character belongs to a script that puts no space between words."""
    code = ord(char)
    if code < 0x0E00:
        return False
    return any(first <= code <= last for first, last in (*_UNSPACED, _SUPPLEMENTARY_HAN))


class Meaning(Enum):
    """What words said while the agent speaks mean for the floor."""

    NOTHING = "nothing"
    BACKCHANNEL = "backchannel"
    WORDS = "words"
    STOP = "stop"


@dataclass(frozen=True)
class Lexicon:
    """One language's short words. A phrase may have several words ("uh huh", "hold on")."""

    backchannels: frozenset[str]
    stops: frozenset[str]

    def meaning(self, text: str) -> Meaning:
        """Only back-channels; or a stop word anywhere; or plain words."""
        words = [token.folded for token in tokens(text)]
        if not words:
            return Meaning.NOTHING
        if self._covered(words, self.stops):
            return Meaning.STOP
        return Meaning.BACKCHANNEL if len(self._covered(words, self.backchannels)) == len(words) else Meaning.WORDS

    def weight(self, text: str) -> tuple[int, int]:
        """(words, characters of scripts without spaces) that are no back-channel."""
        found = tokens(text)
        said = self._covered([token.folded for token in found], self.backchannels)
        rest = [token for at, token in enumerate(found) if at not in said]
        characters = sum(token.is_character for token in rest)
        return len(rest) - characters, characters

    @staticmethod
    def _covered(words: list[str], phrases: frozenset[str]) -> set[int]:
        """The places in `words` that belong to one of the phrases."""
        covered: set[int] = set()
        at = 0
        while at < len(words):
            length = next((n for n in (5, 4, 3, 2, 1) if " ".join(words[at : at + n]) in phrases), 0)
            covered.update(range(at, min(at + length, len(words))))
            at += max(length, 1)
        return covered


def _lexicon(backchannels: str, stops: str) -> Lexicon:
    def phrases(listed: str) -> frozenset[str]:
        return frozenset(" ".join(token.folded for token in tokens(phrase)) for phrase in listed.split(","))

    return Lexicon(phrases(backchannels), phrases(stops))


ENGLISH = _lexicon(
    "mhm, mm, mmm, mm hm, mm-hmm, hm, hmm, uh-huh, uh, um, ah, oh, ok, okay, yeah, yep, yes, yup, right, sure, "
    "i see, got it, all right, alright, of course, good, great, exactly, cool, fine",
    "stop, wait, no, hold on, hang on, one moment, just a moment, just a second, be quiet, pause, nope",
)

_LEXICONS = {
    "en": ENGLISH,
    "de": _lexicon(
        "mhm, mm, hm, hmm, aha, ach so, ja, jo, genau, ok, okay, gut, klar, stimmt, richtig, alles klar, ah, oh",
        "stopp, stop, halt, warte, warten sie, moment, einen moment, nein, nee",
    ),
    "es": _lexicon(
        "mhm, mm, ajá, sí, si, ya, claro, vale, ok, okay, bueno, bien, de acuerdo, entiendo, exacto, ah, oh",
        "para, pare, alto, espera, espere, un momento, no",
    ),
    "fr": _lexicon(
        "mhm, mm, hum, oui, ouais, ok, okay, d'accord, bien, je vois, voilà, exact, très bien, ah, oh",
        "stop, arrête, arrêtez, attends, attendez, un instant, une seconde, non",
    ),
    "it": _lexicon(
        "mhm, mm, sì, si, ok, okay, va bene, certo, capisco, esatto, bene, d'accordo, ah, oh",
        "ferma, fermati, stop, basta, aspetta, aspetti, un momento, un attimo, no",
    ),
    "pt": _lexicon(
        "mhm, mm, sim, ok, okay, está bem, tá bom, certo, claro, entendo, exato, bom, ah, oh",
        "pare, para, espera, espere, um momento, não",
    ),
    "fi": _lexicon(
        "mhm, mm, joo, juu, kyllä, niin, aivan, ok, okei, selvä, hyvä, no niin, ahaa, ai",
        "seis, stop, odota, hetkinen, ei",
    ),
    "nl": _lexicon(
        "mhm, mm, hm, ja, jep, oké, ok, goed, precies, klopt, prima, ah, oh",
        "stop, wacht, ho, momentje, even wachten, nee",
    ),
    "hi": _lexicon("हम्म, हूँ, हाँ, हां, जी, जी हाँ, अच्छा, ठीक है, सही, ओके", "रुको, रुकिए, रुकें, एक मिनट, बस, नहीं"),
    "ar": _lexicon("نعم, أيوه, أجل, حسنا, طيب, تمام, آه", "توقف, قف, انتظر, لحظة, لا"),
    "zh": _lexicon(
        "嗯, 对, 是, 是的, 好, 好的, 哦, 啊, 行, 明白",
        "停, 等等, 等一下, 别说, 不, 不是, 不对",
    ),
    "ja": _lexicon(
        "うん, ええ, はい, へえ, なるほど, そう, そうですね, あー",
        "止めて, 待って, ストップ, いいえ",
    ),
}


def lexicon_for(language: str) -> Lexicon:
    """The lexicon of "de", "de-DE" ...; English words for a language without one, because loan words travel."""
    return _LEXICONS.get(language.replace("_", "-").split("-")[0].casefold(), ENGLISH)
