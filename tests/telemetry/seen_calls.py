"""A call of an agent with everything in it that is told apart: a question, a slow brain, tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.audio.spelling import spell
from voice_runtime.llm import Part, Turn, Usage
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.settings import Settings
from voice_runtime.simulator import Line
from voice_runtime.vad import Vad

SECRET = "my pin is four two"


async def brain(turn: Turn) -> AsyncIterator[Part]:
    await asyncio.sleep(0.3)
    yield "All right. "
    yield Usage(120, 7)


async def caller(line: Line) -> None:
    await line.hear_out()
    await line.say(spell(SECRET), SECRET)
    await line.hear_out()


def desk(*, settings: Settings | None = None, agent: Agent | None = None, vad: Vad | None = None) -> VoiceApp:
    app = VoiceApp(stt=MockStt, tts=MockTts(), vad=vad, settings=settings)
    app.call()(agent or Agent(brain, greeting="Hello!"))
    return app
