"""Streaming text to sentences that synthesis can speak one by one. Any chunking of the text gives the same sentences.

A sentence is a piece of the text as it is, with the white space behind it: joined, they are the text. A cut needs to
see one character behind the mark, so that a bracket or a quote that closes stays with its sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["Sentences"]

FIRST_AT_LEAST: Final = 20
"""Characters after which the first sentence may end at a weak mark: the sooner it leaves, the sooner speech begins."""
IDLE_AT_LEAST: Final = 12
"""Characters of a sentence that are worth saying when the rest of it is late."""
LONG: Final = 200
"""Characters after which any sentence may."""
LONGEST: Final = 500
"""Characters of a sentence without any mark that are waited for: whoever works on one does so in bounded time."""

_STRONG: Final = ".!?…"  # end a sentence when white space follows
_FULL: Final = "。！？｡．।॥؟۔။។።"  # end a sentence whatever follows
_WEAK: Final = ",;:—–"
_WEAK_FULL: Final = "、，；：،؛၊"
_CLOSERS: Final = "\"'”’»)]}」』】）》〉"

_NEVER_LAST: Final = frozenset(
    "mr mrs ms mx dr prof rev fr sr st mt gen col lt sgt capt hon pres gov sen rep e.g i.e vs cf viz approx appt apt"
    " dept est ext fig nr no nos vol ch sec bldg ave blvd rd tel ph bzw z.b d.h u.a ca usw hr fra".split()
)
_MAYBE_LAST: Final = frozenset("etc inc ltd co corp jr a.m p.m am pm u.s u.k b.c a.d bros al".split())
_WAIT: Final = -1  # not enough text to decide


class Sentences:
    """One stream of text."""

    def __init__(self) -> None:
        self._text = ""  # since the last cut
        self._seen = 0  # characters of it that are known to hold no cut
        self._first = True

    def feed(self, text: str) -> list[str]:
        """The sentences that are complete now."""
        sentences: list[str] = []
        while text:
            room = LONGEST + 1 - len(self._text)
            self._text, text = self._text + text[:room], text[room:]
            while (end := self._next_cut()) != _WAIT or (end := self._too_long()):
                sentences.append(self._text[:end])
                self._text, self._seen, self._first = self._text[end:], 0, False
        return sentences

    def flush(self) -> list[str]:
        """Everything that is left, because the text ended or does not go on. White space alone is nothing to say."""
        rest, self._text, self._seen = self._text, "", 0
        if not rest.strip():
            return []
        self._first = False
        return [rest]

    def cut_short(self) -> list[str]:
        """What there is of a sentence whose rest is late: up to its last clause or, without one, its last whole word.

        Nothing when that is not much. What may be one thing with what comes (a number, "Dr.") stays together.
        """
        if self._ends():
            return self.flush()
        clause = word = 0
        for end, char in enumerate(self._text):
            before = self._text[:end].rstrip()
            if char.isspace() and len(before.lstrip()) >= IDLE_AT_LEAST and not _goes_on(before.split()[-1]):
                word = end + 1
                if before[-1] in _WEAK:
                    clause = word
        end = clause or word
        if not end:
            return []
        piece, self._text, self._seen, self._first = self._text[:end], self._text[end:], 0, False
        return [piece]

    def _ends(self) -> bool:
        """Whether it ends like a sentence: a model that pauses there has not sent the white space behind it yet."""
        text = self._text.rstrip(_CLOSERS + " ")
        words = text.rstrip(_STRONG)
        if words == text or not words.strip() or words[-1].isdigit():
            return False
        return text[len(words) :] != "." or self._full_stop(len(words), len(text)) is True

    def _next_cut(self) -> int:
        """Where the first sentence ends; `_WAIT` when that cannot be told yet."""
        text = self._text
        while self._seen < len(text):
            at = self._seen
            if text[at] == "\n" and text[:at].strip():
                return at + 1
            if text[at] in _STRONG + _FULL + _WEAK + _WEAK_FULL:
                end = self._behind(at)
                if end >= len(text):
                    return _WAIT
                verdict = self._is_cut(at, end)
                if verdict is None:
                    return _WAIT
                if verdict:
                    return end + 1 if text[end].isspace() else end
            self._seen += 1
        return _WAIT

    def _too_long(self) -> int:
        """Where a sentence without end is cut: behind its last white space, if that is near; 0 for not at all."""
        if len(self._text) <= LONGEST:
            return 0
        return next((end for end in range(LONGEST, LONG, -1) if self._text[end - 1].isspace()), LONGEST)

    def _behind(self, at: int) -> int:
        """The first place behind a mark that belongs to no run of marks and closing brackets."""
        end = at + 1
        while end < len(self._text) and self._text[end] in _STRONG + _FULL + _CLOSERS:
            end += 1
        return end

    def _is_cut(self, at: int, end: int) -> bool | None:
        """Whether the sentence ends at the mark; None when that depends on what comes."""
        mark, follows = self._text[at], self._text[end]
        if mark in _FULL:
            return True
        if mark in _WEAK or mark in _WEAK_FULL:
            enough = FIRST_AT_LEAST if self._first else LONG
            return len(self._text[:at].strip()) >= enough and (mark in _WEAK_FULL or follows.isspace())
        if not follows.isspace():
            return False
        return True if mark != "." or end > at + 1 else self._full_stop(at, end)

    def _full_stop(self, at: int, end: int) -> bool | None:
        """A single full stop with white space behind it: the end, an abbreviation, an initial, or a list?"""
        before = self._text[:at]
        word = before.split()[-1].lstrip("\"'“‘«([{") if before.split() else ""
        if word.casefold() in _NEVER_LAST:
            # "No." is the number only when one follows.
            return self._follows(end, str.isdigit, negate=True) if word.casefold() in ("no", "nos", "sec") else False
        if word.casefold() in _MAYBE_LAST:
            return self._follows(end, str.isupper)
        if word.isdecimal() and before.strip() == word:
            return False  # "1. Open the door."
        return not (len(word) == 1 and word.isupper() and word != "I")  # "J. Smith"

    def _follows(self, end: int, kind: Callable[[str], bool], *, negate: bool = False) -> bool | None:
        """Whether what comes after the white space is of that kind; None when nothing has come."""
        rest = self._text[end:].lstrip()
        if "\n" in self._text[end : len(self._text) - len(rest)]:
            return True
        if not rest:
            return None
        return kind(rest[0]) is not negate


def _goes_on(word: str) -> bool:
    """Whether a word is often the beginning of something longer."""
    bare = word.strip("\"'“‘«([{").casefold()
    short = bare.rstrip(".") in _NEVER_LAST | _MAYBE_LAST and bare.endswith(".")
    return short or any(char.isdigit() for char in bare) or not any(char.isalnum() for char in bare[-1:] + bare[:1])
