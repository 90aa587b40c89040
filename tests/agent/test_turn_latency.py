"""How long the caller waited, turn by turn: what the events of an agent's call say of it, against the caller's ear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent_world import Remembering, desk, says

from voice_runtime import VoiceSession
from voice_runtime.events import (
    AgentInterrupted,
    AgentTurnFinished,
    CallEnded,
    CallerTurnTaken,
    CallEvent,
    Stage,
    StateChanged,
    TurnMeasured,
    TurnOutcome,
)
from voice_runtime.llm import History, Part, Turn, Usage
from voice_runtime.mock import MockTts
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests


class Watched(Remembering):
    """Keeps the events of its calls."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.events: list[CallEvent] = []

    async def enter(self, call: VoiceSession) -> None:
        self.watching = asyncio.get_running_loop().create_task(self._watch(call))

    async def _watch(self, call: VoiceSession) -> None:
        async for event in call.events():
            self.events.append(event)

    async def exit(self, call: VoiceSession, history: History) -> None:
        await self.watching

    def turns(self) -> list[TurnMeasured]:
        return [event for event in self.events if isinstance(event, TurnMeasured)]


async def slow_brain(turn: Turn) -> AsyncIterator[Part]:
    await asyncio.sleep(0.3)
    yield "You said "
    await asyncio.sleep(0.2)
    yield f"{turn.text}. "
    yield Usage(120, 7)
    yield "What else?"


def milliseconds(turn: TurnMeasured) -> dict[Stage, float]:
    return {time.stage: time.ms for time in turn.stages}


async def one_question(line: Line) -> None:
    await line.hear_out()
    await says(line, "two pizzas")
    await line.hear_out()


def test_the_latency_is_what_the_ear_measures(phone: PhoneTests) -> None:
    """The stages divide the time between the caller's last sound and the agent's first, and each has its owner."""
    agent = Watched(slow_brain, greeting="Hello! What can I do for you?")
    record = phone.call(desk(agent), one_question)
    (turn,) = agent.turns()
    ms = milliseconds(turn)
    assert turn.outcome is TurnOutcome.COMPLETED and not turn.filler
    assert abs(ms[Stage.WAITING] - 500) < 5
    assert abs(ms[Stage.THINKING] - 300) < 5 and abs(ms[Stage.WRITING] - 200) < 5
    assert turn.latency_ms is not None
    assert abs(sum(ms.values()) - turn.latency_ms) < 0.01
    assert abs(turn.latency_ms - record.timeline.responses()[-1].latency_ms) < 120  # the recogniser has to be sure
    assert turn.brain is not None and (turn.brain.input_tokens, turn.brain.output_tokens) == (120, 7)
    assert turn.characters == len("You said two pizzas.") + len("What else?")


def test_what_was_said_is_told_as_it_happens(phone: PhoneTests) -> None:
    """The caller's turn, what was heard of the answer, and the measurement, in this order, before the call ends."""
    agent = Watched(slow_brain, greeting="Hello!")
    phone.call(desk(agent), one_question)
    told = [event for event in agent.events if isinstance(event, CallerTurnTaken | AgentTurnFinished | TurnMeasured)]
    greeted, taken, finished, measured = told
    assert isinstance(greeted, AgentTurnFinished) and (greeted.turn, greeted.heard_text) == (None, "Hello!")
    assert isinstance(taken, CallerTurnTaken) and (taken.turn, taken.text) == (1, "two pizzas")
    assert isinstance(finished, AgentTurnFinished) and isinstance(measured, TurnMeasured)
    assert (finished.turn, finished.heard_text) == (1, "You said two pizzas. What else?")
    assert not finished.interrupted and isinstance(agent.events[-1], CallEnded)


async def counts(turn: Turn) -> AsyncIterator[str]:
    yield "One is a number. Two is another number. Three comes after two. Four is the last of the numbers here."


def test_an_interruption_is_measured_from_the_onset_of_the_voice(phone: PhoneTests) -> None:
    """The agent falls silent; the event says how long after the caller began, and the turn was interrupted."""

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await says(line, "stop")
        await line.wait_until_agent_stops(quiet_ms=300)

    agent = Watched(counts)
    record = phone.call(desk(agent), caller)
    (interrupted,) = [event for event in agent.events if isinstance(event, AgentInterrupted)]
    assert agent.turns()[0].outcome is TurnOutcome.INTERRUPTED and agent.turns()[0].latency_ms is not None
    assert interrupted.latency_ms <= record.timeline.barge_ins()[0].latency_ms + 25


def test_a_failed_turn_is_measured_too(phone: PhoneTests) -> None:
    """The brain raises: the first sound is the apology, and the outcome says that the turn failed."""

    async def broken(turn: Turn) -> AsyncIterator[str]:
        await asyncio.sleep(0.1)
        raise RuntimeError("no model")
        yield ""

    agent = Watched(broken, greeting="Hello!")
    phone.call(desk(agent), one_question)
    (turn,) = agent.turns()
    assert turn.outcome is TurnOutcome.FAILED and turn.filler
    ms = milliseconds(turn)
    assert turn.latency_ms is not None and abs(ms[Stage.WRITING] - 100) < 5 and Stage.THINKING not in ms


def test_a_filler_is_the_first_sound_and_is_told_apart(phone: PhoneTests) -> None:
    """The caller hears "One moment" after two seconds: that is their latency, and the measurement says what it was."""

    async def slow(turn: Turn) -> AsyncIterator[str]:
        await asyncio.sleep(3.0)
        yield "Two pizzas, then."

    agent = Watched(slow, greeting="Hello!")
    phone.call(desk(agent), one_question)
    (turn,) = agent.turns()
    assert turn.filler and abs(milliseconds(turn)[Stage.WRITING] - 2000) < 100
    assert turn.outcome is TurnOutcome.COMPLETED
    assert turn.brain is not None and abs(turn.brain.ended_at - turn.brain.asked_at - 3.0) < 0.1


def test_a_call_that_ends_in_mid_answer_measures_its_last_turn(phone: PhoneTests) -> None:
    """The caller hangs up while the agent speaks: the turn is told before the end of the call is."""

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(0.5)

    agent = Watched(counts)
    phone.call(desk(agent), caller)
    (turn,) = agent.turns()
    assert turn.outcome is TurnOutcome.DISCONNECTED and turn.latency_ms is not None
    assert [type(event) for event in agent.events[-3:]] == [TurnMeasured, StateChanged, CallEnded]


def test_a_slow_voice_is_named(phone: PhoneTests) -> None:
    """Synthesis takes 400 ms to its first audio: that is the voice's, and nobody else's."""

    class SlowVoice(MockTts):
        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            await asyncio.sleep(0.4)
            async for chunk in super().synthesize(text):
                yield chunk

    agent = Watched(slow_brain, greeting="Hello!")
    phone.call(desk(agent, SlowVoice()), one_question)
    (turn,) = agent.turns()
    ms = milliseconds(turn)
    assert abs(ms[Stage.SYNTHESISING] - 400) < 5 and ms[Stage.QUEUEING] < 5 and ms[Stage.SENDING] < 25
