"""Recordings and streams of a call, as the API knows them. Whoever makes them keeps them true."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voice_runtime.simulator.rest.shapes import API_VERSION, account_path, rfc_2822, subresources

__all__ = ["RecordingStatus", "SimulatedRecording", "SimulatedStream"]


class RecordingStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    PAUSED = "paused"
    STOPPED = "stopped"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ABSENT = "absent"


@dataclass
class SimulatedRecording:
    """`duration` in seconds, once it is known; `wav` is the file, once there is one."""

    sid: str
    account_sid: str
    call_sid: str
    created: float
    status: str = RecordingStatus.IN_PROGRESS
    source: str = "StartCallRecordingAPI"
    channels: int = 1
    track: str = "both"
    conference_sid: str = ""
    duration: int | None = None
    error_code: int | None = None
    updated: float = 0.0
    wav: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.sid

    @property
    def live(self) -> bool:
        return self.status in (RecordingStatus.IN_PROGRESS, RecordingStatus.PAUSED)

    @property
    def path(self) -> str:
        return f"{account_path(self.account_sid)}/Recordings/{self.sid}"

    def as_json(self) -> dict[str, object]:
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "call_sid": self.call_sid,
            "conference_sid": self.conference_sid or None,
            "api_version": API_VERSION,
            "status": str(self.status),
            "source": self.source,
            "channels": self.channels,
            "track": self.track,
            "duration": None if self.duration is None else str(self.duration),
            "start_time": rfc_2822(self.created),
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "price": None,
            "price_unit": "USD",
            "error_code": self.error_code,
            "encryption_details": None,
            "media_url": f"https://api.twilio.com{self.path}",
            "uri": f"{self.path}.json",
            "subresource_uris": subresources(self.path, "transcriptions")
            | {"add_on_results": f"{self.path}/AddOnResults.json"},
        }


@dataclass
class SimulatedStream:
    """A unidirectional stream that was started by REST. `parameters` become its customParameters."""

    sid: str
    account_sid: str
    call_sid: str
    url: str
    created: float
    name: str = ""
    track: str = "inbound_track"
    status_callback: str = ""
    status_callback_method: str = "POST"
    parameters: dict[str, str] = field(default_factory=dict)
    status: str = "in-progress"
    updated: float = 0.0

    def as_json(self) -> dict[str, object]:
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "call_sid": self.call_sid,
            "name": self.name or None,
            "status": self.status,
            "date_updated": rfc_2822(self.updated or self.created),
            "uri": f"{account_path(self.account_sid)}/Calls/{self.call_sid}/Streams/{self.sid}.json",
        }
