"""A tool call of an agent is a span and a number, without its arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from seen_calls import caller

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.llm import Part, Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.testing import PhoneTests
from voice_runtime.tools import tool


@tool
async def look_up(order: str) -> str:
    """Look up an order."""
    return "It is on its way."


async def brain(turn: Turn) -> AsyncIterator[Part]:
    yield await turn.tools.call("look_up", '{"order": "7216"}')


def test_a_tool_call_is_seen(phone: PhoneTests) -> None:
    """It is part of the turn in which it was called, with the conventions' names, and counted by its outcome."""
    app = VoiceApp(stt=MockStt, tts=MockTts())
    app.call()(Agent(brain, greeting="Hello!", tools=[look_up]))
    exporter = InMemorySpanExporter()
    app.tracers = provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    phone.call(app, caller)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    used, turn = spans["execute_tool"], spans["turn"]
    assert used.parent is not None and used.parent.span_id == turn.context.span_id
    assert used.attributes is not None and used.attributes["gen_ai.tool.name"] == "look_up"
    assert used.attributes["voice.tool.outcome"] == "done"
    assert not any("7216" in span.to_json() for span in spans.values())
