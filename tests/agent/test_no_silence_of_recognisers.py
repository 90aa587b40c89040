"""Recognisers that fail, hang or go deaf, with another in reserve: what the agent understands, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, says

from voice_runtime import VoiceApp
from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.llm import Turn, UserItem
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests


class Deaf(MockStt):
    """Takes audio, and from some moment on finds nothing in it."""

    def __init__(self, after_ms: float) -> None:
        super().__init__()
        self.after_ms = after_ms

    def _say_read(self, text: str, final: bool) -> None:
        if self.audio_ms < self.after_ms:
            super()._say_read(text, final)


class Hanging(MockStt):
    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        await asyncio.Event().wait()


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield f"you said {turn.text}."


async def asks_twice(line: Line) -> None:
    await says(line, "when does it come to me")
    await line.hear_out(quiet_ms=4500)
    await says(line, "and the other one")
    await line.hear_out(quiet_ms=4500)


MADE = {
    "dies": lambda ms: MockStt(die_after_ms=ms),
    "hangs": lambda ms: MockStt(stall_after_ms=ms),
    "deaf": lambda ms: Deaf(ms),
    "refuses": lambda ms: MockStt(fail_start=True),
    "never starts": lambda ms: Hanging(),
}


@pytest.mark.parametrize("at", [0, 900, 4000])
@pytest.mark.parametrize("how", MADE)
def test_a_recogniser(phone: PhoneTests, how: str, at: int) -> None:
    agent = Remembering(brain)
    app = VoiceApp(stt=FallbackStt({"a": lambda: MADE[how](at), "b": MockStt}), tts=MockTts())
    app.call()(agent)
    phone.call(app, asks_twice)
    said = " ".join(item.text for item in agent.remembered if isinstance(item, UserItem))
    assert said == "when does it come to me and the other one"
