"""How a sentence is spoken: a program's own pronunciations first, then what its language says about numbers and signs.

Synthesis reads "482913" as a number of hundred thousands, and differently at every vendor; on the phone, it is a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from voice_runtime.turns.english import English
from voice_runtime.turns.spoken import Replacement, Spoken

__all__ = ["AsWritten", "Language", "Pronunciations", "language_for", "verbalise"]


class Language(Protocol):
    """What a language says instead of what is written."""

    def replacements(self, text: str) -> Iterable[Replacement]:
        """For one sentence. Of two that overlap, the first counts."""


class AsWritten:
    """A language without rules of its own: synthesis decides."""

    def replacements(self, text: str) -> Iterable[Replacement]:
        return ()


class Pronunciations:
    """Words and how they are spoken: {"Nguyen": "win", "sql": "sequel", "kWh": "kilowatt hours"}.

    A word matches as a whole. One with a capital letter matches as it is written; one without matches in any case.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        if not all(word.strip() for word in words):
            raise ValueError("an empty word has no pronunciation")
        ordered = sorted(words, key=lambda word: (len(word), word != word.lower()), reverse=True)  # the closest first
        self._spoken = [words[word] for word in ordered]
        self._pattern = re.compile("|".join(f"({self._form(word)})" for word in ordered)) if ordered else None

    def replacements(self, text: str) -> Iterable[Replacement]:
        if self._pattern is None:
            return
        for found in self._pattern.finditer(text):
            if found.lastindex is not None:
                yield Replacement(found.start(), found.end(), self._spoken[found.lastindex - 1])

    @staticmethod
    def _form(word: str) -> str:
        escaped = re.escape(word)
        return rf"(?<!\w){escaped}(?!\w)" if word != word.lower() else rf"(?<!\w)(?i:{escaped})(?!\w)"


def language_for(tag: str) -> Language:
    """The rules for "en", "en-US" ...; `AsWritten` for a language without."""
    return English() if tag.replace("_", "-").split("-")[0].casefold() == "en" else AsWritten()


def verbalise(sentence: str, language: Language, pronunciations: Pronunciations | None = None) -> Spoken:
    """One whole sentence as it is spoken."""
    own = () if pronunciations is None else pronunciations.replacements(sentence)
    return Spoken.of(sentence, [*own, *language.replacements(sentence)])
