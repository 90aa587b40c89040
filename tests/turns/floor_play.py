"""A floor, a clock that stands where it is put, and the wake-ups that were asked for: transcripts of turn-taking.

play = FloorPlay()
play.at(0.0, VoiceStarted())
play.at(0.8, VoiceStopped())
play.at(0.9, FinalHeard("two pizzas"))
assert play.until(1.3) == ["1.3 begin 1 'two pizzas'", "1.3 commit 1"]
"""

from __future__ import annotations

from typing import assert_never

from voice_runtime.turns import commands as do
from voice_runtime.turns.commands import Command, State, Timer
from voice_runtime.turns.events import CallStarted, Event, SpeechHeard, UtteranceQueued, Wakeup
from voice_runtime.turns.floor import Floor
from voice_runtime.turns.policy import FloorPolicy


class FloorPlay:
    """What the shell does, in miniature: it keeps one wake-up per timer, and rings it on time."""

    def __init__(self, policy: FloorPolicy | None = None) -> None:
        self.floor = Floor(policy or FloorPolicy(preemptive=True))
        self.now = 0.0
        self.commands: list[Command] = []
        self.lines: list[str] = []
        self._due: dict[Timer, tuple[float, int]] = {}

    @property
    def state(self) -> State:
        return self.floor.state

    def at(self, time: float, *events: Event) -> list[str]:
        """Let time pass until `time`, then let this happen. The lines of both."""
        lines = self.until(time)
        for event in events:
            lines += self._feed(event)
        return lines

    def until(self, time: float) -> list[str]:
        """Let time pass. What was said to be done, without the states and the wake-ups."""
        lines: list[str] = []
        while self._due:
            timer, (due, token) = min(self._due.items(), key=lambda item: item[1])
            if due > time + 1e-9:
                break
            del self._due[timer]
            self.now = max(self.now, due)
            lines += self._feed(Wakeup(token))
        self.now = max(self.now, time)
        return lines

    @property
    def waits(self) -> bool:
        return bool(self._due)

    def _feed(self, event: Event) -> list[str]:
        lines: list[str] = []
        for command in self.floor.handle(event, self.now):
            self.commands.append(command)
            if isinstance(command, do.ScheduleWakeup):
                self._due[command.timer] = (self.now + command.delay, command.token)
            elif (said := line(command)) is not None:
                lines.append(f"{round(self.now, 3):g} {said}")
        self.lines += lines
        return lines


def line(command: Command) -> str | None:
    """A command as a transcript has it; None for what is only bookkeeping."""
    match command:
        case do.ScheduleWakeup() | do.ReportState():
            return None
        case do.FinaliseStt():
            return "finalise"
        case do.AskEndOfTurn(request, text):
            return f"ask {request} {text!r}"
        case do.BeginTurn(turn, text, keys):
            return f"begin {turn} {text!r}" + (f" keys {keys}" if keys else "")
        case do.CommitTurn(turn):
            return f"commit {turn}"
        case do.DiscardTurn(turn):
            return f"discard {turn}"
        case do.CorrectTurn(turn, text):
            return f"correct {turn} {text!r}"
        case do.CancelThinking(turn):
            return f"cancel {turn}"
        case do.RecordUnanswered(text, keys):
            return f"unanswered {text!r}" + (f" keys {keys}" if keys else "")
        case do.StartSpeech(utterance):
            return f"start {utterance}"
        case do.PauseSpeech(utterance):
            return f"pause {utterance}"
        case do.ResumeSpeech(utterance):
            return f"resume {utterance}"
        case do.StopSpeech(utterance):
            return f"stop {utterance}"
        case do.DropSpeech(utterance):
            return f"drop {utterance}"
        case do.PromptSilentCaller(stage):
            return f"prompt {stage}"
        case do.GiveUpOnCaller():
            return "give up"
        case _:
            assert_never(command)


def speaking(policy: FloorPolicy | None = None, *, interruptible: bool = True) -> FloorPlay:
    """The agent speaks since 0.0: utterance 1, audible."""
    play = FloorPlay(policy)
    play.at(0.0, CallStarted(), UtteranceQueued(1, None, interruptible), SpeechHeard(1))
    return play
