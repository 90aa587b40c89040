"""The states of a conversation, as a program sees them on the session."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.audio.spelling import spell
from voice_runtime.events import CallEnded, CallEvent, ConversationState, StateChanged
from voice_runtime.llm import Turn
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests


class Watched(Remembering):
    """Keeps the events of its last call."""

    async def enter(self, call: VoiceSession) -> None:
        self.events: list[CallEvent] = []
        call.on_event(self.events.append)

    @property
    def states(self) -> list[str]:
        return [event.state.value for event in self.events if isinstance(event, StateChanged)]


async def counts(turn: Turn) -> AsyncIterator[str]:
    yield "One is a number. Two is another number. Three comes after two."


def test_the_states_of_a_conversation_that_is_interrupted(phone: PhoneTests) -> None:
    """Every state in its order, each leading to the next, with the end of the call as the last."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await says(line, "what about five")
        await line.hear_out()

    agent = Watched(counts, greeting="Hello!")
    phone.call(desk(agent), caller)
    assert agent.states == [
        *("speaking", "listening", "thinking", "speaking"),
        *("interrupted", "thinking", "speaking", "listening", "ended"),
    ]
    assert isinstance(agent.events[-1], CallEnded)
    changes = [event for event in agent.events if isinstance(event, StateChanged)]
    assert all(before.state is after.previous for before, after in zip(changes, changes[1:], strict=False))


def test_speaking_lasts_as_long_as_the_caller_hears_it(phone: PhoneTests) -> None:
    """Not as long as it is synthesised, which takes no time here."""

    async def caller(line: Line) -> None:
        await line.hear_out()

    agent = Watched(counts, greeting="Hello! What can I do for you today?")
    record = phone.call(desk(agent), caller)
    changes = [event for event in agent.events if isinstance(event, StateChanged)]
    assert [change.state.value for change in changes] == ["speaking", "listening", "ended"]
    spoke, listened = changes[0].at, changes[1].at
    heard = record.timeline.agent_turns[0]
    assert abs((listened - spoke) - (heard.end_ms - heard.start_ms) / 1000) < 0.2


def test_an_agent_that_is_paused_by_a_cough_and_goes_on(phone: PhoneTests) -> None:
    """A pause is an interruption, too, until the agent is heard again."""

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await line.say(spell("x")[:533], "(coughs)")
        await line.hear_out(quiet_ms=3000)

    agent = Watched(counts)
    phone.call(desk(agent), caller)
    assert agent.states[-5:] == ["speaking", "interrupted", "speaking", "listening", "ended"]


def test_what_a_hook_says_past_the_floor_is_speaking_too(phone: PhoneTests) -> None:
    """A program's own `say` begins and ends the state."""

    class Polite(Watched):
        async def enter(self, call: VoiceSession) -> None:
            await super().enter(call)
            await call.say("Please hold on.")
            assert call.state is ConversationState.LISTENING

    async def caller(line: Line) -> None:
        await line.hear_out(quiet_ms=1500)

    agent = Polite(counts)
    record = phone.call(desk(agent), caller)
    assert ear(record) == "please hold on."
    assert agent.states == ["speaking", "listening", "ended"]
