"""What happens on a call, as typed, frozen, past-tense events. Times are seconds of the call's own monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "CallConnected",
    "CallEnd",
    "CallEnded",
    "CallEvent",
    "ConversationState",
    "Direction",
    "DtmfReceived",
    "EndReason",
    "Fault",
    "FinalTranscript",
    "FloorChanged",
    "FloorState",
    "MarkOutcome",
    "MarkResolved",
    "PartialTranscript",
    "PlaybackOutcome",
    "ProviderFailed",
    "ProviderRecovered",
    "ProviderSwitched",
    "SpeechStarted",
    "StateChanged",
    "TokensUsed",
    "TurnDeclared",
    "UtteranceAudible",
    "UtteranceFinished",
    "UtteranceStarted",
]


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Fault(StrEnum):
    """Whose doing the end of a call was."""

    CALLER = "caller"
    AGENT = "agent"
    CARRIER = "carrier"
    PROVIDER = "provider"
    RUNTIME = "runtime"


class EndReason(StrEnum):
    """Why a call ended. `fault` says whose doing it was."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    HANDLER_RETURNED = "handler_returned"
    HANDLER_FAILED = "handler_failed"
    CONNECTION_LOST = "connection_lost"
    SEND_STALLED = "send_stalled"
    MAX_DURATION = "max_duration"
    DRAINED = "drained"
    RESET = "reset"
    CALLER_SILENT = "caller_silent"
    PROVIDER_FAILED = "provider_failed"
    MAX_TURNS = "max_turns"

    @property
    def fault(self) -> Fault:
        return _FAULTS[self]


_FAULTS = {
    EndReason.CALLER_HUNG_UP: Fault.CALLER,
    EndReason.AGENT_HUNG_UP: Fault.AGENT,
    EndReason.HANDLER_RETURNED: Fault.AGENT,
    EndReason.HANDLER_FAILED: Fault.AGENT,
    EndReason.CONNECTION_LOST: Fault.CARRIER,
    EndReason.SEND_STALLED: Fault.CARRIER,
    EndReason.MAX_DURATION: Fault.RUNTIME,
    EndReason.DRAINED: Fault.RUNTIME,
    EndReason.RESET: Fault.RUNTIME,
    EndReason.CALLER_SILENT: Fault.CALLER,
    EndReason.PROVIDER_FAILED: Fault.PROVIDER,
    EndReason.MAX_TURNS: Fault.AGENT,
}


class FloorState(StrEnum):
    """Who has the floor in a conversation. The picture is at the top of `turns/floor.py`."""

    LISTENING = "listening"
    CALLER_SPEAKING = "caller_speaking"
    ENDING_TURN = "ending_turn"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    ENDED = "ended"


class ConversationState(StrEnum):
    """What an agent's call is doing, as the caller has it: by what sounds, not by what is being prepared."""

    IDLE = "idle"
    """Nothing has been said yet."""
    LISTENING = "listening"
    """The caller speaks, or may."""
    THINKING = "thinking"
    """The caller's turn is over, and nothing of the answer sounds yet."""
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"
    """The caller has cut the agent, which is silent; until the turn is over, or the agent goes on."""
    ENDED = "ended"


class MarkOutcome(StrEnum):
    """What became of a mark. The carrier echoes marks on `clear` too, so an echo alone does not mean played."""

    PLAYED = "played"
    CLEARED = "cleared"
    DISCONNECTED = "disconnected"
    RESET = "reset"
    TIMED_OUT = "timed_out"


class PlaybackOutcome(StrEnum):
    """How an utterance ended."""

    PLAYED = "played"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DISCONNECTED = "disconnected"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """Why a call ended; `detail` is for people."""

    reason: EndReason
    detail: str = ""

    @property
    def fault(self) -> Fault:
        return self.reason.fault


@dataclass(frozen=True, slots=True)
class CallEvent:
    """`at`: seconds since the call was connected."""

    at: float


@dataclass(frozen=True, slots=True)
class CallConnected(CallEvent):
    """Media flows."""


@dataclass(frozen=True, slots=True)
class DtmfReceived(CallEvent):
    """The caller pressed a key: one of 0-9 * # A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class SpeechStarted(CallEvent):
    """The caller began to speak."""


@dataclass(frozen=True, slots=True)
class PartialTranscript(CallEvent):
    """What the caller seems to be saying; may change."""

    text: str


@dataclass(frozen=True, slots=True)
class FinalTranscript(CallEvent):
    """What the caller said."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnDeclared(CallEvent):
    """The recogniser says that the caller is done; most leave that to whoever listens."""


@dataclass(frozen=True, slots=True)
class FloorChanged(CallEvent):
    """The floor of the agent's conversation is somebody else's."""

    state: FloorState


@dataclass(frozen=True, slots=True)
class UtteranceStarted(CallEvent):
    """The agent's utterance `utterance` was begun. `text` is "" for audio that is not speech, and for a stream."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class UtteranceAudible(CallEvent):
    """The first audio of the utterance exists, and is on its way to the caller."""

    utterance: int


@dataclass(frozen=True, slots=True)
class UtteranceFinished(CallEvent):
    """The agent's utterance ended. `queued_ms`, `sent_ms`, `heard_ms`: how much audio got how far."""

    utterance: int
    text: str
    outcome: PlaybackOutcome
    queued_ms: float
    sent_ms: float
    heard_ms: float
    heard_text: str


@dataclass(frozen=True, slots=True)
class MarkResolved(CallEvent):
    """A mark came to its end."""

    name: str
    outcome: MarkOutcome


@dataclass(frozen=True, slots=True)
class StateChanged(CallEvent):
    """The conversation is in another state now."""

    state: ConversationState
    previous: ConversationState


@dataclass(frozen=True, slots=True)
class ProviderFailed(CallEvent):
    """Speech recognition ("stt") or synthesis ("tts") failed; the call goes on. `reason` is a short stable word."""

    kind: str
    provider: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class TokensUsed(CallEvent):
    """The agent's model used so many tokens for a request."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ProviderSwitched(CallEvent):
    """`provider` failed, and `to` goes on in its place: of speech recognition, of synthesis, or the brain ("llm").

    `lost_ms`: how long nothing had come of the first. `said`: what it had made of its answer, or of the text to say.
    """

    kind: str
    provider: str
    to: str
    reason: str
    detail: str
    lost_ms: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class ProviderRecovered(CallEvent):
    """`provider`, which was left alone after failures, was tried again on this call, and works."""

    kind: str
    provider: str


@dataclass(frozen=True, slots=True)
class CallEnded(CallEvent):
    """The last event of every call."""

    end: CallEnd
