"""Who spoke when, and what that says about the agent: measured at the caller's own ear and mouth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from voice_runtime.audio.measure import Span, gaps, silent_runs, speech_spans
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["BargeIn", "Response", "Timeline"]

_TURN_GAP_MS = 700.0
"""Quieter than this for longer, and a stretch of speech is over."""
_BLUR_MS = 20.0
"""A clear is noted to the frame, and sound is measured in windows."""


@dataclass(frozen=True, slots=True)
class Response:
    """The agent answered: `at_ms` is the end of the caller's speech, `until_ms` the agent's first sound."""

    at_ms: float
    until_ms: float

    @property
    def latency_ms(self) -> float:
        return self.until_ms - self.at_ms


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The caller talked over the agent from `at_ms`; at `silent_ms` the agent could no longer be heard."""

    at_ms: float
    silent_ms: float

    @property
    def latency_ms(self) -> float:
        return self.silent_ms - self.at_ms


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stretches of speech in milliseconds from the start of the call; `agent_turns` are not cut at its pauses."""

    ear: bytes
    caller: tuple[Span, ...]
    agent: tuple[Span, ...]
    agent_turns: tuple[Span, ...]

    @classmethod
    def of(
        cls,
        ear: bytes,
        mouth: bytes,
        notes: Iterable[Annotation] = (),
        *,
        threshold_dbfs: float = -45.0,
        turn_gap_ms: float = _TURN_GAP_MS,
    ) -> Timeline:
        """Measure a call. Pauses shorter than `turn_gap_ms` do not end a turn of the agent; a `clear` in `notes` does.

        What the agent says after it is a new turn, however soon it comes.
        """
        caller = speech_spans(mouth, threshold_dbfs, turn_gap_ms)
        agent = speech_spans(ear, threshold_dbfs)
        clears = [1000 * note.at for note in notes if note.kind is NoteKind.CLEAR]
        for clear in clears:
            agent = _cut(agent, clear)
        return cls(ear, tuple(caller), tuple(agent), tuple(_turns(agent, turn_gap_ms, clears)))

    def agent_gaps(self, longer_than_ms: float = 60.0, shorter_than_ms: float = _TURN_GAP_MS) -> list[Span]:
        """The holes in the agent's speech, and not the pauses between its turns: nothing at all was heard."""
        return [gap for gap in gaps(self.ear, min_gap_ms=longer_than_ms) if gap.duration_ms < shorter_than_ms]

    def dropouts(self, longer_than_ms: float = 5.0) -> list[Span]:
        """Exact digital silence inside a stretch of agent speech: audio that came too late, or padding in a word."""
        runs = silent_runs(self.ear, longer_than_ms)
        return [r for r in runs if any(s.start_ms < r.start_ms and r.end_ms < s.end_ms for s in self.agent)]

    def responses(self) -> list[Response]:
        """For each turn of the caller, the agent's first sound after it, if it came before the caller's next turn."""
        found = []
        nexts = [turn.start_ms for turn in self.caller[1:]] + [math.inf]
        for turn, until in zip(self.caller, nexts, strict=False):
            starts = [span.start_ms for span in self.agent if turn.end_ms <= span.start_ms < until]
            still_speaking = any(span.start_ms < turn.end_ms < span.end_ms for span in self.agent_turns)
            if starts and not still_speaking:
                found.append(Response(turn.end_ms, starts[0]))
        return found

    def barge_ins(self) -> list[BargeIn]:
        """Where the caller began to speak while the agent did. One that is quiet when the caller ends has given way."""
        return [
            BargeIn(turn.start_ms, max(turn.start_ms, self._given_way(turn, span)))
            for turn in self.caller
            for span in self.agent_turns
            if span.start_ms < turn.start_ms < span.end_ms + _BLUR_MS  # silenced by the first frame, perhaps
        ]

    def _given_way(self, caller: Span, agent: Span) -> float:
        """When the agent's turn was over: what it says after the caller's is an answer, also without a pause."""
        spoken = [s for s in self.agent if agent.start_ms <= s.start_ms < min(caller.end_ms, agent.end_ms)]
        return spoken[-1].end_ms if spoken[-1].end_ms <= caller.end_ms else agent.end_ms

    def annotations(self) -> list[Annotation]:
        """Latencies and interruptions, for a picture."""
        latencies = [
            Annotation(NoteKind.LATENCY, r.at_ms / 1000, r.until_ms / 1000, f"{r.latency_ms:.0f} ms")
            for r in self.responses()
        ]
        interruptions = [
            Annotation(NoteKind.INTERRUPTION, b.at_ms / 1000, b.silent_ms / 1000, f"silent in {b.latency_ms:.0f} ms")
            for b in self.barge_ins()
        ]
        return latencies + interruptions


def _cut(spans: list[Span], at_ms: float) -> list[Span]:
    """What goes on beyond `at_ms` is two spans."""
    cut = []
    for span in spans:
        parted = span.start_ms < at_ms < span.end_ms - _BLUR_MS
        cut += [Span(span.start_ms, at_ms), Span(at_ms, span.end_ms)] if parted else [span]
    return cut


def _turns(spans: list[Span], gap_ms: float, clears: list[float]) -> list[Span]:
    """Spans less than `gap_ms` apart are one turn, if nothing was cleared between them."""
    turns = spans[:1]
    for span in spans[1:]:
        end = turns[-1].end_ms
        if span.start_ms - end < gap_ms and not any(end - _BLUR_MS <= clear <= span.start_ms for clear in clears):
            turns[-1] = Span(turns[-1].start_ms, span.end_ms)
        else:
            turns.append(span)
    return turns
