"""What the simulated Twilio account knows: its calls, its messages, and how it is told to misbehave."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum

from voice_runtime.clock import Clock, SystemClock

__all__ = [
    "API_VERSION",
    "ENDED",
    "CallStatus",
    "Fault",
    "FaultKind",
    "RestRequest",
    "RestState",
    "SimulatedCall",
    "SimulatedMessage",
]

API_VERSION = "2010-04-01"
_REMEMBERED_REQUESTS = 1000


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


@dataclass
class SimulatedCall:
    """One call. `fields` is what the creating request said, by Twilio's names, the last value of each."""

    sid: str
    account_sid: str
    to: str
    from_: str
    direction: str
    created: float
    fields: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    status: CallStatus = CallStatus.QUEUED
    started: float | None = None
    ended: float | None = None
    updated: float = 0.0
    twiml: str = ""
    url: str = ""

    def as_json(self) -> dict[str, object]:
        """The call as Twilio's API shows it: RFC 2822 dates, numbers as strings, null for what is not known yet."""
        path = f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"
        over = self.ended is not None
        below = (
            "notifications recordings payments events siprec streams transcriptions"
            " user_defined_message_subscriptions user_defined_messages"
        )
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "status": str(self.status),
            "direction": self.direction,
            "to": self.to,
            "to_formatted": self.to,
            "from": self.from_,
            "from_formatted": self.from_,
            "phone_number_sid": None,
            "parent_call_sid": None,
            "answered_by": None,
            "caller_name": "" if self.direction == "inbound" else None,
            "forwarded_from": None,
            "group_sid": None,
            "trunk_sid": "",
            "start_time": _date(self.started),
            "end_time": _date(self.ended),
            "duration": str(round((self.ended or 0.0) - (self.started or self.ended or 0.0))) if over else None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "date_created": _date(self.created),
            "date_updated": _date(self.updated or self.created),
            "uri": f"{path}.json",
            "subresource_uris": {
                name: f"{path}/{''.join(word.title() for word in name.split('_'))}.json" for name in below.split()
            },
        }


@dataclass
class SimulatedMessage:
    """One text message that was sent through the API."""

    sid: str
    account_sid: str
    to: str
    from_: str
    body: str
    created: float
    fields: Mapping[str, str] = field(default_factory=dict)
    status: str = "queued"

    def as_json(self) -> dict[str, object]:
        path = f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": _date(self.created),
            "date_updated": _date(self.created),
            "date_sent": None,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": self.from_,
            "to": self.to,
            "messaging_service_sid": self.fields.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "status": self.status,
            "uri": f"{path}.json",
            "subresource_uris": {"media": f"{path}/Media.json"},
        }


def _date(at: float | None) -> str | None:
    return None if at is None else format_datetime(datetime.fromtimestamp(at, UTC))


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request that came in, for tests to look at. `fields` are of the form, or of the query of a GET."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...]
    user: str


class FaultKind(StrEnum):
    STALL = "stall"
    """Answer nothing for `seconds`, then rightly."""
    STATUS = "status"
    """Refuse with `status` and Twilio's error `code`."""
    NOT_JSON = "not-json"
    """Answer `status` with a page of HTML, as a proxy in between would."""
    REDIRECT = "redirect"
    """Send the client, and its credentials, to `location`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    kind: FaultKind
    seconds: float = 0.0
    status: int = 500
    code: int = 20500
    location: str = ""

    @classmethod
    def stall(cls, seconds: float) -> Fault:
        return cls(FaultKind.STALL, seconds=seconds)

    @classmethod
    def server_error(cls) -> Fault:
        return cls(FaultKind.STATUS)

    @classmethod
    def too_many_requests(cls) -> Fault:
        return cls(FaultKind.STATUS, status=429, code=20429)

    @classmethod
    def not_json(cls, status: int = 200) -> Fault:
        return cls(FaultKind.NOT_JSON, status=status)

    @classmethod
    def redirect(cls, location: str) -> Fault:
        return cls(FaultKind.REDIRECT, status=302, location=location)


class RestState:
    """The account. The carrier that owns the calls hears of new ones and of changes by the `on_...` hooks.

    Hooks are called on the server's loop, before the answer goes out, and must not block.
    """

    def __init__(self, *, account_sid: str = "", auth_token: str = "", clock: Clock | None = None) -> None:
        self.account_sid = account_sid or "AC" + secrets.token_hex(16)
        self.auth_token = auth_token or secrets.token_hex(16)
        self.api_keys: dict[str, str] = {}
        """Further user names (SK...) and their secrets."""
        self.strangers: set[str] = set()
        """User names whose region does not have our calls: 404 to every question about one."""
        self.calls: dict[str, SimulatedCall] = {}
        self.messages: dict[str, SimulatedMessage] = {}
        self.requests: deque[RestRequest] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.on_call_created: Callable[[SimulatedCall], None] = lambda _: None
        self.on_call_updated: Callable[[SimulatedCall], None] = lambda _: None
        self.on_message_created: Callable[[SimulatedMessage], None] = lambda _: None
        self._clock = clock or SystemClock()
        self._faults: deque[Fault] = deque()
        self._constant: Fault | None = None

    # -- misbehaviour -------------------------------------------------------------------------------------------------

    def fail_next(self, *faults: Fault) -> None:
        """The next requests meet these, one each."""
        self._faults.extend(faults)

    def fail_always(self, fault: Fault | None) -> None:
        """Every request that meets nothing else meets `fault`; None ends that."""
        self._constant = fault

    def next_fault(self) -> Fault | None:
        return self._faults.popleft() if self._faults else self._constant

    # -- what the carrier does ----------------------------------------------------------------------------------------

    def add_call(
        self,
        to: str,
        from_: str,
        *,
        direction: str = "inbound",
        fields: Mapping[str, str] | None = None,
        events: tuple[str, ...] = (),
    ) -> SimulatedCall:
        """A new call, queued."""
        sid = "CA" + secrets.token_hex(16)
        given = fields or {}
        call = SimulatedCall(sid, self.account_sid, to, from_, direction, self._clock.wall(), given, events)
        call.twiml, call.url = given.get("Twiml", ""), given.get("Url", "")
        self.calls[sid] = call
        return call

    def add_message(self, to: str, from_: str, body: str, fields: Mapping[str, str]) -> SimulatedMessage:
        sid = "SM" + secrets.token_hex(16)
        message = SimulatedMessage(sid, self.account_sid, to, from_, body, self._clock.wall(), fields)
        self.messages[sid] = message
        return message

    def set_status(self, call: SimulatedCall, status: CallStatus) -> None:
        """Move `call` on: answering starts its clock, ending stops it. An ended call stays as it is."""
        if call.status in ENDED:
            return
        now = self._clock.wall()
        call.status, call.updated = status, now
        if status is CallStatus.IN_PROGRESS and call.started is None:
            call.started = now
        if status in ENDED:
            call.ended = now
