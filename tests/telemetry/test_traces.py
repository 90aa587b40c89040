"""Traces: what an OpenTelemetry SDK gets of a call, and that nothing happens without one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from seen_calls import SECRET, caller, desk

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent, Limits
from voice_runtime.llm import Part, Turn
from voice_runtime.telemetry.traces import PRIVATE
from voice_runtime.testing import PhoneTests


class Recorded:
    """The spans of an application."""

    def __init__(self, app: VoiceApp) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = app.tracers = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def __getitem__(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None and span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def test_one_trace_from_the_call_to_its_stages(phone: PhoneTests) -> None:
    """call > turn > stt, chat and tts, each with its times, and with the conventions' names where there are any."""
    app = desk()
    recorded = Recorded(app)
    record = phone.call(app, caller)
    call, turn = recorded["call"], recorded["turn"]
    assert call.parent is None and parent(turn) == call.context.span_id
    assert {parent(recorded[name]) for name in ("stt", "chat", "tts")} == {turn.context.span_id}
    assert len({span.context.trace_id for span in recorded.spans}) == 1
    assert call.attributes is not None and turn.attributes is not None
    assert dict(call.attributes) == {
        "voice.call.sid": record.sid,
        "voice.call.direction": "inbound",
        "voice.call.end_reason": "caller_hung_up",
        "voice.call.fault": "caller",
    }
    assert turn.attributes["voice.turn.outcome"] == "completed"
    assert turn.attributes["voice.turn.latency_ms"] == pytest.approx(
        sum(ms for name, ms in turn.attributes.items() if ".stage." in name)
    )
    chat = recorded["chat"]
    assert abs(seconds(chat) - 0.3) < 0.01 and chat.kind is trace.SpanKind.CLIENT
    assert chat.attributes is not None and chat.attributes["gen_ai.usage.input_tokens"] == 120
    assert chat.attributes["gen_ai.operation.name"] == "chat"


def everything(recorded: Recorded) -> str:
    return "".join(span.to_json() for span in recorded.spans)


def test_nothing_of_what_was_said_is_in_a_trace(phone: PhoneTests) -> None:
    """Neither words nor numbers, unless VOICE_TRACE_CONTENT says so."""
    app = desk()
    recorded = Recorded(app)
    phone.call(app, caller, "+358401112233")
    said = everything(recorded)
    assert PRIVATE not in said and "four two" not in said and "+358401112233" not in said and "All right" not in said


def test_what_was_said_is_marked(phone: PhoneTests, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, words and numbers are there, and only in attributes whose names are marked."""
    monkeypatch.setenv("VOICE_TRACE_CONTENT", "true")
    app = desk()
    recorded = Recorded(app)
    phone.call(app, caller, "+358401112233")
    call, turn = recorded["call"].attributes or {}, recorded["turn"].attributes or {}
    assert call[f"{PRIVATE}caller"] == "+358401112233"
    assert turn[f"{PRIVATE}caller_said"] == SECRET and turn[f"{PRIVATE}caller_heard"] == "All right."
    for span in recorded.spans:
        for name, value in (span.attributes or {}).items():
            assert name.startswith(PRIVATE) or not any(said in str(value) for said in ("four two", "+358401112233"))


def test_the_end_and_whose_fault_it_was(phone: PhoneTests) -> None:
    """A brain that fails to the end: the turns and the call are errors, and the fault is the provider's."""

    async def broken(turn: Turn) -> AsyncIterator[Part]:
        raise RuntimeError("no model for +358401112233")
        yield ""

    app = desk(agent=Agent(broken, greeting="Hello!", limits=Limits(failures=1)))
    recorded = Recorded(app)
    phone.call(app, caller)
    call, turn = recorded["call"], recorded["turn"]
    assert call.attributes is not None and turn.attributes is not None
    assert (call.attributes["voice.call.end_reason"], call.attributes["voice.call.fault"]) == (
        "provider_failed",
        "provider",
    )
    assert {call.status.status_code, turn.status.status_code} == {trace.StatusCode.ERROR}
    assert turn.attributes["error.type"] == "failed" and "+358401112233" not in everything(recorded)


def test_what_the_brain_records_is_in_the_same_trace(phone: PhoneTests) -> None:
    """Spans of a model's library, made while it answers, are children of the call."""

    async def traced(turn: Turn) -> AsyncIterator[Part]:
        with recorded.provider.get_tracer("library").start_as_current_span("POST"):
            yield "All right."

    app = desk(agent=Agent(traced, greeting="Hello!"))
    recorded = Recorded(app)
    phone.call(app, caller)
    assert parent(recorded["POST"]) == recorded["call"].context.span_id


def test_without_an_sdk_nobody_listens(phone: PhoneTests) -> None:
    """The API alone records nothing, and the call knows of no onlooker."""
    from voice_runtime.clock import ManualClock
    from voice_runtime.telemetry.traces import Traces
    from voice_runtime.transport import CallInfo

    assert Traces(trace.NoOpTracerProvider()).observe(CallInfo("CA1", "MZ1"), ManualClock()) is None
    assert not trace.get_current_span().get_span_context().is_valid
