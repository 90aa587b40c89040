"""What the caller has said and no turn has taken yet: finals, the partial after them, and keys. Nothing is ever lost.

A recogniser may be late with a final, or never send one. Then a turn takes the partial words as they are. The final
that comes after that turn says the same words again, perhaps spelled better and perhaps with more behind them: the
first are a correction of the turn, the others are new.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from voice_runtime.turns.lexicon import same_words, tokens

__all__ = ["Hearing", "Transcript"]

_ALIKE: Final = 0.6  # share of equal characters from which on two texts are taken for two hearings of one piece


@dataclass(frozen=True, slots=True)
class _Promoted:
    """Partial words that the last turn took, the finals that it took `before` them, and the partial words of the same
    piece of speech that `earlier` turns took."""

    before: str
    earlier: str
    partial: str

    @property
    def whole(self) -> str:
        return f"{self.earlier} {self.partial}".strip()


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a final brought: whether there are fresh words, and the better text of the last turn if it corrects that."""

    fresh: bool
    corrected: str | None = None


class Transcript:
    """The pending words and keys of one caller."""

    def __init__(self) -> None:
        self._finals: list[str] = []
        self._partial = ""
        self._settled = ""  # one of the finals that is none
        self._promoted: _Promoted | None = None
        self.keys = ""

    @property
    def text(self) -> str:
        return " ".join([*self._finals, self._partial]).strip()

    @property
    def unfinished(self) -> bool:
        """Whether the last words are partial, and may change."""
        return bool(self._partial)

    def __bool__(self) -> bool:
        return bool(self._finals or self._partial or self.keys)

    def hear_partial(self, text: str, *, overdue: bool = False) -> bool:
        """Whether that changed the words. A recogniser that takes all words back again is not believed. `overdue`: the
        final of the words before should have come by now, so that others do not replace them."""
        known, fresh = self._split(text.strip())
        if not tokens(fresh):
            return False
        if not known:
            self._promoted = None  # recognisers keep the order: its final will not come any more
        if overdue and not _begins_alike(fresh, self._partial):
            self.settle()
        was, self._partial = self._partial, fresh
        return not same_words(was, fresh)

    def hear_final(self, text: str) -> Hearing:
        """Take a final."""
        text = text.strip()
        if not tokens(text):
            return Hearing(fresh=False)
        corrected, fresh = self._split(text)
        promoted, self._promoted = self._promoted, None
        if tokens(fresh):
            if self._settled and _begins_alike(fresh, self._settled):
                self._finals.remove(self._settled)  # this is its final
            self._finals.append(fresh)
            self._partial = self._settled = ""
        fresh_words = bool(tokens(fresh))
        if promoted is None or not corrected:
            return Hearing(fresh_words)
        found, known = tokens(corrected), len(tokens(promoted.earlier))
        corrected = corrected[found[known].start :] if known < len(found) else promoted.partial
        if same_words(corrected, promoted.partial):
            return Hearing(fresh_words)
        return Hearing(fresh_words, f"{promoted.before} {corrected}".strip())

    def settle(self) -> None:
        """The final of the partial words is overdue: what comes next does not replace them."""
        if self._partial:
            self._finals.append(self._partial)
            self._settled, self._partial = self._partial, ""

    def take(self) -> tuple[str, str]:
        """The words and the keys, which are a turn's now."""
        text, keys = self.text, self.keys
        earlier = "" if self._promoted is None else self._promoted.whole
        if self._partial:
            self._promoted = _Promoted(" ".join(self._finals), earlier, self._partial)
        elif self._settled and self._finals[-1] == self._settled:
            self._promoted = _Promoted(" ".join(self._finals[:-1]), earlier, self._settled)
        self._finals, self._partial, self._settled, self.keys = [], "", "", ""
        return text, keys

    def _split(self, text: str) -> tuple[str, str]:
        """What `text` says of the words that turns took unfinished, and what it says that is new."""
        if self._promoted is None or not tokens(text):
            return "", text
        if not _begins_alike(text, self._promoted.whole):
            return "", text
        old, new = tokens(self._promoted.whole), tokens(text)
        if len(new) <= len(old):
            return text, ""
        return text[: new[len(old) - 1].end], text[new[len(old)].start :]


def _begins_alike(text: str, other: str) -> bool:
    """Whether two texts, as far as both go, are two hearings of the same."""
    one, two = tokens(text), tokens(other)
    first, second = (" ".join(token.folded for token in found[: min(len(one), len(two))]) for found in (one, two))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _ALIKE
