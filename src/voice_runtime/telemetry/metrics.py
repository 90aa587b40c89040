"""Numbers of one process for Prometheus: in a registry of their own, with labels of few values and nobody's data.

Nothing is counted for a frame: what the media path counts anyway is added when a call ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from voice_runtime.clock import Clock
from voice_runtime.events import (
    AgentInterrupted,
    CallEnd,
    CallEvent,
    ProviderFailed,
    ProviderSwitched,
    TokensUsed,
    ToolFinished,
    TurnMeasured,
    UtteranceFinished,
)
from voice_runtime.telemetry.loop_lag import LoopLag
from voice_runtime.telemetry.observing import CallTotals
from voice_runtime.transport import CallInfo

__all__ = ["Metrics"]

_LATENCY: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 3.0, 5.0, 10.0)
"""Around what callers take for quick (under 0.8 s), slow (1.4 s) and dead (3 s)."""
_STAGE: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
_INTERRUPTION: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0)
_BATCH: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5)
_CALL: Final = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
MAX_NAMES: Final = 50
"""Different values of one label whose values come from providers; more of them are counted as "other"."""


class _Names:
    """Keeps the values of a label few, whoever makes them up."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= MAX_NAMES or len(name) > 64:
            return "other"
        self._known.add(name)
        return name


class Metrics:
    """All metrics of one application. `registry` may be served, or extended, by the program too."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._provider, self._reason, self._tool = _Names(), _Names(), _Names()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self.live = Gauge("voice_calls_live", "Calls that are alive.", registry=registry)
        self.calls = counter("voice_calls", "Calls that ended.", "direction", "reason", "fault")
        self.seconds = histogram("voice_call_seconds", "How long calls lasted.", _CALL)
        self.turns = counter("voice_turns", "Turns of agents that are over.", "outcome")
        self.latency = histogram(
            "voice_turn_latency_seconds", "From the end of the caller's speech to the first sound.", _LATENCY, "filler"
        )
        self.stages = histogram("voice_turn_stage_seconds", "The parts of that.", _STAGE, "stage", "owner")
        self.interruptions = histogram(
            "voice_interruption_seconds", "From the onset of the voice to clear.", _INTERRUPTION, "paused"
        )
        self.failures = counter("voice_provider_failures", "Failures of providers.", "kind", "provider", "reason")
        self.switches = counter("voice_provider_switches", "Providers that were replaced.", "kind", "provider", "to")
        self.tokens = counter("voice_tokens", "Tokens of the brains' models.", "type")
        self.characters = counter("voice_tts_characters", "Characters given to synthesis.")
        self.heard = counter("voice_stt_seconds", "Time for which calls were listened to.")
        self.tools = counter("voice_tool_calls", "Tool calls of agents that are over.", "tool", "outcome")
        self.tool_seconds = histogram("voice_tool_seconds", "How long they took.", _STAGE, "tool")
        self.dropped_frames = counter("voice_inbound_dropped_frames", "Frames of callers that nobody took in time.")
        self.dropped_bytes = counter("voice_outbound_dropped_bytes", "Audio refused because too much waited.")
        self.late_bytes = counter("voice_late_audio_bytes", "Audio that came after its utterance had been stopped.")
        self.vad = histogram("voice_vad_batch_seconds", "Voice detection of many calls together.", _BATCH)
        self.lag = Gauge("voice_event_loop_lag_seconds", "How late the event loop is.", ("stat",), registry=registry)
        self._on: dict[type[CallEvent], Callable[[Any], None]] = {
            AgentInterrupted: self._interrupted,
            ProviderFailed: self._failed,
            ProviderSwitched: self._switched,
            TokensUsed: self._used,
            ToolFinished: self._tool_finished,
            TurnMeasured: self._measured,
            UtteranceFinished: self._uttered,
        }

    def watch(self, lag: LoopLag) -> None:
        """Show this lag."""
        self.lag.labels("average").set_function(lambda: lag.average_ms / 1000)
        self.lag.labels("worst").set_function(lambda: lag.worst_ms / 1000)

    def observe(self, info: CallInfo, clock: Clock) -> _Call:
        """Count this call."""
        self.live.inc()
        return _Call(self, str(info.direction))

    def text(self) -> bytes:
        """What Prometheus reads, in its text format."""
        return generate_latest(self.registry)

    def happened(self, event: CallEvent) -> None:
        if (count := self._on.get(type(event))) is not None:
            count(event)

    def _interrupted(self, event: AgentInterrupted) -> None:
        self.interruptions.labels(_said(event.paused)).observe(event.latency_ms / 1000)

    def _failed(self, event: ProviderFailed) -> None:
        self.failures.labels(event.kind, self._provider(event.provider), self._reason(event.reason)).inc()

    def _switched(self, event: ProviderSwitched) -> None:
        self.switches.labels(event.kind, self._provider(event.provider), self._provider(event.to)).inc()

    def _used(self, event: TokensUsed) -> None:
        self.tokens.labels("input").inc(event.input_tokens)
        self.tokens.labels("output").inc(event.output_tokens)

    def _tool_finished(self, event: ToolFinished) -> None:
        tool = self._tool(event.tool)  # a model may make names up
        self.tools.labels(tool, event.outcome).inc()
        self.tool_seconds.labels(tool).observe(event.duration_ms / 1000)

    def _measured(self, event: TurnMeasured) -> None:
        self.turns.labels(event.outcome).inc()
        if event.latency_ms is None:
            return
        self.latency.labels(_said(event.filler)).observe(event.latency_ms / 1000)
        for time in event.stages:
            self.stages.labels(time.stage, time.owner).observe(time.ms / 1000)

    def _uttered(self, event: UtteranceFinished) -> None:
        self.characters.inc(event.characters)


class _Call:
    """One call."""

    def __init__(self, metrics: Metrics, direction: str) -> None:
        self._metrics = metrics
        self._direction = direction
        self.happened = metrics.happened

    def over(self, end: CallEnd, totals: CallTotals) -> None:
        metrics = self._metrics
        metrics.live.dec()
        metrics.calls.labels(self._direction, end.reason, end.fault).inc()
        metrics.seconds.observe(totals.seconds)
        metrics.heard.inc(totals.stt_seconds)
        metrics.dropped_frames.inc(totals.inbound_dropped)
        metrics.dropped_bytes.inc(totals.outbound_dropped_bytes)
        metrics.late_bytes.inc(totals.late_bytes)


def _said(flag: bool) -> str:
    return "true" if flag else "false"
