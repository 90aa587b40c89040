"""A question to the caller, from its prompt to its answer: what is said to what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from voice_runtime.agent.mouth import Start
from voice_runtime.agent.questions import Answer, Question, Refusal, Refused
from voice_runtime.agent.seat import Seat
from voice_runtime.llm import Part, Turn, UserItem
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import closing
from voice_runtime.turns import events as on
from voice_runtime.turns.answers import says_any, yes_or_no

__all__ = ["Asking", "Questions"]

T = TypeVar("T")


class Asking(Generic[T]):
    """One question. It is over when `result` is done."""

    def __init__(self, question: Question[T]) -> None:
        self.question = question
        self.result: asyncio.Future[T | Refused] = asyncio.get_running_loop().create_future()
        self._misses = 0
        self._unsure: Answer[T] | None = None  # the caller is asked whether it is right

    async def answer(self, turn: Turn) -> AsyncIterator[Part]:
        """What is said to what the caller says."""
        if says_any(turn.text, self.question.cancel):
            self.end(Refused(Refusal.CANCELLED, turn.text))
            return
        parts = self.question.converse(turn)
        if parts is None:
            yield self._hear(UserItem(turn.text, turn.keys))
            return
        async with closing(parts):
            async for part in parts:
                match part:
                    case Answer(value):
                        self.end(value)
                    case Refused():
                        self.end(part)
                    case _:
                        yield part
        if not self.result.done():
            self._misses += 1
            if self._misses >= self.question.attempts:
                self.end(Refused(Refusal.GAVE_UP, turn.text))

    def silence(self) -> str:
        """The caller says nothing: what is said to that."""
        return self._missed("")

    def end(self, result: T | Refused) -> None:
        """The first result counts."""
        if not self.result.done():
            self.result.set_result(result)

    def _hear(self, said: UserItem) -> str:
        if self._unsure is not None:
            right = said.keys[0] == "1" if said.keys[:1] in ("1", "2") else yes_or_no(said.text)
            if right:
                self.end(self._unsure.value)
                return ""
            if right is False:
                self._unsure = None
        value = self.question.read(said)
        if value is None:
            return self._missed(said.keys or said.text)
        if self.question.confirm is None:
            self.end(value)
            return ""
        self._unsure = Answer(value)
        return self.question.confirm(value)

    def _missed(self, said: str) -> str:
        self._misses += 1
        question = self.question
        if self._misses >= question.attempts:
            self.end(Refused(Refusal.GAVE_UP, said))
            return ""
        if self._unsure is not None and question.confirm is not None:
            return f"{question.again} {question.confirm(self._unsure.value)}"
        return f"{question.again} {question.prompt}"


class Questions:
    """The questions of one call: one at a time. `park(prompt)`: has the turn that is under way wait, if there is one,
    and the prompt said; `resume()`: lets it go on, if the caller's answer has not done so.
    """

    def __init__(
        self,
        seat: Seat,
        call: VoiceSession,
        *,
        tell: Callable[[on.Event], None],
        start: Start,
        park: Callable[[str], None],
        resume: Callable[[], None],
    ) -> None:
        self._seat = seat
        self._call = call
        self._tell = tell
        self._start = start
        self._park = park
        self._resume = resume
        self._one = asyncio.Lock()
        self._past = 0.0
        self._since: float | None = None
        self.current: Asking[object] | None = None

    @property
    def seconds(self) -> float:
        """For how long the caller has been asked on this call: time that is not a tool's."""
        since = self._since
        return self._past + (0.0 if since is None else asyncio.get_running_loop().time() - since)

    async def ask(self, question: Question[T]) -> T | Refused:
        """The caller's answer."""
        async with self._one:
            asking = Asking(question)
            self._since, self.current = asyncio.get_running_loop().time(), asking  # type: ignore[assignment]
            ended = self._start("asked", self._call.wait_ended())
            try:
                self._park(question.prompt)
                self._tell(on.PolicyChanged(question.policy(self._seat.agent.policy)))
                await asyncio.wait({asking.result, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
                self._past, self._since, self.current = self.seconds, None, None
                self._tell(on.PolicyChanged(self._seat.agent.policy))
                self._resume()
            asking.end(Refused(Refusal.HUNG_UP))
            return asking.result.result()
