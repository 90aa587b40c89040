"""What the person at the terminal sees of a call, while it happens."""

from __future__ import annotations

from typing import assert_never

from rich.console import Console
from rich.text import Text

from voice_runtime.simulator import Annotation, NoteKind, Violation
from voice_runtime.simulator.onlooker import (
    AgentFellSilent,
    AgentSpoke,
    Happening,
    Noted,
    Requested,
    StatusChanged,
    Violated,
)
from voice_runtime.simulator.report import clock_time

__all__ = ["Screen", "told"]

_QUIET = frozenset({NoteKind.MARK, NoteKind.CLEAR, NoteKind.STREAM})
"""Shown with -v only."""
_HINTS = {
    "HTTP 403": "is --auth-token that of the application, and --public-url the address that it believes to have?",
    "HTTP 404": "is the path of the webhook right?",
    "ConnectError": "does the application run, and at this port?",
}
_LABELS = {NoteKind.HANG_UP: "hang-up", NoteKind.DTMF: "key"}


def told(violation: Violation) -> str:
    """Number, name, what was seen, and what Twilio says to it."""
    return f"{violation.code.value} {violation.code.name}: {violation.detail} ({violation.code.meaning})"


class Screen:
    """One line for each thing that happens; with `verbose` marks, clears and webhook requests as well."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def wants(self, note: Annotation) -> bool:
        return self._verbose or note.kind not in _QUIET

    def show(self, happening: Happening) -> None:
        match happening:
            case StatusChanged(at, status):
                self.line(at, "call", status.value, "dim")
            case AgentSpoke(at):
                self.line(at, "agent", "speaks", "green")
            case AgentFellSilent(at, seconds, level, words):
                what = f"silent, after {seconds:.1f} s at {level:.0f} dBFS"
                self.line(at, "agent", f"{what}: {words}" if words else what, "green")
            case Noted(note):
                self._note(note)
            case Violated(violation):
                self.line(violation.at, "twilio", told(violation), "yellow" if violation.harmless else "bold red")
                if hint := next((hint for seen, hint in _HINTS.items() if seen in violation.detail), ""):
                    self.line(violation.at, "", hint, "red")
            case Requested(at, request):
                if self._verbose:
                    answer = request.status or "no answer"
                    self.line(at, "request", f"{request.method} {request.url} -> {answer}", "dim")
            case _:
                assert_never(happening)

    def _note(self, note: Annotation) -> None:
        if not self.wants(note):
            return
        text = note.text if note.outcome is None else f"{note.text} ({note.outcome}, {clock_time(note.until)})"
        self.line(note.at, _LABELS.get(note.kind, note.kind.value), text, "cyan")

    def line(self, at: float, who: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((clock_time(at), "dim"), f"  {who:<8} ", (text, style)), soft_wrap=True)
