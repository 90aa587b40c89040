"""A telephone menu: says what there is, and understands keys and words of whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import DtmfReader
from voice_runtime.simulator.hearing import Hearing, plain_words
from voice_runtime.simulator.person import Line, Voice
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.script import Script

__all__ = ["Menu", "ivr"]

_KEYS: Final = frozenset("0123456789*#ABCD")
_BREATH: Final = 0.4
_GOODBYE: Final = "Goodbye."


@dataclass(frozen=True, slots=True)
class Menu:
    """Says `says` and waits `timeout` seconds for a choice: keys ("1") or words ("sales").

    A choice is the next menu, words to say before hanging up, or the script of whoever answers then.
    """

    says: str
    choices: Mapping[str, Menu | Script | str] = field(default_factory=dict)
    timeout: float = 5.0


_Choice: TypeAlias = Menu | Script | str


class _Ear:
    """Keys that are heard, and wait until a menu wants them."""

    def __init__(self, line: Line) -> None:
        self._heard = line.ear
        self._examined = len(line.ear)
        self._reader = DtmfReader()
        self._waiting = ""

    def keys(self, menu: Menu) -> str:
        """The keys of a choice, or the first key that begins none, or "" as yet. What is returned is used up."""
        self._waiting += self._reader.feed(bytes(self._heard[self._examined :]))
        self._examined = len(self._heard)
        choices = [choice for choice in menu.choices if not _is_words(choice)]
        for choice in choices:
            if self._waiting.startswith(choice):
                self._waiting = self._waiting[len(choice) :]
                return choice
        if not self._waiting or any(choice.startswith(self._waiting) for choice in choices):
            return ""
        wrong, self._waiting = self._waiting[0], self._waiting[1:]
        return wrong

    def forget(self) -> None:
        """The keys of a choice that was not completed."""
        self._waiting = ""


def _is_words(choice: str) -> bool:
    return bool(set(choice) - _KEYS)


def ivr(menu: Menu, *, repeats: int = 2, rings: float = 1.0, voice: Voice = spell) -> Phone:
    """Answers with `menu`. A key, or a word that is a choice, cuts its prompt short.

    Without a choice in time, or with a key that is none, a menu is said again, `repeats` times; then it hangs up. Keys
    are heard in the sound of the call, as `send_digits` plays them; those that come early count for the next menu.
    """

    async def machine(line: Line) -> None:
        await line.pause(_BREATH)
        ear = _Ear(line)
        chosen: _Choice | None = menu
        while isinstance(chosen, Menu):
            chosen = await _choose(line, chosen, ear, repeats)
        if chosen is None or isinstance(chosen, str):
            await line.say(_GOODBYE if chosen is None else chosen)
        else:
            await chosen(line)

    return Phone(machine, rings, voice=voice)


async def _choose(line: Line, menu: Menu, ear: _Ear, repeats: int) -> _Choice | None:
    hearing = Hearing(line.ear, len(line.ear))
    for _ in range(1 + repeats):
        name = await _answer(line, menu, ear, hearing)
        if name in menu.choices:
            line.note(f"menu: {name}")
            return menu.choices[name]
        line.note(f"menu: no choice {name}" if name else "menu: nothing chosen")
    return None


async def _answer(line: Line, menu: Menu, ear: _Ear, hearing: Hearing) -> str:
    """What was chosen: a choice, keys that are none, or "" after the time-out."""
    found = ""

    def chosen() -> bool:
        nonlocal found
        found = ear.keys(menu) or next((c for c in menu.choices if _is_words(c) and hearing.take(plain_words(c))), "")
        return bool(found)

    said = line.begin_to_say(menu.says)
    await line.until(lambda: chosen() or said())
    if found:
        line.fall_silent()
        return found
    try:
        await line.until(chosen, menu.timeout)
    except TimeoutError:
        ear.forget()
        return ""
    return found
