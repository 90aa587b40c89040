"""The words that reach an ear: the spelled speech of doubles, as it is heard and when the call is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from voice_runtime.audio.spelling import SpelledWord, SpellingReader, read_spelling, spellable
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["Heard", "Hearing", "heard_in", "plain_words"]

_UTTERANCE_GAP: Final = 0.7  # seconds: a longer pause, or a word that was cut off, and another utterance begins
_PUNCTUATION: Final = str.maketrans({"-": " ", "/": " "} | dict.fromkeys(".,?!':;"))


def plain_words(text: str) -> list[str]:
    """The words of `text` without case, accents and punctuation: two texts with the same ones sound the same."""
    return spellable(text).translate(_PUNCTUATION).split()


class Heard(tuple[SpelledWord, ...]):
    """The words that were heard, in order; times are seconds on the line. A word that is not `whole` was cut off."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """Lower case, one space apart, a word that was cut off with what was left of it."""
        return " ".join(word.text for word in self)

    def since(self, seconds: float) -> Heard:
        """What began then or later."""
        return Heard(word for word in self if word.start_s >= seconds)

    def utterances(self) -> list[Annotation]:
        """What the agent said, for a transcript: `wor-` is a word that was cut off."""
        spoken: list[list[SpelledWord]] = []
        for word in self:
            last = spoken[-1][-1] if spoken else None
            if last is None or not last.whole or word.start_s - last.end_s > _UTTERANCE_GAP:
                spoken.append([])
            spoken[-1].append(word)
        return [
            Annotation(NoteKind.AGENT, words[0].start_s, words[-1].end_s, " ".join(map(_as_heard, words)))
            for words in spoken
        ]


def _as_heard(word: SpelledWord) -> str:
    return word.text if word.whole else f"{word.text}-"


def heard_in(audio: bytes) -> Heard:
    """Everything in a recording."""
    return Heard(read_spelling(audio))


class Hearing:
    """An ear that grows, read from `start` as far as somebody asks. Nothing is read for those who never do."""

    def __init__(self, ear: bytearray, start: int = 0) -> None:
        self._ear = ear
        self._reader = SpellingReader()
        self._read = start
        self._words: list[SpelledWord] = []
        self._plain: list[str] = []  # of the whole words; a word that was cut off is "", which nobody waits for
        self._taken = 0  # of `_plain`: up to the end of what was last waited for

    @property
    def heard(self) -> Heard:
        """The words so far, the one that is being said left out."""
        self._listen()
        return Heard(self._words)

    @property
    def since_taken(self) -> str:
        """What was heard since the words that `take` found, without punctuation."""
        self._listen()
        return " ".join(word or "(cut off)" for word in self._plain[self._taken :])

    def take(self, words: Sequence[str]) -> bool:
        """Whether these words, from `plain_words`, were heard since the last that were; what precedes them is past."""
        self._listen()
        for start in range(self._taken, len(self._plain) - len(words) + 1):
            if self._plain[start : start + len(words)] == list(words):
                self._taken = start + len(words)
                return True
        return False

    def _listen(self) -> None:
        if len(self._ear) > self._read:
            new = bytes(self._ear[self._read :])
            self._read += len(new)
            self._add(self._reader.feed(new))

    def _add(self, words: Iterable[SpelledWord]) -> None:
        for word in words:
            self._words.append(word)
            self._plain += plain_words(word.text) if word.whole else [""]
