"""A function is a brain: `voice-runtime serve plain_agent:app`."""

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.llm import Turn

app = VoiceApp()


def brain(turn: Turn) -> str:
    return "Order 42 is cancelled." if "cancel" in turn.text else "Order 42 comes on Thursday."


app.call()(Agent(brain, greeting="Hello! Which order?"))
