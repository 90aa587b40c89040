"""What happens on a call, as typed, frozen, past-tense events. Times are seconds of the call's own monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "AgentInterrupted",
    "AgentTurnFinished",
    "AnsweredBy",
    "AudioStalled",
    "BrainWork",
    "CallConnected",
    "CallEnd",
    "CallEnded",
    "CallEvent",
    "CallerTurnCorrected",
    "CallerTurnTaken",
    "ConversationState",
    "Direction",
    "DtmfReceived",
    "EndReason",
    "Fault",
    "FinalTranscript",
    "FloorChanged",
    "FloorState",
    "HandedOff",
    "MarkOutcome",
    "MarkResolved",
    "PartialTranscript",
    "PlaybackOutcome",
    "ProviderFailed",
    "ProviderRecovered",
    "ProviderSwitched",
    "SpeechStarted",
    "Stage",
    "StageOwner",
    "StageTime",
    "StateChanged",
    "TokensUsed",
    "ToolFinished",
    "ToolOutcome",
    "ToolStarted",
    "TurnDeclared",
    "TurnMeasured",
    "TurnOutcome",
    "UtteranceAudible",
    "UtteranceFinished",
    "UtteranceStarted",
    "VoiceStarted",
    "VoiceStopped",
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
    TRANSFERRED = "transferred"
    PROVIDER_FAILED = "provider_failed"
    MAX_TURNS = "max_turns"
    MAX_SPEND = "max_spend"
    MACHINE_ANSWERED = "machine_answered"

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
    EndReason.TRANSFERRED: Fault.AGENT,
    EndReason.PROVIDER_FAILED: Fault.PROVIDER,
    EndReason.MAX_TURNS: Fault.AGENT,
    EndReason.MAX_SPEND: Fault.AGENT,
    EndReason.MACHINE_ANSWERED: Fault.CALLER,
}


class AnsweredBy(StrEnum):
    """Who answers a call that was placed, as the carrier's answering machine detection has it."""

    HUMAN = "human"
    MACHINE_START = "machine_start"
    """Its greeting goes on."""
    MACHINE_END_BEEP = "machine_end_beep"
    MACHINE_END_SILENCE = "machine_end_silence"
    MACHINE_END_OTHER = "machine_end_other"
    FAX = "fax"
    UNKNOWN = "unknown"

    @property
    def machine(self) -> bool:
        return self not in (AnsweredBy.HUMAN, AnsweredBy.UNKNOWN)


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


class ToolOutcome(StrEnum):
    """How a tool of an agent's ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REFUSED = "refused"


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
    """The caller began to speak, says the recogniser."""


@dataclass(frozen=True, slots=True)
class VoiceStarted(CallEvent):
    """The caller's voice began `voiced` seconds ago, says the voice detector. `onset`: the audio (mu-law) from a moment
    before that until now, so that the first syllable is in it."""

    voiced: float
    onset: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class VoiceStopped(CallEvent):
    """The caller's voice ended `silence` seconds ago, says the voice detector."""

    silence: float


@dataclass(frozen=True, slots=True)
class AudioStalled(CallEvent):
    """No audio of the caller has come for `seconds`, in the middle of their voice: nobody can tell when that ended."""

    seconds: float


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
    """The agent's utterance ended. `queued_ms`, `sent_ms`, `heard_ms`: how much audio got how far.

    `sent_at`: when its first audio was handed to the carrier; `plays_at`: when the carrier begins to play that, which
    is later if it still plays something else; both as `at`, None when none was sent. `characters`: given to synthesis.
    """

    utterance: int
    text: str
    outcome: PlaybackOutcome
    queued_ms: float
    sent_ms: float
    heard_ms: float
    heard_text: str
    sent_at: float | None = None
    plays_at: float | None = None
    characters: int = 0


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
    """Speech recognition ("stt"), synthesis ("tts") or voice detection ("vad") failed; the call goes on.

    `reason` is a short stable word."""

    kind: str
    provider: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class TokensUsed(CallEvent):
    """The agent's model used so many tokens for a request."""

    input_tokens: int
    output_tokens: int


# -- an agent's turns -------------------------------------------------------------------------------------------------


