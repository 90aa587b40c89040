"""A Pydantic AI agent with two tools: `voice-runtime serve pydantic_ai_agent:app` (extra `pydantic-ai`)."""

from pydantic_ai import Agent as Clerk

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.providers.pydantic_ai_brain import PydanticAiBrain

app = VoiceApp()
clerk = Clerk("openai:gpt-5.2", defer_model_check=True, instructions="You sell pizza. Be brief.")


async def find_order(number: int) -> str:
    """When an order arrives."""
    return "Thursday"


async def cancel_order(number: int) -> str:
    """Cancel an order."""
    return f"order {number} is cancelled"


app.call()(Agent(PydanticAiBrain(clerk), greeting="Hello! Which order?", tools=[find_order, cancel_order]))
