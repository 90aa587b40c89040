"""A caller who does what somebody types: text is said, a colon begins everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from voice_runtime.cli.simulate.keyboard import Keyboard
from voice_runtime.errors import AudioFormatError
from voice_runtime.simulator import Line
from voice_runtime.simulator.person import Voice

__all__ = [
    "HELP",
    "INTERRUPT_AFTER",
    "Command",
    "HangUp",
    "HearOut",
    "Interrupt",
    "Mumble",
    "Note",
    "Pause",
    "PlayFile",
    "Press",
    "ShowHelp",
    "Speak",
    "TypedCaller",
    "understand",
]

HELP = """text              say it
:hear             wait until the agent has said something and stopped
:press 123#       press keys; w and W are pauses of 0.5 and 1 s
:pause 2          be silent for so many seconds
:mumble 1         say something that nobody can understand, for so many seconds
:interrupt text   wait until the agent speaks, and talk over it after 0.8 s
:play file.wav    say what is in a file
:note text        leave a note in the transcript
:hangup           hang up; so do Ctrl-D and Ctrl-C
:help             this"""

INTERRUPT_AFTER = 0.8


@dataclass(frozen=True, slots=True)
class Speak:
    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    text: str


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Mumble:
    seconds: float


@dataclass(frozen=True, slots=True)
class PlayFile:
    path: str


@dataclass(frozen=True, slots=True)
class Note:
    text: str


@dataclass(frozen=True, slots=True)
class HearOut:
    pass


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


@dataclass(frozen=True, slots=True)
class ShowHelp:
    pass


Command: TypeAlias = Speak | Interrupt | Press | Pause | Mumble | PlayFile | Note | HearOut | HangUp | ShowHelp

_WITH_TEXT: dict[str, Callable[[str], Command]] = {
    ":interrupt": Interrupt,
    ":press": Press,
    ":play": PlayFile,
    ":note": Note,
}
_WITH_SECONDS: dict[str, Callable[[float], Command]] = {":pause": Pause, ":mumble": Mumble}
_ALONE: dict[str, Callable[[], Command]] = {":hear": HearOut, ":hangup": HangUp, ":help": ShowHelp}


def understand(typed: str) -> Command | None:
    """What a line says; None when it says nothing. Raises ValueError with a sentence that says what is wrong."""
    typed = typed.strip()
    if not typed.startswith(":"):
        return Speak(typed) if typed else None
    name, _, rest = typed.partition(" ")
    rest = rest.strip()
    if name in _ALONE:
        if rest:
            raise ValueError(f"{name} stands alone")
        return _ALONE[name]()
    if name not in _WITH_TEXT and name not in _WITH_SECONDS:
        raise ValueError(f"there is no {name}; :help shows what there is")
    if not rest:
        raise ValueError(f"{name} what?")
    return _WITH_TEXT[name](rest) if name in _WITH_TEXT else _WITH_SECONDS[name](_seconds(name, rest))


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 600:
        raise ValueError(f"{name} takes seconds, up to 600, and not {text!r}")
    return seconds


class TypedCaller:
    """A script. What cannot be done is told, and the call goes on."""

    def __init__(self, keyboard: Keyboard, voice: Voice, tell: Callable[[str], None], fail: Callable[[str], None]):
        self._keyboard = keyboard
        self._voice = voice
        self._tell = tell
        self._fail = fail

    async def __call__(self, line: Line) -> None:
        while (typed := await self._keyboard.line()) is not None:
            try:
                command = understand(typed)
                if isinstance(command, HangUp):
                    return
                if command is not None:
                    await self._perform(command, line)
            except (ValueError, AudioFormatError, TimeoutError) as error:
                self._fail(f"{typed.strip()}: {error}")
            except OSError as error:
                self._fail(f"{typed.strip()}: {error.strerror or error}")

    async def _perform(self, command: Command, line: Line) -> None:
        match command:
            case Speak(text):
                await line.say(await self._spoken(text), text)
            case Interrupt(text):
                await line.interrupt_after(INTERRUPT_AFTER, await self._spoken(text), text)
            case Press(digits):
                line.press(digits)
                await line.wait_until_keys_pressed()
            case Pause(seconds):
                await line.pause(seconds)
            case Mumble(seconds):
                await line.mumble(seconds)
            case PlayFile(path):
                await line.play(path, path)
            case Note(text):
                line.note(text)
            case HearOut():
                await line.hear_out()
            case ShowHelp():
                self._tell(HELP)
            case HangUp():
                line.hang_up()
            case _:
                assert_never(command)

    async def _spoken(self, text: str) -> bytes:
        """In a thread: a voice may take its time, and the line goes on."""
        return await asyncio.to_thread(self._voice, text)
