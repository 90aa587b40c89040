"""What the person at the terminal sees of a chat: what is heard, as it is heard, and what happens beside it."""

from __future__ import annotations

import logging
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import voice_runtime
from voice_runtime.cli.simulate.screen import Screen
from voice_runtime.events import (
    CallEnd,
    CallEvent,
    DtmfReceived,
    FloorChanged,
    PlaybackOutcome,
    ProviderFailed,
    ToolFinished,
    ToolStarted,
    TurnMeasured,
    TurnOutcome,
    UtteranceFinished,
)
from voice_runtime.session import VoiceSession

__all__ = ["ChatScreen", "errors_shown"]

_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line. `at`: seconds of the call."""

    at: float
    kind: str
    text: str


class ChatScreen:
    """One line for each sentence and each thing that happens; with `verbose`, who has the floor and how fast it was.

    `typed`: what the caller says is on the terminal already.
    """

    def __init__(self, console: Console, *, verbose: bool, typed: bool) -> None:
        self._screen = Screen(console, verbose=verbose)
        self._verbose = verbose
        self._typed = typed
        self._sentence = ""  # as far as it was heard
        self._call: VoiceSession | None = None
        self._entries: list[_Entry] = []
        self.failed_turns = 0
        self.say = self._screen.say

    def follow(self, call: VoiceSession) -> None:
        self._call = call
        call.on_event(self._happened)

    def heard(self, text: str) -> None:
        """The caller has heard this."""
        *whole, self._sentence = (self._sentence + text).split("\n")
        for sentence in whole:
            self._line("agent", sentence, "green")

    def said(self, text: str) -> None:
        self._line("caller", text, "cyan", shown=not self._typed)

    def noted(self, text: str) -> None:
        self._line("note", text, "cyan")

    def failed(self, text: str) -> None:
        self._line("error", text, "bold red")

    def ended(self, end: CallEnd) -> None:
        self._line("end", f"{end.reason.value}: {end.detail}" if end.detail else end.reason.value, "bold")

    def facts(self) -> list[dict[str, Any]]:
        """For programs."""
        return [{**asdict(entry), "at": round(entry.at, 3)} for entry in self._entries]

    def _happened(self, event: CallEvent) -> None:
        match event:
            case UtteranceFinished(outcome=PlaybackOutcome.INTERRUPTED) if self._sentence:
                cut, self._sentence = self._sentence, ""
                self._line("agent", f"{cut}-", "green")
            case DtmfReceived(digit=digit):
                self._line("key", digit, "cyan")
            case ToolStarted(tool=tool, status=status):
                self._line("tool", f"{tool}: {status}" if status else tool, "magenta")
            case ToolFinished(tool=tool, duration_ms=took, outcome=outcome):
                self._line("tool", f"{tool} {outcome.value} after {took:.0f} ms", "magenta")
            case ProviderFailed(kind=kind, provider=provider, reason=reason, detail=detail):
                self._line("error", f"{kind} {provider}: {reason} {detail}".rstrip(), "bold red")
            case FloorChanged(state=state):
                self._line("state", state.value, "dim", shown=self._verbose)
            case TurnMeasured(latency_ms=latency, outcome=outcome):
                self.failed_turns += outcome is TurnOutcome.FAILED
                stages = ", ".join(f"{stage.stage.value} {stage.ms:.0f}" for stage in event.stages if stage.ms >= 1)
                first = "no sound" if latency is None else f"first sound after {latency:.0f} ms"
                text = f"{outcome.value}, {first}" + (f" ({stages})" if stages else "")
                self._line("turn", text, "dim", shown=self._verbose)
            case _:
                pass

    def _line(self, kind: str, text: str, style: str, *, shown: bool = True) -> None:
        at = 0.0 if self._call is None else self._call.elapsed()
        self._entries.append(_Entry(at, kind, text))
        if shown:
            self._screen.line(at, kind, text, style)


@contextmanager
def errors_shown(screen: ChatScreen) -> Iterator[None]:
    """Meanwhile, what is logged is not, but errors are lines of the screen."""
    root = logging.getLogger()
    others, root.handlers = root.handlers, [_OneLine(screen)]
    try:
        yield
    finally:
        root.handlers = others


class _OneLine(logging.Handler):
    """Errors of the runtime and of the program as one line each, without tracebacks."""

    def __init__(self, screen: ChatScreen) -> None:
        super().__init__(logging.ERROR)
        self._screen = screen
        self._where = ""  # in the program the brain has failed
        self._told: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and error is self._told:
            return  # a hook's: it has failed its task, and then the handler
        self._told = error
        where = "" if error is None else _where(error)
        if record.name == "voice_runtime.agent.thinking":
            self._where = where
            return  # what becomes of the turn is told next, with the error
        why = "" if error is None else f": {type(error).__name__}: {' '.join(str(error).split())}"
        where, self._where = where or self._where, ""
        self._screen.failed(" ".join(record.getMessage().split()) + why.removesuffix(": ") + where)


def _where(error: BaseException) -> str:
    """The line of the program, if it was in the program."""
    ours = str(Path(voice_runtime.__file__).parent)
    frames = [
        one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith((ours, *_LIBRARY))
    ]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
