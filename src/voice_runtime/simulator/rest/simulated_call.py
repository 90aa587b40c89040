"""A call as the API knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from voice_runtime.simulator.rest.shapes import API_VERSION, account_path, formatted, rfc_2822, subresources

__all__ = ["ENDED", "CallStatus", "SimulatedCall"]


class CallStatus(StrEnum):
    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"


ENDED = frozenset({CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.FAILED, CallStatus.NO_ANSWER, CallStatus.CANCELED})
_BELOW = (
    "notifications recordings payments events siprec streams transcriptions"
    " user_defined_message_subscriptions user_defined_messages"
)


@dataclass
class SimulatedCall:
    """One call. `fields` is what the creating request said, by Twilio's names, the last value of each.

    Times are Unix seconds; `queue_time` is in ms. `parent` is the SID of the call whose <Dial> made this one.
    """

    sid: str
    account_sid: str
    to: str
    from_: str
    direction: str
    created: float
    fields: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    recording_events: tuple[str, ...] = ()
    status: CallStatus = CallStatus.QUEUED
    started: float | None = None
    ended: float | None = None
    updated: float = 0.0
    twiml: str = ""
    url: str = ""
    parent: str = ""
    region: str = "us1"
    answered_by: str = ""
    queue_time: int = 0
    deleted: bool = False
    """Its record is gone; the network may not have done with it."""
    history: list[tuple[float, CallStatus]] = field(default_factory=list)
    """When it became what, for readers who see it late."""

    @property
    def key(self) -> str:
        return self.sid

    def as_of(self, at: float) -> SimulatedCall | None:
        """What a reader sees who is behind the times: the call as it was `at`. None: it was not there yet."""
        if self.created > at:
            return None
        known = [(when, status) for when, status in self.history if when <= at]
        return replace(
            self,
            status=known[-1][1] if known else CallStatus.QUEUED,
            started=self.started if self.started is not None and self.started <= at else None,
            ended=self.ended if self.ended is not None and self.ended <= at else None,
            updated=known[-1][0] if known else self.created,
        )

    def as_json(self) -> dict[str, object]:
        """The call as Twilio's API shows it: RFC 2822 dates, numbers as strings, null for what is not known yet."""
        path = f"{account_path(self.account_sid)}/Calls/{self.sid}"
        inbound = self.direction == "inbound"
        duration = None if self.ended is None else str(round(self.ended - (self.started or self.ended)))
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "status": str(self.status),
            "direction": self.direction,
            "to": self.to,
            "to_formatted": formatted(self.to),
            "from": self.from_,
            "from_formatted": formatted(self.from_),
            "phone_number_sid": None,
            "parent_call_sid": self.parent or None,
            "answered_by": self.answered_by or None,
            "caller_name": "" if inbound else None,
            "forwarded_from": None,
            "group_sid": None,
            "trunk_sid": "",
            "stir_verstat": "TN-Validation-Passed-A" if inbound else None,
            "start_time": rfc_2822(self.started),
            "end_time": rfc_2822(self.ended),
            "duration": duration,
            "price": None,
            "price_unit": "USD",
            "queue_time": str(self.queue_time),
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "uri": f"{path}.json",
            "subresource_uris": subresources(path, _BELOW),
        }
