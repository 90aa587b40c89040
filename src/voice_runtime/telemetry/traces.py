"""One OpenTelemetry trace for each call: the call, its turns, and in each what recognition, brain and voice took.

Only the API is used: without an SDK that the program configures, nothing is recorded and nothing listens. Turns and
their stages are written when they are over, with the times at which they were; the call's span is the current one in
its handler, so that spans of HTTP clients and model libraries are part of the same trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from voice_runtime.clock import Clock
from voice_runtime.events import (
    AgentInterrupted,
    CallEnd,
    CallerTurnTaken,
    CallEvent,
    Direction,
    EndReason,
    Fault,
    ProviderFailed,
    ProviderSwitched,
    Stage,
    ToolFinished,
    ToolOutcome,
    TurnMeasured,
    TurnOutcome,
    UtteranceFinished,
)
from voice_runtime.telemetry.observing import CallTotals
from voice_runtime.transport import CallInfo

__all__ = ["PRIVATE", "Traces"]

PRIVATE: Final = "voice.private."
"""Attributes with what a stranger said or who they are begin with this. They are written only with `content`."""

_FAILED = (Fault.CARRIER, Fault.PROVIDER, Fault.RUNTIME)

Attributes = Mapping[str, str | bool | int | float]


class Traces:
    """Traces the calls of one application. `provider`: None, the one that the program has set for the process.

    `content`: whether words and numbers of strangers may be written.
    """

    def __init__(self, provider: TracerProvider | None = None, *, content: bool = False) -> None:
        self._provider = provider
        self._content = content

    def observe(self, info: CallInfo, clock: Clock) -> CallTrace | None:
        """Trace this call; None when nobody records it."""
        tracer = trace.get_tracer("voice_runtime", tracer_provider=self._provider)
        inbound = info.direction is Direction.INBOUND
        began = clock.wall()
        span = tracer.start_span(
            "call",
            # A call is no part of the request that brought it, nor of another call.
            context=otel_context.Context(),
            kind=SpanKind.SERVER if inbound else SpanKind.CLIENT,
            attributes={"voice.call.sid": info.call_sid, "voice.call.direction": str(info.direction)},
            start_time=_ns(began),
        )
        if not span.get_span_context().is_valid:
            return None
        if self._content:
            span.set_attributes({f"{PRIVATE}caller": info.caller_number, f"{PRIVATE}called": info.called_number})
        return CallTrace(tracer, span, began, content=self._content, call_sid=info.call_sid)


class CallTrace:
    """The trace of one call."""

    def __init__(self, tracer: Tracer, span: Span, began: float, *, content: bool, call_sid: str) -> None:
        self._tracer, self._span, self._began = tracer, span, began
        self._content, self._call_sid = content, call_sid
        self._context = trace.set_span_in_context(span, otel_context.Context())
        self._attached: Token[Any] = otel_context.attach(self._context)
        self._asked = ""
        self._heard: list[str] = []
        self._tools: list[ToolFinished] = []  # of the turn that is not over yet

    def happened(self, event: CallEvent) -> None:
        if not self._span.is_recording():
            return
        match event:
            case CallerTurnTaken(text=text):
                self._asked, self._heard = text, []
            case UtteranceFinished(heard_text=heard):
                self._heard.append(heard)
            case ToolFinished():
                self._tools.append(event)
            case TurnMeasured():
                self._turn(event)
            case AgentInterrupted(at, latency_ms, paused):
                self._note("voice.interrupted", at, {"voice.latency_ms": latency_ms, "voice.paused": paused})
            case ProviderFailed(at, kind, provider, reason):
                failed = {"voice.provider.kind": kind, "voice.provider.name": provider, "error.type": reason}
                self._note("voice.provider_failed", at, failed)
            case ProviderSwitched(at, kind, provider, to, reason):
                switched = {"voice.provider.kind": kind, "voice.provider.name": provider, "error.type": reason}
                self._note("voice.provider_switched", at, {**switched, "voice.provider.to": to})
            case _:
                pass

    def over(self, end: CallEnd, totals: CallTotals) -> None:
        otel_context.detach(self._attached)
        self._tools_used(self._context)
        self._span.set_attributes({"voice.call.end_reason": end.reason.value, "voice.call.fault": end.fault.value})
        if self._content and end.detail:
            self._span.set_attribute(f"{PRIVATE}end_detail", end.detail)
        if end.fault in _FAILED or end.reason is EndReason.HANDLER_FAILED:
            _fail(self._span, end.reason.value)
        self._span.end(_ns(self._began + totals.seconds))

    def _note(self, name: str, at: float, attributes: Attributes) -> None:
        self._span.add_event(name, attributes, _ns(self._began + at))

    def _turn(self, turn: TurnMeasured) -> None:
        attributes: dict[str, str | bool | int | float] = {
            "voice.turn.number": turn.turn,
            "voice.turn.outcome": turn.outcome.value,
            "voice.turn.filler": turn.filler,
        }
        if turn.latency_ms is not None:
            attributes["voice.turn.latency_ms"] = turn.latency_ms
        for time in turn.stages:
            attributes[f"voice.turn.stage.{time.stage.value}_ms"] = time.ms
        if self._content:
            attributes[f"{PRIVATE}caller_said"] = self._asked
            attributes[f"{PRIVATE}caller_heard"] = " ".join(text for text in self._heard if text)
        begins = [turn.began_at, *([turn.brain.asked_at] if turn.brain else [])]  # asked ahead, perhaps
        span = self._child("turn", min(begins), self._context, attributes)
        if turn.outcome is TurnOutcome.FAILED:
            _fail(span, turn.outcome.value)
        within = trace.set_span_in_context(span, self._context)
        self._stages(turn, within)
        self._tools_used(within)
        span.end(_ns(self._began + turn.at))

    def _stages(self, turn: TurnMeasured, within: otel_context.Context) -> None:
        at = turn.began_at
        for time in turn.stages:
            ends = at + time.ms / 1000
            if time.stage is Stage.TRANSCRIBING:
                self._child("stt", at, within, {}).end(_ns(self._began + ends))
            elif time.stage is Stage.SYNTHESISING:
                spoken = {"voice.tts.characters": turn.characters}
                self._child("tts", at, within, spoken).end(_ns(self._began + ends))
            at = ends
        if (brain := turn.brain) is not None:
            asked: dict[str, str | bool | int | float] = {
                "gen_ai.operation.name": "chat",
                "gen_ai.conversation.id": self._call_sid,
            }
            if brain.input_tokens or brain.output_tokens:
                asked["gen_ai.usage.input_tokens"] = brain.input_tokens
                asked["gen_ai.usage.output_tokens"] = brain.output_tokens
            span = self._child("chat", brain.asked_at, within, asked, SpanKind.CLIENT)
            span.end(_ns(self._began + brain.ended_at))

    def _tools_used(self, within: otel_context.Context) -> None:
        for tool in self._tools:
            called: Attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool.tool}
            span = self._child("execute_tool", tool.at - tool.duration_ms / 1000, within, called)
            span.set_attribute("voice.tool.outcome", tool.outcome.value)
            if tool.outcome in (ToolOutcome.FAILED, ToolOutcome.TIMED_OUT):
                _fail(span, tool.outcome.value)
            span.end(_ns(self._began + tool.at))
        self._tools.clear()

    def _child(
        self,
        name: str,
        at: float,
        within: otel_context.Context,
        attributes: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        begins = _ns(self._began + at)
        return self._tracer.start_span(name, context=within, kind=kind, attributes=attributes, start_time=begins)


def _fail(span: Span, kind: str) -> None:
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute("error.type", kind)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
