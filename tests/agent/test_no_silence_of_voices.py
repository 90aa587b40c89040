"""Voices that fail or hang, with another in reserve: what the caller hears, and what is remembered of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.events import CallEvent, ProviderSwitched
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, Turn
from voice_runtime.mock import MockTts
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests

ANSWER = "it comes on thursday, at half past nine in the morning."


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield ANSWER


class Noting(Remembering):
    switches: list[ProviderSwitched]

    async def enter(self, call: VoiceSession) -> None:
        self.switches = []

        def note(event: CallEvent) -> None:
            if isinstance(event, ProviderSwitched):
                self.switches.append(event)

        call.on_event(note)


async def asks_once(line: Line) -> None:
    await says(line, "when does it come")
    await line.hear_out(quiet_ms=3500)


@pytest.mark.parametrize("after_ms", [0, 100, 200, 300, 400, 700, 1500, 1600, 2500, 3900])
@pytest.mark.parametrize("how", ["fail", "stall"])
def test_a_voice(phone: PhoneTests, how: str, after_ms: int) -> None:
    agent = Noting(brain)
    a = MockTts(**{f"{how}_after_ms": after_ms})
    b = MockTts()
    record = phone.call(desk(agent, tts=FallbackTts({"a": a, "b": b})), asks_once)
    assert ear(record, whole=True) == ANSWER
    assert agent.remembered[1:] == [AgentItem(ANSWER)]
