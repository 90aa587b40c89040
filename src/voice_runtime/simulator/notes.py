"""What is worth telling about a stretch of a call: the material of pictures and transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voice_runtime.events import MarkOutcome

__all__ = ["Annotation", "NoteKind"]


class NoteKind(StrEnum):
    CALLER = "caller"  # the caller's words, from `at` until `until`
    AGENT = "agent"  # the agent's words, likewise
    TURN_END = "turn_end"  # somebody decided that the caller has finished
    INTERRUPTION = "interruption"  # the caller talks over the agent, until the agent is silent
    LATENCY = "latency"  # from the end of the caller's speech to the first sound of the agent
    MARK = "mark"  # from its being set to its echo
    DTMF = "dtmf"
    CLEAR = "clear"
    STREAM = "stream"
    HANG_UP = "hang_up"
    BEEP = "beep"  # of an answering machine: what is heard after it is the message
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Annotation:
    """`at`, `until`: seconds on the line. `outcome` is that of a mark."""

    kind: NoteKind
    at: float
    until: float
    text: str
    outcome: MarkOutcome | None = None
