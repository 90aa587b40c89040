"""What the floor says is to be done: typed, frozen, imperative. Whoever carries them out decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from voice_runtime.events import FloorState as State

__all__ = [
    "AskEndOfTurn",
    "BeginTurn",
    "CancelThinking",
    "Command",
    "CommitTurn",
    "CorrectTurn",
    "DiscardTurn",
    "DropSpeech",
    "FinaliseStt",
    "GiveUpOnCaller",
    "PauseSpeech",
    "PromptSilentCaller",
    "RecordUnanswered",
    "ReportState",
    "ResumeSpeech",
    "ScheduleWakeup",
    "StartSpeech",
    "State",
    "StopSpeech",
    "Timer",
]


class Timer(Enum):
    """What a wake-up is for. There is one of each at a time: a new one replaces the old."""

    TURN_END = "turn_end"
    TURN_STALL = "turn_stall"
    TURN_LIMIT = "turn_limit"
    VOICE_CONFIRM = "voice_confirm"
    VOICE_STUCK = "voice_stuck"
    RESUME = "resume"
    SILENCE = "silence"
    AGENT_STUCK = "agent_stuck"


@dataclass(frozen=True, slots=True)
class ScheduleWakeup:
    """Send `Wakeup(token)` in `delay` seconds, and forget the last one for this `timer`."""

    timer: Timer
    delay: float
    token: int


@dataclass(frozen=True, slots=True)
class ReportState:
    """The state is another one now."""

    state: State


# -- the caller's turn ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FinaliseStt:
    """The voice has stopped: ask the recogniser for its final words now."""


@dataclass(frozen=True, slots=True)
class AskEndOfTurn:
    """Ask the end-of-turn model about `text`, the whole turn so far; answer with `EndOfTurnEstimated(request, ...)`."""

    request: int
    text: str


@dataclass(frozen=True, slots=True)
class BeginTurn:
    """Begin to think about what the caller said and keyed in. Nothing may act, be heard or be remembered yet."""

    turn: int
    text: str
    keys: str = ""


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The begun turn is real: its words are history, its tools may act, its speech may be heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class DiscardTurn:
    """The begun turn was a mistake: leave no trace of it."""

    turn: int


@dataclass(frozen=True, slots=True)
class CorrectTurn:
    """The words of a committed turn turned out to be these."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class CancelThinking:
    """Stop working on the answer to a committed turn. What the caller said stays said."""

    turn: int


@dataclass(frozen=True, slots=True)
class RecordUnanswered:
    """The call ended before these became a turn."""

    text: str
    keys: str = ""


# -- the agent's speech -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """The utterance has the floor."""

    utterance: int


@dataclass(frozen=True, slots=True)
class PauseSpeech:
    """Be silent at once (clear), and remember the last word heard."""

    utterance: int


@dataclass(frozen=True, slots=True)
class ResumeSpeech:
    """Go on at the word after the last one heard."""

    utterance: int


@dataclass(frozen=True, slots=True)
class StopSpeech:
    """Be silent at once (clear), for good. First the audio, then whoever makes it."""

    utterance: int


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """The queued utterance will never have the floor."""

    utterance: int


@dataclass(frozen=True, slots=True)
class PromptSilentCaller:
    """The caller says nothing: say something. `stage` counts from 1."""

    stage: int


@dataclass(frozen=True, slots=True)
class GiveUpOnCaller:
    """The caller said nothing to any prompt: say goodbye and hang up."""


Command = (
    ScheduleWakeup
    | ReportState
    | FinaliseStt
    | AskEndOfTurn
    | BeginTurn
    | CommitTurn
    | DiscardTurn
    | CorrectTurn
    | CancelThinking
    | RecordUnanswered
    | StartSpeech
    | PauseSpeech
    | ResumeSpeech
    | StopSpeech
    | DropSpeech
    | PromptSilentCaller
    | GiveUpOnCaller
)
