"""Text that goes on where another text ended, by an author who may begin with what was said already."""

from __future__ import annotations

from voice_runtime.turns.lexicon import is_unspaced, tokens

__all__ = ["Continuation"]


class Continuation:
    """Fed with the pieces of a text; hands out what is new in it, in whole words.

    A beginning that repeats the end of `said` (its last word, its last sentence, all of it) is left out. The last word
    of a text that stops for ever is not handed out: it may be half of one.
    """

    def __init__(self, said: str = "") -> None:
        self._said = said
        self._before = [token.folded for token in tokens(said)]
        self._text = ""  # not handed out
        self._begins = bool(said)  # it is not known yet whether it repeats

    def feed(self, text: str) -> str:
        """More of it. What is to be said now."""
        self._text += text
        return self._hand_out(_whole_words(self._text))

    def finish(self) -> str:
        """That was all."""
        return self._hand_out(len(self._text), last=True)

    def _hand_out(self, end: int, *, last: bool = False) -> str:
        new = self._text[:end]
        if self._begins:
            repeated = self._repeated(new, last=last)
            if repeated is None:
                return ""
            self._begins = False
            new = self._joint(new[repeated:], cut=repeated > 0)
        self._text = self._text[end:]
        return new

    def _repeated(self, text: str, *, last: bool) -> int | None:
        """How many characters of it were said before. None: that depends on what comes."""
        words = tokens(text)
        said, best = self._before, 0
        for start in range(len(said)):
            same = 0
            while same < len(words) and start + same < len(said) and words[same].folded == said[start + same]:
                same += 1
            if start + same == len(said):
                best = max(best, same)
            elif same == len(words) and not last:
                return None
        if not words and not last:
            return None
        return words[best - 1].end if best else 0

    def _joint(self, text: str, *, cut: bool) -> str:
        if cut:  # the marks behind the last repeated word were said with it
            marks = next((at for at, char in enumerate(text) if char.isspace() or char.isalnum()), len(text))
            if self._said.rstrip()[-1:].isalnum() is False:
                text = text[marks:]
        if self._said[-1:].isspace():
            return text.lstrip()
        if text[:1].isalnum() and not is_unspaced(text[0]):
            return " " + text
        return text


def _whole_words(text: str) -> int:
    """How much of it is not the beginning of a word that may go on."""
    end = len(text)
    while end and text[end - 1].isalnum() and not is_unspaced(text[end - 1]):
        end -= 1
    return end
