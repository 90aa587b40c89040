"""What happens on a line, told while it happens: who looks every few milliseconds misses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE, SILENCE_FRAME
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.handset import AUDIBLE_DBFS
from voice_runtime.simulator.hearing import Heard, Hearing
from voice_runtime.simulator.notes import Annotation
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.violations import Violation
from voice_runtime.simulator.webhooks import WebhookRequest

__all__ = ["AgentFellSilent", "AgentSpoke", "Happening", "Noted", "Onlooker", "Requested", "StatusChanged", "Violated"]

_PAUSE_SECONDS = 0.4
"""A pause between words is shorter: the agent still speaks."""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    at: float
    status: CallStatus


@dataclass(frozen=True, slots=True)
class AgentSpoke:
    """It began to, at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class AgentFellSilent:
    """At `at`, after `seconds` of sound, `level_dbfs` loud. `words`: what could be read, if they were spelled."""

    at: float
    seconds: float
    level_dbfs: float
    words: str


@dataclass(frozen=True, slots=True)
class Noted:
    note: Annotation


@dataclass(frozen=True, slots=True)
class Violated:
    violation: Violation


@dataclass(frozen=True, slots=True)
class Requested:
    at: float
    request: WebhookRequest


Happening: TypeAlias = StatusChanged | AgentSpoke | AgentFellSilent | Noted | Violated | Requested


class Onlooker:
    """Looks at one call. Times are seconds on its line."""

    def __init__(self, call: PhoneCall) -> None:
        self._live = call.live
        self._status = CallStatus.QUEUED
        self._notes = self._violations = self._requests = 0
        self._examined = 0  # bytes of the ear
        self._began: int | None = None  # where the agent began to speak, in bytes
        self._last_sound = 0
        self._hearing = Hearing(call.live.handset.ear)
        self._words = 0  # that were told

    def look(self) -> list[Happening]:
        """What happened since the last look."""
        live, found = self._live, list[Happening]()
        for request in live.webhooks.requests[self._requests :]:
            self._requests += 1
            found.append(Requested(live.handset.time, request))
        if live.status is not self._status:
            self._status = live.status
            found.append(StatusChanged(live.handset.time, live.status))
        self._listen(found)
        for note in live.handset.notes[self._notes :]:
            self._notes += 1
            found.append(Noted(note))
        for violation in live.violations[self._violations :]:
            self._violations += 1
            found.append(Violated(violation))
        return found

    def close(self) -> list[Happening]:
        """What was left when the call ended."""
        found = self.look()
        self._silent(found)
        return found

    def _listen(self, found: list[Happening]) -> None:
        ear = self._live.handset.ear
        while len(ear) - self._examined >= FRAME_BYTES:
            frame = bytes(ear[self._examined : self._examined + FRAME_BYTES])
            if frame != SILENCE_FRAME and level_dbfs(frame) > AUDIBLE_DBFS:
                if self._began is None:
                    self._began = self._examined
                    found.append(AgentSpoke(self._began / SAMPLE_RATE))
                self._last_sound = self._examined + FRAME_BYTES
            self._examined += FRAME_BYTES
            if self._examined - self._last_sound >= _PAUSE_SECONDS * SAMPLE_RATE:
                self._silent(found)

    def _silent(self, found: list[Happening]) -> None:
        if self._began is None:
            return
        heard = bytes(self._live.handset.ear[self._began : self._last_sound])
        seconds = len(heard) / SAMPLE_RATE
        words = Heard(self._hearing.heard[self._words :])
        self._words += len(words)
        found.append(AgentFellSilent(self._last_sound / SAMPLE_RATE, seconds, level_dbfs(heard), words.text))
        self._began = None
