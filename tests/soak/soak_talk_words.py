"""Words that are there once: whoever hears one knows whose it is, and which."""

from __future__ import annotations

from random import Random

__all__ = ["Words"]

_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
_SOURCES = {"brain": "wa", "line": "we", "reply": "wi", "hook": "wo", "aside": "wu", "caller": "xa", "desk": "xe"}


class Words:
    """Of one call."""

    def __init__(self) -> None:
        self._made = dict.fromkeys(_SOURCES, 0)

    def some(self, source: str, chance: Random, least: int = 1, most: int = 6) -> str:
        """A sentence without its full stop."""
        return " ".join(self._one(source) for _ in range(chance.randint(least, most)))

    def _one(self, source: str) -> str:
        number = self._made[source]
        self._made[source] += 1
        return _SOURCES[source] + _SYLLABLES[number // 70 % 70] + _SYLLABLES[number % 70]

    @staticmethod
    def place(word: str) -> tuple[str, int] | None:
        """Whose it is, and its number; None for a word that is not from here."""
        plain = word.strip(".,!?")
        source = next((name for name, head in _SOURCES.items() if head == plain[:2]), None)
        if source is None or len(plain) != 6 or plain[2:4] not in _SYLLABLES or plain[4:] not in _SYLLABLES:
            return None
        return source, _SYLLABLES.index(plain[2:4]) * 70 + _SYLLABLES.index(plain[4:])
