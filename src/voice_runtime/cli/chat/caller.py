"""A caller in a chat, who does what somebody types: the words of `simulate`, without those that are sound."""

from __future__ import annotations

import asyncio
from typing import assert_never

from voice_runtime.agent.floor_watch import FloorWatch
from voice_runtime.cli.chat.screen import ChatScreen
from voice_runtime.cli.simulate.keyboard import Keyboard
from voice_runtime.cli.simulate.typed import (
    HELP,
    INTERRUPT_AFTER,
    Command,
    HangUp,
    HearOut,
    Interrupt,
    Mumble,
    Note,
    Pause,
    PlayFile,
    Press,
    ShowHelp,
    Speak,
    understand,
)
from voice_runtime.errors import CallHangupError
from voice_runtime.transports.text_line import TextLine

__all__ = ["ChatCaller"]

_PATIENCE = 120.0
_LOOK_SECONDS = 0.02
_QUIET_SECONDS = 0.3
"""A handler that is no agent has said what it had to say when it is quiet for so long."""
_SILENT_SECONDS = 10.0
"""Or when it has said nothing for so long."""
_KEYS = frozenset("0123456789*#ABCD")
_PAUSES = {"w": 0.5, "W": 1.0}
_SHOWN_HELP = "\n".join(line for line in HELP.splitlines() if not line.startswith((":mumble", ":play")))


class ChatCaller:
    """`patient`: each line waits until it is the caller's turn, as what is in a pipe must; else it comes when it comes.

    `failures`: how many lines could not be done.
    """

    def __init__(self, line: TextLine, watch: FloorWatch, screen: ChatScreen, *, patient: bool, agent: bool) -> None:
        self._line = line
        self._watch = watch
        self._screen = screen
        self._patient = patient
        self._agent = agent
        self.failures = 0

    async def type(self, keyboard: Keyboard) -> None:
        """Until the end of the input, or of the call; then the phone is put down."""
        try:
            while (typed := await keyboard.line()) is not None:
                try:
                    command = understand(typed)
                    if isinstance(command, HangUp):
                        break
                    if command is not None:
                        await self._perform(command)
                except (ValueError, TimeoutError) as error:
                    self.failures += 1
                    self._screen.failed(f"{typed.strip()}: {error}")
            if self._patient:
                await self._hear_out()
        except CallHangupError:
            return
        finally:
            self._line.hang_up()

    async def _perform(self, command: Command) -> None:
        match command:
            case Speak(text):
                await self._turn()
                self._say(text)
            case Interrupt(text):
                await self._speaking()
                self._say(text)
            case Press(digits):
                await self._turn()
                await self._press(digits)
            case Pause(seconds):
                await self._turn()
                await asyncio.sleep(seconds)
            case Note(text):
                self._screen.noted(text)
            case HearOut():
                await self._hear_out()
            case ShowHelp():
                self._screen.say(_SHOWN_HELP)
            case Mumble() | PlayFile():
                raise ValueError("there is no sound in a chat; `voice-runtime simulate` has it")
            case HangUp():
                self._line.hang_up()
            case _:
                assert_never(command)

    def _say(self, text: str) -> None:
        self._screen.said(text)
        self._line.say(text)

    async def _press(self, digits: str) -> None:
        if wrong := set(digits) - _KEYS - set(_PAUSES):
            raise ValueError(f"a telephone has no key {min(wrong)!r}")
        for key in digits:
            if key in _PAUSES:
                await asyncio.sleep(_PAUSES[key])
            else:
                self._line.press(key)

    async def _turn(self) -> None:
        if self._patient:
            await self._hear_out()

    async def _speaking(self) -> None:
        """Wait until the agent has been heard for a moment, or at all, if it is done sooner."""
        if not await self._lasts(_PATIENCE, speaking=False):
            await self._lasts(INTERRUPT_AFTER, speaking=True)
            return
        raise TimeoutError(f"the agent said nothing within {_PATIENCE:g} s")

    async def _lasts(self, seconds: float, *, speaking: bool) -> bool:
        """Whether the agent goes on speaking, or being silent, for so long. Returns when it does not."""
        for _ in range(round(seconds / _LOOK_SECONDS)):
            if self._line.agent_speaks is not speaking:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _hear_out(self) -> None:
        if self._agent:
            await self._watch.until_settled(_PATIENCE)
            return
        quiet = waited = 0.0
        while quiet < (_QUIET_SECONDS if self._line.heard else _SILENT_SECONDS) and waited < _PATIENCE:
            await asyncio.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
            quiet = 0.0 if self._line.agent_speaks else quiet + _LOOK_SECONDS
