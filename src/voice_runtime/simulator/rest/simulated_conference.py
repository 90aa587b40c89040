"""A conference and who is in it, as the API knows them. Whoever carries the conference keeps them true."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voice_runtime.simulator.rest.shapes import API_VERSION, account_path, rfc_2822, subresources

__all__ = ["ConferenceStatus", "ParticipantStatus", "SimulatedConference", "SimulatedParticipant"]


class ConferenceStatus(StrEnum):
    INIT = "init"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


class ParticipantStatus(StrEnum):
    QUEUED = "queued"
    CONNECTING = "connecting"
    RINGING = "ringing"
    CONNECTED = "connected"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass
class SimulatedParticipant:
    """One call in a conference, or on its way into it. Times are Unix seconds."""

    call_sid: str
    conference_sid: str
    account_sid: str
    created: float
    label: str = ""
    status: str = ParticipantStatus.CONNECTED
    muted: bool = False
    hold: bool = False
    coaching: bool = False
    call_sid_to_coach: str = ""
    start_conference_on_enter: bool = True
    end_conference_on_exit: bool = False
    updated: float = 0.0
    queue_time: int = 0

    @property
    def key(self) -> str:
        return self.call_sid

    def as_json(self) -> dict[str, object]:
        path = f"{account_path(self.account_sid)}/Conferences/{self.conference_sid}/Participants/{self.call_sid}"
        return {
            "account_sid": self.account_sid,
            "call_sid": self.call_sid,
            "conference_sid": self.conference_sid,
            "label": self.label or None,
            "call_sid_to_coach": self.call_sid_to_coach or None,
            "coaching": self.coaching,
            "muted": self.muted,
            "hold": self.hold,
            "start_conference_on_enter": self.start_conference_on_enter,
            "end_conference_on_exit": self.end_conference_on_exit,
            "status": str(self.status),
            "queue_time": str(self.queue_time),
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "uri": f"{path}.json",
        }


@dataclass
class SimulatedConference:
    """`participants`: by call SID, those who are in it or are being dialled."""

    sid: str
    account_sid: str
    friendly_name: str
    created: float
    status: str = ConferenceStatus.INIT
    region: str = "us1"
    updated: float = 0.0
    reason_ended: str = ""
    call_sid_ending: str = ""
    participants: dict[str, SimulatedParticipant] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.sid

    def named(self, call_sid_or_label: str) -> SimulatedParticipant | None:
        by_label = (p for p in self.participants.values() if p.label == call_sid_or_label)
        return self.participants.get(call_sid_or_label) or next(by_label, None)

    def as_json(self) -> dict[str, object]:
        path = f"{account_path(self.account_sid)}/Conferences/{self.sid}"
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "sid": self.sid,
            "friendly_name": self.friendly_name,
            "status": str(self.status),
            "region": self.region,
            "reason_conference_ended": self.reason_ended or None,
            "call_sid_ending_conference": self.call_sid_ending or None,
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "uri": f"{path}.json",
            "subresource_uris": subresources(path, "participants recordings"),
        }
