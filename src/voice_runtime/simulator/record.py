"""What is left of a call when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.simulator.hearing import Heard, heard_in
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.report import transcript, write_stereo
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.stream import StreamEnd
from voice_runtime.simulator.timeline import Timeline
from voice_runtime.simulator.violations import Violation
from voice_runtime.simulator.webhooks import WebhookRequest

__all__ = ["CallRecord", "EndedBy", "StreamRecord"]


class EndedBy(StrEnum):
    CALLER = "caller"
    TWIML = "twiml"
    """<Hangup>, or nothing was left to do: what happens when the server closes the media socket."""
    REST = "rest"
    REJECTED = "rejected"
    NOT_ANSWERED = "not_answered"
    FAILED = "failed"
    """The application's TwiML could not be had, or was none."""
    TIME_LIMIT = "time_limit"
    CARRIER = "carrier"
    """The simulation was shut down."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    sid: str
    end: StreamEnd
    frames_sent: int
    frames_discarded: int
    bytes_received: int
    bytes_cleared: int
    messages_rejected: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """`ear` and `mouth`: mu-law, equally long, from the moment the call was answered; notes are on that clock."""

    sid: str
    direction: str
    status: CallStatus
    ended_by: EndedBy
    ear: bytes
    mouth: bytes
    notes: tuple[Annotation, ...]
    violations: tuple[Violation, ...]
    requests: tuple[WebhookRequest, ...]
    streams: tuple[StreamRecord, ...]

    @property
    def seconds(self) -> float:
        return len(self.ear) / SAMPLE_RATE

    @property
    def faults(self) -> tuple[Violation, ...]:
        """The violations that are not harmless. A server that closes its socket may do so when its TwiML goes on."""
        return tuple(v for v in self.violations if not v.harmless)

    @property
    def timeline(self) -> Timeline:
        return Timeline.of(self.ear, self.mouth, self.notes)

    @property
    def heard(self) -> Heard:
        """The agent's words that reached the ear, each with its time and whether it was whole; read anew each time."""
        return heard_in(self.ear)

    @property
    def message(self) -> str:
        """What was left on an answering machine: the words that were heard after its beep."""
        beeps = [note.until for note in self.notes if note.kind is NoteKind.BEEP]
        return self.heard.since(beeps[-1]).text if beeps else ""

    def transcript(self) -> str:
        """The notes, and between them what the ear heard: `agent ... hello wor-` was cut off in the second word."""
        return transcript([*self.notes, *self.heard.utterances()])

    def write_wav(self, path: str | Path) -> None:
        """The call in stereo: caller left, agent right."""
        write_stereo(path, self.mouth, self.ear)
