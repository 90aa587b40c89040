"""What the floor is told: typed, frozen, in the past tense. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from voice_runtime.turns.policy import FloorPolicy

__all__ = [
    "AudioStalled",
    "CallEnded",
    "CallStarted",
    "EndOfTurnEstimated",
    "Event",
    "FinalHeard",
    "InterruptRequested",
    "KeyPressed",
    "NotUnderstood",
    "PartialHeard",
    "PolicyChanged",
    "SpeechHeard",
    "ThinkingEnded",
    "TurnDeclared",
    "UtteranceEnded",
    "UtteranceQueued",
    "VoiceStarted",
    "VoiceStopped",
    "Wakeup",
]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Media flows: from now on a silent caller is noticed."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """Nothing can be said or heard any more."""


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Other rules hold from now on; waits that run already keep their length."""

    policy: FloorPolicy


@dataclass(frozen=True, slots=True)
class Wakeup:
    """The time asked for with `ScheduleWakeup` has passed."""

    token: int


# -- the caller -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """Voice activity began, `voiced` seconds ago: a detector takes a while to be sure. `detected`: it was a voice
    detector that heard it, and not the recogniser that says so."""

    voiced: float = 0.0
    detected: bool = False


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """Voice activity ended, `silence` seconds ago."""

    silence: float = 0.0


@dataclass(frozen=True, slots=True)
class AudioStalled:
    """No audio of the caller has come for a while, so that no detector can tell that the voice ended."""


@dataclass(frozen=True, slots=True)
class PartialHeard:
    """What the caller seems to be saying, since the last final; may change. `confidence` 0 to 1, None: not told."""

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class FinalHeard:
    """What the caller said: one final piece."""

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """The caller spoke, and no words came of it: they are not silent, and the agent asks them to say it again."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """One of 0-9 * # A-D."""

    key: str


@dataclass(frozen=True, slots=True)
class EndOfTurnEstimated:
    """The answer to `AskEndOfTurn(request)`. None: the model failed, go on without it."""

    request: int
    probability: float | None


@dataclass(frozen=True, slots=True)
class TurnDeclared:
    """Somebody else decided that the caller's turn is over: a realtime model's server, a push-to-talk button."""


# -- the agent --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThinkingEnded:
    """All text of the turn's answer exists, or there will be none: finished, declined or failed."""

    turn: int


@dataclass(frozen=True, slots=True)
class UtteranceQueued:
    """The agent wants to say something: the answer to `turn`, or (None) something of its own accord."""

    utterance: int
    turn: int | None = None
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """The first audio of the utterance came out of the caller's phone."""

    utterance: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The utterance was played to its end, or failed, or was cut by somebody else than the floor."""

    utterance: int


@dataclass(frozen=True, slots=True)
class InterruptRequested:
    """The program wants silence. `force` stops also what is not interruptible."""

    force: bool = False


Event = (
    CallStarted
    | CallEnded
    | PolicyChanged
    | Wakeup
    | VoiceStarted
    | VoiceStopped
    | AudioStalled
    | PartialHeard
    | FinalHeard
    | NotUnderstood
    | KeyPressed
    | EndOfTurnEstimated
    | TurnDeclared
    | ThinkingEnded
    | UtteranceQueued
    | SpeechHeard
    | UtteranceEnded
    | InterruptRequested
)
