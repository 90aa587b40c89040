"""Collecting keypad digits: when is a number complete?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DigitCollector", "Digits", "DigitsEnd"]


class DigitsEnd(StrEnum):
    """Why the collection ended."""

    COMPLETE = "complete"
    TERMINATOR = "terminator"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Digits:
    """What was keyed in, without the terminator, and why it ended. Empty `text` with TIMEOUT: nobody pressed a key."""

    text: str
    end: DigitsEnd

    def __bool__(self) -> bool:
        return bool(self.text)


class DigitCollector:
    """Takes keys and the time; `result` is set when the number is complete.

    `timeout`: seconds for the first key; `between`: seconds for each further one. Time is given, never read.
    """

    def __init__(
        self, *, max_digits: int | None, terminator: str, timeout: float, between: float, started: float
    ) -> None:
        if max_digits is not None and max_digits < 1:
            raise ValueError("max_digits must be 1 or more")
        self._max = max_digits
        self.terminator = terminator
        self._between = between
        self.keys = ""
        self.deadline = started + timeout
        self.result: Digits | None = None

    def press(self, key: str, now: float) -> Digits | None:
        """The caller pressed `key` at `now`."""
        if self.result is None:
            if key and key in self.terminator:
                self.result = Digits(self.keys, DigitsEnd.TERMINATOR)
            else:
                self.keys += key
                self.deadline = now + self._between
                if self._max is not None and len(self.keys) >= self._max:
                    self.result = Digits(self.keys, DigitsEnd.COMPLETE)
        return self.result

    def wakeup(self, now: float) -> Digits | None:
        """Time has passed."""
        if self.result is None and now >= self.deadline:
            self.result = Digits(self.keys, DigitsEnd.TIMEOUT)
        return self.result
