"""The speech filter: text as a model writes it to text as one says it. Markup and emoji go, every word stays.

A stream: any chunking gives the same text, and at most `HELD` characters are held back to see what a mark means. White
space is collapsed; a line break stays one, because it ends a sentence.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["HELD", "SpeechText"]

HELD: Final = 40
"""The most characters that wait for the next ones."""
_PIECE: Final = 500
"""Characters that are worked on together: what is held is copied with each step."""

_BULLET = re.compile(r"(?:[-*+•‣]|#{1,6})[ \t]+|>")
_MAYBE_BULLET = re.compile(r"(?:[-*+•‣]|#{1,6})[ \t]*")
_FENCE = re.compile(r"(?:```|~~~)[\w+#.-]*[ \t]*(?=\n)")
_MAYBE_FENCE = re.compile(r"(?:`{1,2}|~{1,2}|(?:```|~~~)[\w+#.-]*[ \t]*)")
_RUN = re.compile(r"\*+|_+|~+|`+|-+|=+")
_TARGET = re.compile(r"(?:[a-z][a-z0-9+.-]*:|www\.|[/#.])", re.IGNORECASE)  # how the address of a link begins
_MAYBE_TARGET = re.compile(r"(?:[a-z][a-z0-9+.-]*|w{1,3}|)", re.IGNORECASE)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u231a-\u23ff\ufe0f\u20e3\U000e0020-\U000e007f]"
)
# What no voice says, and some refuse a whole sentence for: control characters, half of a surrogate pair, signs for the
# direction of writing, spaces without width.
_SILENT = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_JOINER: Final = "\u200d"  # also a letter of Indic scripts: it goes only between emoji


class _Step(NamedTuple):
    """The next `length` characters are dealt with, and `said` is said of them. `before`: what they count as."""

    length: int
    said: str
    before: str = ""


class SpeechText:
    """One stream of text."""

    def __init__(self) -> None:
        self._held = ""
        self._before = "\n"  # the character before `_held`, as it was written
        self._gap: str | None = None  # white space that comes before the next word; None before the first
        self._in_target = False  # inside the address of a link

    def feed(self, text: str) -> str:
        """What can be said of it now."""
        said = ""
        for at in range(0, len(text), _PIECE):
            self._held += text[at : at + _PIECE]
            said += self._work(final=False)
        return said

    def flush(self) -> str:
        """What is still held back: the text ended, or does not go on."""
        return self._work(final=True)

    def _work(self, *, final: bool) -> str:
        said: list[str] = []
        while self._held:
            step = self._step(final or len(self._held) > HELD)
            if step is None:
                break
            self._before = step.before or self._held[step.length - 1]
            self._held = self._held[step.length :]
            for char in step.said:
                if not char.isspace():
                    said += (self._gap or "", char)
                    self._gap = ""
                elif self._gap is not None:
                    self._gap = "\n" if "\n" in (char, self._gap) else " "
        return "".join(said)

    def _step(self, decide: bool) -> _Step | None:
        """What to do about the next characters. None: more have to come first, and `decide` is not demanded."""
        text, char = self._held, self._held[0]
        if self._in_target:
            self._in_target = char != ")" and not char.isspace()
            return _Step(1, char if char.isspace() else "")
        if self._before == "\n":
            if char in " \t":
                return _Step(1, "", before="\n")
            if (found := _FENCE.match(text) or _BULLET.match(text)) is not None:
                return _Step(found.end(), "", before="\n")  # more may follow: "> - item"
            if not decide and any(maybe.fullmatch(text) for maybe in (_MAYBE_FENCE, _MAYBE_BULLET)):
                return None
        if (run := _RUN.match(text)) is not None:
            if run.end() == len(text) and not decide:
                return None
            return _Step(run.end(), self._said_of_run(run.group(), text[run.end() : run.end() + 1]))
        if char == "]":
            return self._link(decide)
        if char in "[|":
            return _Step(1, " " if char == "|" else "")
        if char == "!" and len(text) == 1 and not decide:
            return None
        joins_emoji = char == _JOINER and _EMOJI.match(self._before)
        if joins_emoji or text.startswith("![") or _EMOJI.match(char) or _SILENT.match(char):
            return _Step(1, "")
        return _Step(1, char)

    def _said_of_run(self, run: str, after: str) -> str:
        """One mark, several times: emphasis, code, a line across the page, or what it says."""
        mark, length, before = run[0], len(run), self._before
        alone = before.isspace() and (not after or after.isspace())
        if mark in "-=":
            return run if length < 3 else " "
        if mark == "~":
            return run if length < 2 else ""
        if mark == "_":
            return run if before.isalnum() and after.isalnum() else " " * alone
        if mark == "*" and length == 1 and (alone or (before.isdigit() and after.isdigit())):
            return run  # times
        return " " * alone

    def _link(self, decide: bool) -> _Step | None:
        """Behind "]": the address of a link is not said."""
        text = self._held
        if len(text) == 1 and not decide:
            return None
        if text[1:2] != "(":
            return _Step(1, "")
        if _TARGET.match(text, 2):
            self._in_target = True
            return _Step(2, "")
        return None if not decide and _MAYBE_TARGET.fullmatch(text, 2) else _Step(1, " ")
