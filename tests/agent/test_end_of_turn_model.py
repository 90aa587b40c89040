"""A model that says whether the caller is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, says

from voice_runtime.llm import EndOfTurnModel, Turn, UserItem
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests


async def echo(turn: Turn) -> AsyncIterator[str]:
    yield f"You said {turn.text}."


async def orders(line: Line) -> None:
    await says(line, "two pizzas and")
    await line.pause(1.2)
    await says(line, "a salad")
    await line.hear_out()


def answered(phone: PhoneTests, model: EndOfTurnModel | None) -> tuple[list[str], float]:
    """What became turns, and how long the last answer took, in ms."""
    agent = Remembering(echo, end_of_turn=model)
    record = phone.call(desk(agent), orders)
    turns = [item.text for item in agent.remembered if isinstance(item, UserItem)]
    return turns, record.timeline.responses()[-1].latency_ms


def test_it_tells_half_an_order_from_a_whole_one(phone: PhoneTests) -> None:
    """Who is not done is waited for, who is done is answered at once. It is asked about the words just said."""
    asked: list[str] = []

    async def model(turn: Turn) -> float:
        asked.append(turn.text)
        return 0.0 if turn.text.endswith("and") else 1.0

    turns, latency = answered(phone, model)
    assert turns == ["two pizzas and a salad"]
    assert asked == ["two pizzas and", "two pizzas and a salad"]
    assert latency < 1150  # 600 until the recogniser is sure of its words, and the shortest wait


async def broken(turn: Turn) -> float:
    raise RuntimeError("no model today")


async def stuck(turn: Turn) -> float:
    await asyncio.sleep(3600)
    return 1.0


def test_a_model_that_fails_costs_nothing(phone: PhoneTests, caplog: pytest.LogCaptureFixture) -> None:
    """Pauses decide, as they do without one."""
    assert answered(phone, broken) == answered(phone, None)
    assert "end-of-turn model failed" in caplog.text


def test_a_model_that_hangs_costs_a_second(phone: PhoneTests, caplog: pytest.LogCaptureFixture) -> None:
    """No word is lost meanwhile."""
    turns, latency = answered(phone, stuck)
    assert " ".join(turns) == "two pizzas and a salad"
    assert latency <= answered(phone, None)[1] + 1000
    assert "longer than 1 s" in caplog.text
