"""An agent on the phone, with any model behind a plain async generator: `voice-runtime serve agent:app`."""

from collections.abc import AsyncIterator

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.llm import Turn

app = VoiceApp()


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield "Thank you. "  # a real one streams its model's answer to `messages(turn)`
    yield f"I heard: {turn.text}. What else?"


app.call()(Agent(brain, greeting="Hello! What can I do for you?"))