class StageOwner(StrEnum):
    """Who takes the time of a stage."""

    STT = "stt"
    POLICY = "policy"
    BRAIN = "brain"
    TTS = "tts"
    RUNTIME = "runtime"
    CARRIER = "carrier"


class Stage(StrEnum):
    """What happens from the end of the caller's speech to the first sound of the answer, in this order."""

    TRANSCRIBING = "transcribing"
    """The voice has ended; the recogniser's last words are to come."""
    WAITING = "waiting"
    """The words are there; whether the caller goes on is to be seen."""
    PREPARING = "preparing"
    """The turn is over; the brain is to be asked, which may have been done before."""
    THINKING = "thinking"
    """Until the first piece of text."""
    WRITING = "writing"
    """Until the first sentence is whole."""
    QUEUEING = "queueing"
    """Until synthesis is asked: something else may be being said."""
    SYNTHESISING = "synthesising"
    """Until the first audio."""
    SENDING = "sending"
    """Until it was handed to the carrier."""
    PLAYING = "playing"
    """Until the carrier plays it: the end of what it was sent before."""

    @property
    def owner(self) -> StageOwner:
        return _OWNERS[self]


_OWNERS = {
    Stage.TRANSCRIBING: StageOwner.STT,
    Stage.WAITING: StageOwner.POLICY,
    Stage.PREPARING: StageOwner.RUNTIME,
    Stage.THINKING: StageOwner.BRAIN,
    Stage.WRITING: StageOwner.BRAIN,
    Stage.QUEUEING: StageOwner.RUNTIME,
    Stage.SYNTHESISING: StageOwner.TTS,
    Stage.SENDING: StageOwner.RUNTIME,
    Stage.PLAYING: StageOwner.CARRIER,
}


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took. It began when the one before it ended."""

    stage: Stage
    ms: float

    @property
    def owner(self) -> StageOwner:
        return self.stage.owner


class TurnOutcome(StrEnum):
    """What became of a turn."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DISCARDED = "discarded"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class BrainWork:
    """The brain's part of a turn: asked and done when (as `at`), and the tokens that it reported."""

    asked_at: float
    ended_at: float
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CallerTurnTaken(CallEvent):
    """The caller's turn `turn` is over: this is what they said and keyed in, and what is answered."""

    turn: int
    text: str
    keys: str


@dataclass(frozen=True, slots=True)
class CallerTurnCorrected(CallEvent):
    """The words of a turn that was taken turned out to be these."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class AgentTurnFinished(CallEvent):
    """The agent is done with saying something, of which the caller heard `heard_text`. `interrupted`: there was more.

    `turn`: the caller's turn that it answers; None: said of its own accord.
    """

    turn: int | None
    heard_text: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class AgentInterrupted(CallEvent):
    """The caller made the agent fall silent, `latency_ms` after the onset of their voice. `paused`: it may go on."""

    latency_ms: float
    paused: bool


@dataclass(frozen=True, slots=True)
class TurnMeasured(CallEvent):
    """A turn is over, and this is how long the caller waited: once for each turn that was begun.

    `began_at`: the end of the caller's speech, as `at`. `latency_ms`: from then to the first sound of the answer, as
    the carrier plays it; None when there was none. It is measured; `stages` divide it, as far as the turn got.
    `filler`: that first sound was a phrase to fill the time. `characters`: of the answer, given to synthesis.
    """

    turn: int
    outcome: TurnOutcome
    began_at: float
    latency_ms: float | None
    stages: tuple[StageTime, ...]
    filler: bool
    brain: BrainWork | None
    characters: int


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
class ToolStarted(CallEvent):
    """The agent's model called a tool: the call's `number`th. `status`: what it is doing, for people, or "".

    `tool`: its name; "unknown" when there is none of that name.
    """

    number: int
    tool: str
    status: str


@dataclass(frozen=True, slots=True)
class ToolFinished(CallEvent):
    """That tool call is over, after `duration_ms`."""

    number: int
    tool: str
    duration_ms: float
    outcome: ToolOutcome


@dataclass(frozen=True, slots=True)
class HandedOff(CallEvent):
    """Another agent answers this call from now on: the names of both."""

    agent: str
    to: str


@dataclass(frozen=True, slots=True)
class CallEnded(CallEvent):
    """The last event of every call."""

    end: CallEnd
