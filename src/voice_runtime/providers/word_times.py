"""Where in a text the words are that a vendor tells the times of. What cannot be found in the text is not told."""

from __future__ import annotations

from collections.abc import Iterable

from voice_runtime.turns.heard import WordTime
from voice_runtime.turns.lexicon import tokens

__all__ = ["CharacterTimes", "VendorWords"]


class CharacterTimes:
    """For vendors that tell when each character ends. Letters and digits are compared, signs and spaces are not."""

    def __init__(self, text: str) -> None:
        self._letters: list[tuple[str, int]] = []  # each with the end of the word that it completes, or 0
        for word in tokens(text):
            letters = [(char.casefold(), 0) for char in text[word.start : word.end] if char.isalnum()]
            self._letters += [*letters[:-1], *((char, word.end) for char, _ in letters[-1:])]
        self._at = 0
        self._seconds = 0.0

    def over(self, characters: Iterable[str], ends: Iterable[float]) -> list[WordTime]:
        """The next characters, and when each ends, in seconds of the whole: the words that end with them."""
        found: list[WordTime] = []
        for character, seconds in zip(characters, ends, strict=False):
            for letter in filter(str.isalnum, character):
                if self._at == len(self._letters) or self._letters[self._at][0] != letter.casefold():
                    continue
                self._seconds = max(self._seconds, seconds)
                if end := self._letters[self._at][1]:
                    found.append(WordTime(end, self._seconds))
                self._at += 1
        return found


class VendorWords:
    """For vendors that name the word, and where in the text it begins, if they are right about that."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = max((word.end for word in tokens(text)), default=0)
        self._end = 0
        self._seconds = 0.0

    @property
    def complete(self) -> bool:
        """Whether the last word was told."""
        return self._end >= self._last

    def over(self, word: str, begin: int, seconds: float) -> WordTime | None:
        """The next word is over so many seconds after the beginning."""
        if begin < self._end or self._text[begin : begin + len(word)] != word:
            begin = self._text.find(word, self._end)  # of a text that was escaped, it counts the escapes
        if not word or begin < 0:
            return None
        self._end, self._seconds = begin + len(word), max(self._seconds, seconds)
        return WordTime(self._end, self._seconds)
