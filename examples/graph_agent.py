"""Any framework that streams is a brain, such as a graph with `astream`: `voice-runtime serve graph_agent:app`."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.llm import Turn, messages

app = VoiceApp()


class Graph:
    """In place of LangGraph's `StateGraph(...).compile()`, whose `astream` is called like this."""

    async def astream(self, state: dict[str, Any], stream_mode: str) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
        asked = state["messages"][-1]["content"]
        answer = "Order 42 is cancelled." if "cancel" in asked else "Order 42 comes on Thursday."
        for word in answer.split():
            yield SimpleNamespace(content=word + " "), {"langgraph_node": "agent"}


graph = Graph()


async def brain(turn: Turn) -> AsyncIterator[str]:
    async for chunk, _ in graph.astream({"messages": messages(turn)}, stream_mode="messages"):
        yield chunk.content


app.call()(Agent(brain, greeting="Hello! Which order?"))
