"""What hooks, tools and programs have an agent say on a call that it holds: text, ready audio, generated lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable
from functools import partial
from typing import TypeVar

from voice_runtime.agent.asking import Questions
from voice_runtime.agent.clip import Clip
from voice_runtime.agent.edits import edited
from voice_runtime.agent.memory import Memory
from voice_runtime.agent.mouth import Mouth, Start
from voice_runtime.agent.questions import Question, Refused
from voice_runtime.agent.reply import Reply, reply_of
from voice_runtime.agent.seat import Seat
from voice_runtime.events import PlaybackOutcome
from voice_runtime.llm import History, ToolItem, Turn
from voice_runtime.session import VoiceSession
from voice_runtime.talk import Said, SpeechHandle
from voice_runtime.tasks import closing

__all__ = ["AgentTalk", "ask"]

T = TypeVar("T")

log = logging.getLogger(__name__)

GENERATE_SECONDS = 20.0
"""How long a brain may take for a line that was asked for."""


class AgentTalk:
    """`Talk` over the mouth of one conversation."""

    def __init__(
        self,
        call: VoiceSession,
        seat: Seat,
        memory: Memory,
        history: History,
        mouth: Mouth,
        questions: Questions,
        start: Start,
    ) -> None:
        self._call = call
        self.questions = questions
        self._seat = seat
        self._memory = memory
        self._history = history
        self._mouth = mouth
        self._start = start

    @property
    def instructions(self) -> str:
        """See `Talk`."""
        return self._seat.instructions

    @instructions.setter
    def instructions(self, text: str) -> None:
        self._seat.instructions = text

    def say(
        self,
        text: str = "",
        *,
        audio: bytes | AsyncIterable[bytes] | None = None,
        history: bool = True,
        interruptible: bool = True,
    ) -> SpeechHandle:
        """See `Talk`."""
        if audio is None:
            line = reply_of(self._seat.agent)
            line.interject(text)
            line.close()
        else:
            line = Clip(audio, text)
        line.remembered = history
        if line.ready:
            self._mouth.queue(line, None, interruptible=interruptible)
        else:
            line.handle.over(Said(PlaybackOutcome.PLAYED))  # nothing to say was said
        return line.handle

    def reply(self, instruction: str, *, history: bool = True, interruptible: bool = True) -> SpeechHandle:
        """See `Talk`."""
        line = reply_of(self._seat.agent)
        line.remembered = history
        if self._mouth.closed:
            self._mouth.queue(line, None)  # it is not said, and no brain is asked
        else:
            self._start("reply", self._generate(line, instruction, interruptible))
        return line.handle

    async def _generate(self, line: Reply, instruction: str, interruptible: bool) -> None:
        queued = False
        try:
            async with asyncio.timeout(GENERATE_SECONDS):
                await self._mouth.settled()
                instructions, said = self._memory.shown()
                turn = Turn(
                    "",
                    history=said,
                    instructions=instructions,
                    instruction=instruction,
                    context=self._seat.context,
                )
                agent = self._seat.agent
                async with closing(agent.brain(turn)) as parts:
                    async for part in edited(parts, partial(agent.edit, self._call)):
                        if isinstance(part, ToolItem):
                            self._history.add(part)
                        elif isinstance(part, str):
                            line.feed(part)
                            queued = self._queue(line, queued, interruptible)
                line.close()
        except Exception as error:  # whatever a brain raises: the line is said as far as it is whole, and has failed
            log.error("a line that was asked for could not be made", exc_info=error)
            line.give_up()
        finally:
            if not self._queue(line, queued, interruptible):
                line.handle.over(Said(PlaybackOutcome.FAILED))

    def _queue(self, line: Reply, queued: bool, interruptible: bool) -> bool:
        if line.ready and not queued:
            self._mouth.queue(line, None, interruptible=interruptible)
            return True
        return queued


async def ask(call: VoiceSession, question: Question[T]) -> T | Refused:
    """Ask the caller, from a hook or a tool: their words are the answer to this, and no turn of the brain's.

    Raises `RuntimeError` when no agent holds the call.
    """
    if not isinstance(call.talk, AgentTalk):
        raise RuntimeError("no agent holds this call, so nobody can ask")
    return await call.talk.questions.ask(question)
