"""Who answers one call now: the agent that has it, and how another one takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from voice_runtime.agent.hand_off import HandOff
from voice_runtime.agent.mouth import Start
from voice_runtime.events import HandedOff
from voice_runtime.llm import AgentItem, HandOffItem, History, Item, UserItem
from voice_runtime.session import VoiceSession

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["Opening", "Seat"]

log = logging.getLogger(__name__)

HAND_OFFS_IN_A_TURN: Final = 3
"""Agents that hand a caller on more often than that send them round in circles."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is said when an agent has taken over: the messages of the hand-offs, then its greeting, if it has not said
    that on this call yet."""

    messages: tuple[str, ...]
    greeting: str


class Seat:
    """`taken(agent)` is called when another agent has the call, before its `enter`."""

    def __init__(
        self,
        agent: Agent[Any],
        call: VoiceSession,
        history: History,
        *,
        start: Start,
        taken: Callable[[Agent[Any]], None],
    ) -> None:
        self.agent = agent
        self.since = 0  # the key of the first item of the history that its brain is shown
        self._own: str | None = None  # instructions that hold instead of the agent's
        self._call = call
        self._history = history
        self._start = start
        self._taken = taken
        self._greeted: list[Agent[Any]] = []
        self._entered = False
        self._begun = asyncio.Event()
        self._wanted: HandOff | None = None
        self._count = 0  # of hand-offs in this turn
        self._changing: asyncio.Task[Opening] | None = None

    @property
    def begun(self) -> bool:
        """Whether the first agent has entered."""
        return self._begun.is_set()

    @property
    def context(self) -> Any:
        """The application's own, of this call."""
        return self._call.context

    @property
    def instructions(self) -> str:
        """Of the agent, unless others were given for this call."""
        return self.agent.instructions if self._own is None else self._own

    @instructions.setter
    def instructions(self, text: str) -> None:
        self._own = text

    def shown(self) -> list[tuple[int, Item]]:
        """What the agent's brain is shown of the history, with the keys."""
        items = self._history.items()
        return [(key, item) for key, item in items if key >= self.since and item != AgentItem("")]

    async def begin(self) -> Opening:
        """The call has begun."""
        onward = await self._enter()
        opening = await self._change(onward) if onward is not None else self._opening(())
        self._begun.set()
        return opening

    async def end(self) -> None:
        """The call has ended."""
        await self._leave()

    def new_turn(self) -> None:
        """The caller has said something else."""
        self._count = 0

    def ask_for(self, hand_off: HandOff) -> str:
        """Returns why not, in words for a model, or "": it will happen with the next `settled`."""
        if hand_off.to is self.agent:
            return "The call is yours already. Answer the caller."
        if self._count >= HAND_OFFS_IN_A_TURN or self._wanted is not None:
            log.error("call %s: hand-off to %s refused: one too many", self._call.call_sid, hand_off.to.name)
            return "The call was handed on too often. Answer the caller yourself."
        self._count += 1
        self._wanted = hand_off
        return ""

    async def settled(self) -> Opening | None:
        """Let the call begin, and a hand-off that was asked for happen, whole, even if nobody waits for the end of it.

        A caller may say something before the first `enter` is done: that is answered after it, and after the greeting.
        """
        await self._begun.wait()
        if self._wanted is None:
            return None
        if self._changing is None:
            self._changing = self._start("hand-off", self._change(self._wanted))
        return await asyncio.shield(self._changing)

    async def _change(self, hand_off: HandOff) -> Opening:
        messages: list[str] = []
        onward: HandOff | None = hand_off
        while onward is not None:
            messages.append(onward.message)
            await self._leave()
            self._take(onward)
            onward = await self._enter()
        self._wanted = self._changing = None
        return self._opening(tuple(messages))

    def _take(self, hand_off: HandOff) -> None:
        old, self.agent, self._own = self.agent, hand_off.to, None
        self.since = self._key_of_turn(hand_off.keep_history)
        self._history.add(HandOffItem(old.name, self.agent.name))
        self._call.hub.publish(HandedOff(self._call.elapsed(), old.name, self.agent.name))
        log.info("call %s: %s handed off to %s", self._call.call_sid, old.name, self.agent.name)
        self._taken(self.agent)

    def _key_of_turn(self, keep: bool | int) -> int:
        if keep is True:
            return 0
        turns = [key for key, item in self._history.items() if isinstance(item, UserItem)]
        return turns[max(len(turns) - 1 - keep, 0)] if turns else 0

    async def _enter(self) -> HandOff | None:
        self._entered = True
        onward = await self.agent.enter(self._call)
        if onward is None:
            return None
        self._count += 1
        if self._count > HAND_OFFS_IN_A_TURN:
            log.error("call %s: hand-off to %s refused: one too many", self._call.call_sid, onward.to.name)
            return None
        return onward

    async def _leave(self) -> None:
        if self._entered:
            self._entered = False
            await self.agent.exit(self._call, self._history)

    def _opening(self, messages: tuple[str, ...]) -> Opening:
        if self.agent in self._greeted:
            return Opening(messages, "")
        self._greeted.append(self.agent)
        return Opening(messages, self.agent.greeting)
