"""What a call may cost: the agent ends one that has become too dear, whatever made it so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime.agent import Limits, Phrases, Prices
from voice_runtime.events import CallEnd, EndReason, Fault
from voice_runtime.llm import Part, Turn, Usage
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests

PHRASES = Phrases(goodbye="That was all. Goodbye.")


async def dear(turn: Turn) -> AsyncIterator[Part]:
    yield Usage(1000, 500)
    yield "Right."


def limited(spend: float, prices: Prices) -> Remembering:
    return Remembering(dear, greeting="Hello!", phrases=PHRASES, limits=Limits(max_spend=spend, prices=prices))


async def talks(line: Line) -> None:
    for _ in range(5):
        await line.hear_out()
        await says(line, "and then")
    await line.pause(60.0)


SPENT = CallEnd(EndReason.MAX_SPEND, "the agent's limit of 0.5 on what a call costs")


def test_tokens_end_a_call(phone: PhoneTests) -> None:
    """0.1 and 0.15 a turn: the second one spends the half, is heard out, and is the last."""
    agent = limited(0.5, Prices(input_tokens=0.1, output_tokens=0.3))
    record = phone.call(desk(agent), talks)
    assert agent.end == SPENT and agent.end.fault is Fault.AGENT
    assert ear(record) == "hello! right. right. that was all. goodbye."


def test_time_alone_ends_a_call(phone: PhoneTests) -> None:
    """A minute of the call and of recognition costs 1: the half is spent after 30 s, whoever is silent then."""

    async def silent(line: Line) -> None:
        await line.pause(120.0)

    agent = limited(0.5, Prices(call_minute=0.75, stt_minute=0.25))
    record = phone.call(desk(agent), silent)
    assert agent.end == SPENT and 30 < len(record.ear) / 8000 < 36


def test_speech_ends_a_call(phone: PhoneTests) -> None:
    """Characters given to synthesis count as they are said; phrases that were ready cost nothing."""
    agent = limited(0.5, Prices(characters=0.5 * 1000 / 12))  # twice "Right."
    record = phone.call(desk(agent), talks)
    assert agent.end == SPENT
    assert ear(record) == "hello! right. right. that was all. goodbye."


def test_a_limit_without_prices_is_a_mistake() -> None:
    """It would never be reached, and its author should know."""
    with pytest.raises(ValueError, match="prices"):
        Limits(max_spend=1.0)
    with pytest.raises(ValueError, match="0 or more"):
        Prices(characters=-1.0)
