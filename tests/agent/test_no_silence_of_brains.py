"""Brains that fail or hang, with another in reserve: what the caller hears, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime.fallback.llm import FallbackBrain
from voice_runtime.llm import AgentItem, Turn
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests

ANSWER = "it comes on thursday. at half past nine in the morning."
WORDS = [f"{word} " for word in ANSWER.split()]


async def asks_once(line: Line) -> None:
    await says(line, "when does it come")
    await line.hear_out(quiet_ms=3500)


@pytest.mark.parametrize("after", [0, 1, 2, 4, 6, 9])
@pytest.mark.parametrize("how", ["fail", "stall"])
@pytest.mark.parametrize("repeats", ["all", "sentence", "nothing"])
def test_a_brain(phone: PhoneTests, how: str, after: int, repeats: str) -> None:
    async def first(turn: Turn) -> AsyncIterator[str]:
        for word in WORDS[:after]:
            yield word
        if how == "stall":
            await asyncio.Event().wait()
        raise ConnectionError("the model is gone")

    async def second(turn: Turn) -> AsyncIterator[str]:
        said = len(turn.begun[-1].text.split()) if turn.begun else 0
        start = {"all": 0, "sentence": 0 if said <= 4 else 4, "nothing": said}[repeats]
        for word in WORDS[start:]:
            yield word

    agent = Remembering(FallbackBrain([first, second]))
    record = phone.call(desk(agent), asks_once)
    said = [item.text for item in agent.remembered if isinstance(item, AgentItem)]
    assert said[0].replace("One moment, please. ", "") == ANSWER
    assert ear(record, whole=True).replace("one moment, please. ", "") == ANSWER
