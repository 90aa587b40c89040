"""Questions with a typed answer, which hooks and tools ask the caller: `await ask(call, DigitCode("Your number?"))`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final, Generic, TypeVar

from voice_runtime.llm import Part, Turn, UserItem
from voice_runtime.turns.answers import choice_in, date_in, digits_in, yes_or_no
from voice_runtime.turns.policy import FloorPolicy, KeyUse

__all__ = ["Answer", "Choice", "Date", "DigitCode", "Question", "Refusal", "Refused", "YesNo"]

T = TypeVar("T")

CANCEL: Final = ("cancel", "never mind", "nevermind", "forget it", "go back")


class Refusal(StrEnum):
    """Why there is no answer."""

    GAVE_UP = "gave_up"
    """The caller said nothing that fits, so often."""
    CANCELLED = "cancelled"
    """The caller does not want to answer."""
    HUNG_UP = "hung_up"
    """The call ended."""


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no answer. `said`: the caller's last words or keys. False in a condition."""

    why: Refusal
    said: str = ""

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the caller answered."""

    value: T


@dataclass(frozen=True)
class Question(Generic[T]):
    """`prompt` is said first, `again` and the prompt after an answer that does not fit, or `timeout` seconds of
    nothing; `attempts` times in all. With `confirm`, which makes a sentence of an answer, the caller is asked whether
    it is right. Who says one of `cancel` is asked no more.
    """

    prompt: str
    _: KW_ONLY
    again: str = "Sorry, I did not get that."
    attempts: int = 3
    timeout: float = 8.0
    confirm: Callable[[T], str] | None = None
    cancel: tuple[str, ...] = CANCEL

    def read(self, said: UserItem) -> T | None:
        """The answer, if this is one."""
        raise NotImplementedError

    def converse(self, turn: Turn) -> AsyncIterator[Part | Answer[T] | Refused] | None:
        """For a question that has a brain of its own: what that says, and the answer when there is one."""
        return None

    def policy(self, rules: FloorPolicy) -> FloorPolicy:
        """The rules of turn-taking while it is asked."""
        silence = (self.timeout,) * (self.attempts + 3)  # it gives up before the floor does
        return replace(rules, silence=silence, keys=KeyUse.TURN, preemptive=False)


@dataclass(frozen=True, kw_only=True)
class DigitCode(Question[str]):
    """Keyed in, or spoken one by one: `length` of them, or as many as there are, with `#` behind the last key."""

    length: int | None = None

    def read(self, said: UserItem) -> str | None:
        found = said.keys.replace("#", "").replace("*", "") or digits_in(said.text)
        fits = len(found) == self.length if self.length is not None else bool(found)
        return found if fits else None

    def policy(self, rules: FloorPolicy) -> FloorPolicy:
        wait = max(rules.min_wait, 1.0)  # people pause between groups of them
        return replace(super().policy(rules), max_keys=self.length, min_wait=wait, max_wait=max(rules.max_wait, wait))


@dataclass(frozen=True, kw_only=True)
class YesNo(Question[bool]):
    """Words, or the keys 1 (yes) and 2 (no)."""

    def read(self, said: UserItem) -> bool | None:
        return said.keys[0] == "1" if said.keys[:1] in ("1", "2") else yes_or_no(said.text)


@dataclass(frozen=True, kw_only=True)
class Date(Question[date]):
    """A day, as one says it: "tomorrow", "next Friday", "the third of March". `today` is the caller's; without a year
    it is the next such day after it, with `past` the last one."""

    today: date
    past: bool = False

    def read(self, said: UserItem) -> date | None:
        return date_in(said.text, self.today, past=self.past)


@dataclass(frozen=True, kw_only=True)
class Choice(Question[T]):
    """One of `options`: what the caller may say, and what that means. Their numbers are the keys, and may be said."""

    options: Mapping[str, T]

    def read(self, said: UserItem) -> T | None:
        chosen: Sequence[T] = list(self.options.values())
        if said.keys:
            at = int(said.keys[0]) - 1 if said.keys[0].isdecimal() else -1
            return chosen[at] if 0 <= at < len(chosen) else None
        found = choice_in(said.text, list(self.options))
        return None if found is None else chosen[found]
