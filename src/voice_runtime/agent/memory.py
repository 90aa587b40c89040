"""What the brain of one call is shown of its history: as much as the budget allows, and a summary of the rest."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from voice_runtime.agent.budget import Budget, left_out, tokens_of
from voice_runtime.agent.mouth import Start
from voice_runtime.agent.seat import Seat
from voice_runtime.llm import Brain, Item, Turn
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import closing

__all__ = ["Memory"]

log = logging.getLogger(__name__)

FULL = 0.8
"""From this part of the budget on, what is old is summed up."""
INSTRUCTION = (
    "Sum up the conversation so far in a few sentences, for somebody who goes on with it: who the caller is, what they"
    " want, what was found out, agreed and done. Names, numbers and dates exactly."
)


@dataclass(frozen=True, slots=True)
class _Summary:
    text: str
    since: int  # of the items that it is about, the key of the first
    until: int  # and the last


class Memory:
    """The history itself stays whole. No reply waits for a summary."""

    def __init__(self, seat: Seat, call: VoiceSession, start: Start) -> None:
        self._seat = seat
        self._call = call
        self._start = start
        self._summary: _Summary | None = None
        self._work: asyncio.Task[None] | None = None

    def shown(self, asked: str = "", before: int | None = None) -> tuple[str, tuple[Item, ...]]:
        """(instructions, items), for an answer to what was `asked`. `before`: only items whose key is less."""
        budget, instructions = self._seat.agent.budget, self._seat.instructions
        items = [(key, item) for key, item in self._seat.shown() if before is None or key < before]
        if budget is None:
            return instructions, tuple(item for _, item in items)
        if (summary := self._current()) is not None:
            items = [(key, item) for key, item in items if key > summary.until]
            instructions = f"{instructions}\n\nEarlier in this conversation: {summary.text}".strip()
        plain = [item for _, item in items]
        fixed = tokens_of(instructions + asked, budget)
        if budget.summarise is not None and (self._work is None or self._work.done()):
            old = left_out(plain, budget, budget.max_tokens * FULL - fixed)
            if old:
                work = self._sum_up(budget, budget.summarise, tuple(plain[:old]), items[old - 1][0])
                self._work = self._start("summary", work)
        return instructions, tuple(plain[left_out(plain, budget, budget.max_tokens - fixed) :])

    def _current(self) -> _Summary | None:
        summary = self._summary  # none of what this agent is not to be shown
        return summary if summary is not None and summary.since == self._seat.since else None

    async def _sum_up(self, budget: Budget, brain: Brain, old: tuple[Item, ...], until: int) -> None:
        since, before = self._seat.since, self._current()
        told = f"Earlier in this conversation: {before.text}" if before is not None else ""
        turn = Turn("", history=old, instructions=told, instruction=INSTRUCTION, context=self._seat.context)
        try:
            async with asyncio.timeout(budget.timeout), closing(brain(turn)) as parts:
                text = "".join([part async for part in parts if isinstance(part, str)]).strip()
            if not text:
                raise ValueError("the brain said nothing")
        except Exception as error:  # the application's own brain: without a summary, the oldest turns are left out
            log.error("call %s: the conversation could not be summed up", self._call.call_sid, exc_info=error)
        else:
            self._summary = _Summary(text, since, until)
