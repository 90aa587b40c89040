"""An agent that looks orders up, with a script in place of a model: `voice-runtime serve order_tools:app`."""

import json
from collections.abc import AsyncIterator

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.llm import Turn
from voice_runtime.tools import tool

app = VoiceApp()


@tool(timeout=5.0, holding="I am looking it up.", on_barge_in="cancel", status="Looking up order {number}")
async def find_order(number: int) -> dict[str, str]:
    """When an order arrives.

    Args:
        number: as printed on the confirmation
    """
    return {"arrives": "Thursday"}


async def brain(turn: Turn) -> AsyncIterator[str]:
    result = json.loads(await turn.tools.call("find_order", '{"number": 42}'))  # a model chooses from turn.tools.specs
    yield f"Your order comes on {result['arrives']}."


app.call()(Agent(brain, greeting="Hello! Which order?", tools=[find_order]))
