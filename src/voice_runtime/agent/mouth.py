"""What an agent says on one call: the utterances that wait, the one that is said, and their places in the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from voice_runtime.agent.reply import Reply, Wanted
from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEvent, PlaybackOutcome, UtteranceAudible, UtteranceFinished
from voice_runtime.llm import AgentItem, History
from voice_runtime.session import VoiceSession
from voice_runtime.turns import events as on

__all__ = ["Mouth", "Start"]


class Start(Protocol):
    """Starts a task whose failure is noticed."""

    def __call__(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]: ...


class Mouth:
    """Does what the floor says with utterances, by their numbers. `on_spoken(reply, outcome)`: one is over."""

    def __init__(
        self,
        call: VoiceSession,
        history: History,
        *,
        tell: Callable[[on.Event], None],
        start: Start,
        on_spoken: Callable[[Reply, PlaybackOutcome], None],
    ) -> None:
        self._call = call
        self._history = history
        self._tell = tell
        self._start = start
        self._on_spoken = on_spoken
        self._replies: dict[int, Reply] = {}  # those that wait, and the one that is being said
        self._numbers = 0
        self._current = 0  # the number of what is being said, or is paused; 0: of nothing
        self._saying: asyncio.Task[None] | None = None
        self._finished: list[UtteranceFinished] = []  # by the session, since the utterance was begun
        self._silent = asyncio.Event()
        self._silent.set()
        self.closed = False
        """Whether the call is over."""

    @property
    def current(self) -> Reply | None:
        """What is being said, or is paused."""
        return self._replies.get(self._current)

    def queue(self, reply: Reply, turn: int | None, *, interruptible: bool = True) -> None:
        """Let the floor decide when it is said. After the call, it is not said, and whoever waits for it is told so."""
        if self.closed:
            reply.over(self._unsaid())
            return
        self._numbers += 1
        self._silent.clear()
        self._replies[self._numbers] = reply
        self._tell(on.UtteranceQueued(self._numbers, turn, interruptible))

    def happened(self, event: CallEvent) -> None:
        """What the session says of its utterances."""
        if isinstance(event, UtteranceFinished):
            self._finished.append(event)
        elif isinstance(event, UtteranceAudible) and self._current:
            self._tell(on.SpeechHeard(self._current))

    # -- what the floor says -------------------------------------------------------------------------------------------

    def start(self, number: int) -> None:
        reply, self._current = self._replies[number], number
        key = self._history.add(AgentItem("")) if reply.remembered else None  # its place is where it began
        self._saying = self._start(f"utterance-{number}", self._speak(number, reply, key, self._saying))

    def pause(self, number: int) -> None:
        self._replies[number].want(Wanted.PAUSE)
        self._call.interrupt()

    def begin_again_with(self, phrase: str) -> None:
        """Cut short what is being said: `phrase`, and then what of it was not heard."""
        if (reply := self.current) is not None:
            reply.begin_again_with(phrase)
            self._call.interrupt()

    def resume(self, number: int) -> None:
        self._replies[number].want(Wanted.SOUND)

    def stop(self, number: int) -> None:
        self._call.interrupt()
        self._current = 0
        self._replies[number].want(Wanted.SILENCE)

    def drop(self, number: int) -> None:
        self._forget(number)

    # -- waiting for it ------------------------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until a stopped utterance is accounted for: what was heard of it is in the history then."""
        if self._saying is not None and not self._current:
            await asyncio.wait({self._saying})

    def cut_short(self) -> None:
        """Say no more of what can be interrupted."""
        self._tell(on.InterruptRequested())

    async def silent(self, seconds: float) -> bool:
        """Wait until everything was said, for so long at most. Whether it was."""
        try:
            async with asyncio.timeout(seconds):
                await self._silent.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """The call is over: what is paused or waits is not said."""
        self.closed = True
        for number, reply in list(self._replies.items()):
            reply.want(Wanted.SILENCE)
            if number != self._current:
                self._forget(number)

    # -- saying it -----------------------------------------------------------------------------------------------------

    async def _speak(self, number: int, reply: Reply, key: int | None, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        outcome = None
        while await reply.begin():
            outcome = await self._speak_once(reply)
            if key is not None:
                self._history.replace(key, AgentItem(reply.heard, reply.unfinished))
            if not reply.goes_on:
                break
        if key is not None and not reply.heard:
            self._history.remove(key)
        if self._current == number:
            self._current = 0
        outcome = outcome or self._unsaid()
        if outcome is PlaybackOutcome.INTERRUPTED and reply.wanted is Wanted.SOUND and not reply.unfinished:
            outcome = PlaybackOutcome.PLAYED  # it was to go on, and nothing was left of it
        reply.over(outcome)
        self._on_spoken(reply, outcome)
        self._forget(number)  # only now: with nothing left to say, an ending call is hung up
        self._tell(on.UtteranceEnded(number))

    async def _speak_once(self, reply: Reply) -> PlaybackOutcome:
        self._finished.clear()
        try:
            await reply.utter(self._call)
        except CallHangupError:
            pass  # what was heard of it is told all the same
        if not self._finished:
            return PlaybackOutcome.DISCONNECTED  # before it could begin
        reply.account(self._finished[-1])
        return self._finished[-1].outcome

    def _unsaid(self) -> PlaybackOutcome:
        """What becomes of an utterance that never begins."""
        return PlaybackOutcome.DISCONNECTED if self._call.is_disconnected else PlaybackOutcome.INTERRUPTED

    def _forget(self, number: int) -> None:
        if (reply := self._replies.pop(number, None)) is not None:
            reply.want(Wanted.SILENCE)
            reply.over(self._unsaid())  # if it was said, that is known already
        if not self._replies:
            self._silent.set()
