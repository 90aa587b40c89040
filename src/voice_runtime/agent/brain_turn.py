"""One turn that a brain answers: what was asked, the answer as far as it exists, and who works on it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from voice_runtime.agent.mouth import Mouth
from voice_runtime.agent.reply import Reply
from voice_runtime.agent.toolbox import TurnTools
from voice_runtime.llm import ToolItem, UserItem

__all__ = ["NO_TURN", "BrainTurn"]

NO_TURN = 0
"""The floor counts from 1: an answer that comes when the caller has the floor is the agent's own accord."""


@dataclass(eq=False)
class BrainTurn:
    """A turn that is begun. `key`: in the history, once it is committed."""

    number: int
    asked: UserItem
    reply: Reply
    fillers: deque[str]
    mouth: Mouth
    toolset: TurnTools = field(init=False)
    work: asyncio.Task[None] | None = None
    key: int | None = None
    tools: list[ToolItem] = field(default_factory=list)  # used before that
    queued: bool = False
    worded: bool = False  # the brain has said something
    last: bool = False  # with this answer, the call ends
    asks: str = "brain"  # whom, for the report of a failure
    over: bool = False
    stopped: bool = False
    held: list[str] | None = None  # what its brain says while the caller is asked something

    def feed(self, text: str) -> None:
        """More of the answer."""
        self.worded = self.worded or bool(text.strip())
        if self.held is None:
            self.reply.feed(text)
        else:
            self.held.append(text)

    def queue_if_ready(self) -> None:
        """Let the answer be said, as soon as there is something of it."""
        if self.reply.ready and not self.queued and self.held is None:
            self.queued = True
            self.mouth.queue(self.reply, self.number if self.number != NO_TURN else None)

    def hold(self, line: str) -> None:
        """Say this while the caller waits."""
        if not self.over and not self.stopped:
            self.reply.interject(line)
            self.queue_if_ready()

    def tool_used(self) -> None:
        """What is said before it is a whole sentence, and heard while the tool runs."""
        self.reply.end_sentence()
        if not self.stopped:
            self.queue_if_ready()

    def speak_up(self) -> None:
        """The brain pauses in the middle of a sentence."""
        self.reply.speak_up()
        self.queue_if_ready()

    def stop(self) -> None:
        """Nobody is to work on it any more."""
        self.stopped = True
        self.toolset.end()
        if self.work is not None:
            self.work.cancel()
