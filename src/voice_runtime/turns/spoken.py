"""Text as it is spoken, with the way back to how it was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voice_runtime.turns.lexicon import is_unspaced

__all__ = ["Replacement", "Spoken"]


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """source[start:end] is spoken as `spoken`."""

    start: int
    end: int
    spoken: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """`source`, and the places where what is spoken differs: in order, not overlapping."""

    source: str
    replacements: tuple[Replacement, ...] = ()

    @classmethod
    def of(cls, source: str, replacements: Iterable[Replacement]) -> Spoken:
        """Of replacements that overlap, the first given counts."""
        kept: list[Replacement] = []
        for one in replacements:
            if all(one.end <= other.start or one.start >= other.end for other in kept):
                kept.append(one)
        return cls(source, tuple(sorted(kept)))

    @property
    def text(self) -> str:
        """What goes to synthesis."""
        pieces: list[str] = []
        at = 0
        for one in self.replacements:
            pieces += (self.source[at : one.start], one.spoken)
            at = one.end
        return "".join([*pieces, self.source[at:]])

    def source_prefix(self, length: int) -> str:
        """The whole words of the source that are spoken by text[:length]. "$1,250" is heard with its last word."""
        spoken = 0  # characters of `text` up to source[at]
        at = 0
        for one in self.replacements:
            if spoken + one.start - at >= length:
                break
            spoken += one.start - at + len(one.spoken)
            if spoken > length:
                return self.source[: _word_edge(self.source, one.start)]
            at = one.end
        return self.source[: _word_edge(self.source, at + max(length - spoken, 0))]


def _word_edge(text: str, at: int) -> int:
    """The end of the last whole word within text[:at], with the marks behind it."""
    while at < len(text) and not text[at].isspace() and not text[at].isalnum():
        at += 1
    while 0 < at < len(text) and not text[at].isspace() and not (is_unspaced(text[at]) or is_unspaced(text[at - 1])):
        at -= 1
    return len(text[:at].rstrip())
