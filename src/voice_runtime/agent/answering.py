"""Having a turn answered: the agent in charge is asked, and what it gives goes where it belongs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from voice_runtime.agent.brain_turn import BrainTurn
from voice_runtime.agent.edits import edited
from voice_runtime.agent.hand_off import HandOff
from voice_runtime.agent.memory import Memory
from voice_runtime.agent.pauses import Pauses
from voice_runtime.agent.seat import Seat
from voice_runtime.agent.stopwatch import TurnWatch
from voice_runtime.agent.toolbox import Toolbox, TurnTools, recorded
from voice_runtime.events import ProviderRecovered, ProviderSwitched, TokensUsed
from voice_runtime.llm import History, Part, ToolItem, Turn, Usage
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import closing

__all__ = ["Answering"]

log = logging.getLogger(__name__)

LONGEST_ANSWER = 20_000
"""Characters: 20 minutes of speech. A model that repeats itself for ever is not read for ever."""


class Answering:
    """For one call, with whatever agent has it."""

    def __init__(
        self, seat: Seat, call: VoiceSession, history: History, memory: Memory, tools: Toolbox, measured: TurnWatch
    ) -> None:
        self._seat = seat
        self._call = call
        self._history = history
        self._memory = memory
        self._tools = tools
        self._measured = measured

    async def settled(self) -> None:
        """Wait for what came of earlier turns' tools."""
        await self._tools.settled()

    def toolset(self, turn: BrainTurn, hand_over: Callable[[], None]) -> TurnTools:
        """The tools of a turn."""
        return self._tools.turn(turn.hold, hand_over, turn.tool_used)

    async def answer(self, turn: BrainTurn) -> bool:
        """Have the turn answered. Whether another agent is to do so."""
        agent = self._seat.agent
        turn.asks = "user_turn"
        match await agent.user_turn(self._call, self.shown(turn)):
            case Turn() as given:
                turn.asks = "brain"
                async with closing(self._measured.timed(turn.number, agent.brain(given))) as parts:
                    await self.read(turn, edited(parts, partial(agent.edit, self._call)))
                if turn.last and not turn.worded:
                    turn.reply.feed(agent.phrases.goodbye)
                turn.reply.close()
                if not turn.reply.unfinished and not turn.reply.heard and not turn.toolset.silent:
                    raise ValueError("the brain said nothing")
            case HandOff() as hand_off:
                await turn.toolset.committed()
                if refused := self._seat.ask_for(hand_off):
                    raise RuntimeError(f"user_turn of {agent.name} hands off to {hand_off.to.name}: {refused}")
                return True
            case str(text):
                turn.reply.feed(text)
            case None:
                pass
            case other:  # the hook is the program's
                raise TypeError(f"it returns the turn, text, a HandOff or None, not {other!r}")
        return False

    def shown(self, turn: BrainTurn) -> Turn:
        """The turn, with what the agent in charge is shown of the history."""
        asked, key = turn.asked, turn.key
        instructions, before = self._memory.shown(asked.text, key)
        begun = tuple(item for at, item in self._seat.shown() if key and at > key and isinstance(item, ToolItem))
        return Turn(asked.text, asked.keys, before, instructions, turn.toolset, begun, context=self._seat.context)

    async def read(self, turn: BrainTurn, answer: AsyncIterator[Part]) -> None:
        """All of an answer, if it comes to an end."""
        said = 0
        async with closing(answer) as parts:
            with Pauses(self._call, turn.speak_up) as pauses:
                async for part in parts:
                    self._take(turn, part, pauses)
                    said += len(part) if isinstance(part, str) else 0
                    if said > LONGEST_ANSWER:
                        log.warning("call %s: an answer of %d characters is cut", self._call.call_sid, said)
                        return

    def _take(self, turn: BrainTurn, part: Part, pauses: Pauses) -> None:
        match part:
            case str():
                turn.feed(part)
                turn.queue_if_ready()
                pauses.fed()
            case ToolItem():
                self._record(turn, recorded(part))
            case Usage(input_tokens, output_tokens):
                used = TokensUsed(self._call.elapsed(), input_tokens, output_tokens)
                self._call.hub.publish(used)
            case ProviderSwitched() | ProviderRecovered():
                self._call.hub.publish(replace(part, at=self._call.elapsed()))
            case _:  # a brain is the program's: it may yield anything
                raise TypeError(f"a brain yields text, not {type(part).__name__}")

    def _record(self, turn: BrainTurn, item: ToolItem) -> None:
        if turn.key is None:
            turn.tools.append(item)
        else:
            self._history.add(item)
