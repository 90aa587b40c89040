"""What the brain does on one call, turn by turn: it is asked, answers, is late, fails, or is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from voice_runtime.agent.answering import Answering
from voice_runtime.agent.asking import Asking
from voice_runtime.agent.brain_turn import NO_TURN, BrainTurn
from voice_runtime.agent.mouth import Mouth, Start
from voice_runtime.agent.reply import Reply, Wanted, reply_of
from voice_runtime.agent.seat import Seat
from voice_runtime.errors import ProviderError
from voice_runtime.events import PlaybackOutcome
from voice_runtime.llm import History, UserItem
from voice_runtime.session import VoiceSession
from voice_runtime.turns import events as on
from voice_runtime.turns.verbalise import language_for, verbalise

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["Thinking"]

_SAID = (PlaybackOutcome.PLAYED, PlaybackOutcome.TIMED_OUT)  # all of it, and the carrier may have lost the proof

log = logging.getLogger(__name__)


class Thinking:
    """The last turn that was begun. `failed(why)` counts a failure, and says whether it was one too many."""

    def __init__(
        self,
        seat: Seat,
        call: VoiceSession,
        history: History,
        mouth: Mouth,
        answering: Answering,
        *,
        tell: Callable[[on.Event], None],
        start: Start,
        failed: Callable[[str], bool],
    ) -> None:
        self._seat = seat
        self._call = call
        self._history = history
        self._mouth = mouth
        self._answering = answering
        self._tell = tell
        self._start = start
        self._failed = failed
        self._turn: BrainTurn | None = None
        self._parked: BrainTurn | None = None  # it waits for the caller's answer to a question

    @property
    def _agent(self) -> Agent[Any]:
        return self._seat.agent

    @property
    def reply(self) -> Reply | None:
        """The answer to the last turn."""
        return self._turn.reply if self._turn is not None else None

    # -- what the floor says -------------------------------------------------------------------------------------------

    def begin(self, number: int, asked: UserItem, asking: Asking[object] | None, *, wanted: bool) -> None:
        """A turn, perhaps. Nobody is asked about one that is not `wanted`, since the call is about to end. `asking`: it
        is the answer to that."""
        if self._turn is not None and self._turn.number == NO_TURN and not self._turn.over:
            self.cancel()  # nobody else does so
        self._seat.new_turn()
        self._turn = turn = BrainTurn(
            number, asked, reply_of(self._agent), deque(self._agent.phrases.fillers), self._mouth
        )
        turn.toolset = self._answering.toolset(turn, partial(self._hand_over, turn))
        if wanted:
            work = self._think(turn) if asking is None else self._converse(turn, asking)
            turn.work = self._start(f"turn-{number}", work)

    def commit(self, *, wanted: bool) -> None:
        """It is one."""
        turn = self._turn
        assert turn is not None, "the floor commits what it has begun"
        turn.key = self._history.add(turn.asked)
        turn.toolset.commit()
        for tool in turn.tools:
            self._history.add(tool)
        if not wanted:
            self.cancel()
            turn.over = True
        if turn.over:
            self._tell(on.ThinkingEnded(turn.number))

    def cancel(self) -> None:
        """Nobody wants the answer, or the rest of it."""
        if self._turn is not None:
            self._turn.reply.cancel()
            self._turn.stop()

    def correct(self, number: int, text: str) -> None:
        """The caller said this instead."""
        turn = self._turn
        if turn is not None and turn.number == number and turn.key is not None:
            self._history.replace(turn.key, UserItem(text, turn.asked.keys))

    def make_last(self) -> None:
        """The call is to end when the answer to this turn has been heard."""
        if self._turn is not None:
            self._turn.last = True

    def ends_call(self, reply: Reply, outcome: PlaybackOutcome) -> bool:
        """An utterance is over. Whether it was such an answer, whole."""
        turn = self._turn
        return turn is not None and turn.reply is reply and turn.last and outcome in _SAID and reply.complete

    # -- what becomes of the answer ------------------------------------------------------------------------------------

    def spoken(self, reply: Reply, outcome: PlaybackOutcome) -> bool:
        """An utterance is over. Whether it was the whole answer to this turn."""
        turn = self._turn
        if turn is None or turn.reply is not reply:
            return False
        if outcome in _SAID and reply.complete:
            return True
        if not turn.over and reply.wanted is Wanted.SOUND:  # cut by somebody else than the floor
            self.cancel()
            self._over(turn)
        return False

    def late(self) -> None:
        """The caller has waited for text for as long as anybody's patience lasts: a filler, or the end of the turn."""
        turn = self._turn
        assert turn is not None, "only a brain's text is awaited"
        if turn.fillers:
            turn.hold(turn.fillers.popleft())
        elif turn.toolset.busy and self._agent.phrases.fillers:  # which has a time limit of its own
            turn.hold(self._agent.phrases.fillers[-1])
        else:
            turn.stop()
            self._give_up(turn, "brain: no answer in time")

    def filler(self, reply: Reply, ready: Callable[[str], bool]) -> str:
        """The next filler, if that is the answer and the filler can be said at once; else nothing."""
        turn = self._turn
        if turn is None or turn.reply is not reply or not turn.fillers:
            return ""
        spoken = verbalise(turn.fillers[0].strip(), language_for(self._agent.language), self._agent.pronunciations)
        return turn.fillers.popleft() if ready(spoken.text) else ""

    # -- while the caller is asked something ---------------------------------------------------------------------------

    def park(self, prompt: str) -> bool:
        """Have the turn that is under way wait, and say this for now. Whether there is one."""
        turn = self._turn
        if turn is None or turn.over or turn.key is None:
            return False
        turn.reply.hand_over(self._agent)  # what its brain has said up to now is said before
        turn.reply.interject(prompt)
        turn.reply.close()
        turn.queue_if_ready()
        turn.held, turn.over, self._parked = [], True, turn
        self._tell(on.ThinkingEnded(turn.number))
        return True

    def resume(self, into: BrainTurn | None = None) -> None:
        """Let the turn that waits go on, as the answer to this one; without one, of its own accord."""
        turn, self._parked = self._parked, None
        if turn is None:
            return
        held, turn.held = turn.held, None
        if into is None:
            turn.number, turn.key, turn.reply, turn.queued = NO_TURN, None, reply_of(self._agent), False
        else:
            into.toolset.end()
            turn.number, turn.asked, turn.key = into.number, into.asked, into.key
            turn.reply, turn.queued = into.reply, into.queued
        self._turn, turn.over = turn, False
        for text in held or ():
            turn.feed(text)
        if turn.work is None or turn.work.done():
            turn.reply.close()
            self._over(turn)
        turn.queue_if_ready()

    async def _converse(self, turn: BrainTurn, asking: Asking[object]) -> None:
        """The turn is the answer to a question."""
        try:
            await self._mouth.settled()
            await turn.toolset.committed()
            await self._answering.read(turn, asking.answer(self._answering.shown(turn)))
        except Exception as error:  # of a question with a brain, whatever that raises
            log.error("call %s: asking the caller failed", self._call.call_sid, exc_info=error)
            self._give_up(turn, f"brain: {error!r}")
            return
        if asking.result.done() and self._parked is not None:
            self.resume(turn)
        else:
            turn.reply.close()
            turn.queue_if_ready()
            self._over(turn)

    # -- asking the brain ----------------------------------------------------------------------------------------------

    def _hand_over(self, turn: BrainTurn) -> None:
        """A tool of this turn has handed the call off: another brain answers."""
        before = turn.work
        assert before is not None, "somebody called that tool"
        turn.work = self._start(f"turn-{turn.number}", self._think(turn, before))
        before.cancel()

    async def _think(self, turn: BrainTurn, before: asyncio.Task[None] | None = None) -> None:
        """`before`: whoever thought about it until now."""
        if before is not None:
            await asyncio.wait({before})
        await self._mouth.settled()  # what was heard of a stopped answer is to be in the history,
        await self._answering.settled()  # and what came of tools that had to finish
        answered = await self._taken_over(turn)
        try:
            while not answered and await self._answering.answer(turn):
                answered = await self._taken_over(turn)
        except Exception as error:  # whatever a brain raises: the caller hears an apology, and the call goes on
            await turn.toolset.committed()  # what fails in a turn that turns out to be none has not failed
            log.error("call %s: the brain failed", self._call.call_sid, exc_info=error)
            self._give_up(turn, f"brain {error}" if isinstance(error, ProviderError) else f"{turn.asks}: {error!r}")
        else:
            if turn.held is None:  # else it is over when the caller has answered
                turn.reply.close()
                turn.queue_if_ready()
                self._over(turn)

    async def _taken_over(self, turn: BrainTurn) -> bool:
        """Let a hand-off happen, if one was asked for. Whether its greeting is the answer to this turn."""
        opening = await self._seat.settled()
        if opening is None:
            return False
        turn.toolset.end()
        turn.toolset = self._answering.toolset(turn, partial(self._hand_over, turn))
        if turn.key is not None:
            turn.toolset.commit()
        turn.fillers = deque(self._agent.phrases.fillers)
        turn.reply.hand_over(self._agent)
        for phrase in (*opening.messages, opening.greeting):
            turn.reply.interject(phrase)
        turn.queue_if_ready()
        return bool(opening.greeting)

    def _over(self, turn: BrainTurn) -> None:
        turn.over = True
        turn.toolset.end()
        self._tell(on.ThinkingEnded(turn.number))

    def _give_up(self, turn: BrainTurn, why: str) -> None:
        last = self._failed(why)
        turn.reply.give_up("" if last else self._agent.phrases.apology)
        turn.queue_if_ready()
        self._over(turn)
