"""Saying something on a call that is held by somebody else: what an agent offers to hooks, tools and programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Generator
from dataclasses import dataclass
from typing import Protocol

from voice_runtime.events import PlaybackOutcome

__all__ = ["Said", "SpeechHandle", "Talk"]


@dataclass(frozen=True, slots=True)
class Said:
    """What became of something that was to be said: `played` whole, `interrupted` (also before it began), `failed`
    (synthesis, or whatever made its text), `disconnected`, `timed_out`. `heard`: the words the caller heard of it."""

    outcome: PlaybackOutcome
    heard: str = ""

    @property
    def interrupted(self) -> bool:
        return self.outcome is PlaybackOutcome.INTERRUPTED

    @property
    def failed(self) -> bool:
        return self.outcome is PlaybackOutcome.FAILED


class SpeechHandle:
    """Something that is to be said: `await` it for what became of it. Nobody has to."""

    def __init__(self) -> None:
        self._said: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[object, None, Said]:
        return asyncio.shield(self._said).__await__()  # who waits may give up, and others wait on

    @property
    def done(self) -> bool:
        return self._said.done()

    def over(self, said: Said) -> None:
        """The first time counts."""
        if not self._said.done():
            self._said.set_result(said)


class Talk(Protocol):
    """The agent's side of a conversation. On the call's loop; each waits for its turn to speak, and returns at once."""

    @property
    def instructions(self) -> str:
        """What the agent's brain is told with every turn. Others may be set for this call: they hold from the next
        turn until it is handed off."""
        ...

    @instructions.setter
    def instructions(self, text: str) -> None: ...

    def say(
        self,
        text: str = "",
        *,
        audio: bytes | AsyncIterable[bytes] | None = None,
        history: bool = True,
        interruptible: bool = True,
    ) -> SpeechHandle:
        """Say `text`, or play `audio` (mu-law, 8 kHz), whose words `text` is. `history=False`: not remembered."""
        ...

    def reply(self, instruction: str, *, history: bool = True, interruptible: bool = True) -> SpeechHandle:
        """Have the agent's brain say what `instruction` asks for. Not a turn of the caller, nor remembered so."""
        ...
