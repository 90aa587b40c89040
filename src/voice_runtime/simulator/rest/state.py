"""What the simulated Twilio account knows, and how it is told to misbehave."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from voice_runtime.clock import Clock, SystemClock
from voice_runtime.simulator.parameters import new_sid
from voice_runtime.simulator.rest.faults import Fault, Faults
from voice_runtime.simulator.rest.regions import HOME, ApiKey, Credentials
from voice_runtime.simulator.rest.simulated_call import ENDED, CallStatus, SimulatedCall
from voice_runtime.simulator.rest.simulated_conference import ConferenceStatus, SimulatedConference
from voice_runtime.simulator.rest.simulated_message import MessageStatus, SimulatedMessage
from voice_runtime.simulator.rest.simulated_number import SimulatedNumber
from voice_runtime.simulator.rest.simulated_recording import RecordingStatus, SimulatedRecording, SimulatedStream
from voice_runtime.simulator.rest.telephony import NoTelephony, Telephony
from voice_runtime.simulator.violations import Violation, ViolationCode

__all__ = ["Limits", "RestRequest", "RestState"]

_REMEMBERED_REQUESTS = 1000


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request that came in, for tests to look at. `fields` are of the form, or of the query of a GET."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...]
    user: str


@dataclass
class Limits:
    """What the account may do. `calls_per_second`: more than that waits in the queue; None is no limit."""

    calls_per_second: float | None = 1.0
    concurrent_requests: int | None = None
    """One more than that is 429, error 20429."""
    concurrent_calls: int | None = None
    """One more than that fails, error 10004."""


@dataclass
class RestState:
    """The account. `telephony` is the network behind it.

    `lag`: seconds by which GETs of calls are behind the truth. `opted_out`: numbers that want no messages.
    `undeliverable`: numbers that messages do not reach, and the error code of that. `applications`: TwiML
    applications (AP...) and their voice URLs. `verified_numbers`: beside the account's own, whom calls may come from;
    an account without any number does not ask. `violations`: what a request got away with, but meant otherwise.
    """

    account_sid: str = field(default_factory=lambda: new_sid("AC"))
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16))
    clock: Clock = field(default_factory=SystemClock)
    telephony: Telephony = field(default_factory=NoTelephony)
    lag: float = 0.0
    limits: Limits = field(default_factory=Limits)
    calls: dict[str, SimulatedCall] = field(default_factory=dict)
    messages: dict[str, SimulatedMessage] = field(default_factory=dict)
    conferences: dict[str, SimulatedConference] = field(default_factory=dict)
    recordings: dict[str, SimulatedRecording] = field(default_factory=dict)
    streams: dict[str, SimulatedStream] = field(default_factory=dict)
    numbers: dict[str, SimulatedNumber] = field(default_factory=dict)
    applications: dict[str, str] = field(default_factory=dict)
    verified_numbers: set[str] = field(default_factory=set)
    opted_out: set[str] = field(default_factory=set)
    undeliverable: dict[str, int] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    violations: list[Violation] = field(default_factory=list)
    in_flight: int = 0
    """Requests that are being answered."""
    requests: deque[RestRequest] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_REQUESTS))

    def __post_init__(self) -> None:
        self.credentials = Credentials(self.account_sid, self.auth_token)

    def add_api_key(self, sid: str, secret: str, region: str = HOME) -> None:
        self.credentials.keys[sid] = ApiKey(secret, region)

    def add_region(self, region: str, auth_token: str) -> None:
        """The account in another region, where it has another auth token."""
        self.credentials.tokens[region] = auth_token

    def complain(self, detail: str) -> None:
        """A request says something that Twilio silently takes for something else."""
        self.violations.append(Violation(0.0, ViolationCode.INVALID_PARAMETER, detail))

    def may_call_from(self, address: str) -> bool:
        owned = {number.phone_number for number in self.numbers.values()}
        return not owned or not address.startswith("+") or address in owned | self.verified_numbers

    # -- misbehaviour -------------------------------------------------------------------------------------------------

    def fail_next(self, *faults: Fault) -> None:
        """The next requests meet these, one each."""
        self.faults.in_turn(*faults)

    def fail_always(self, fault: Fault | None) -> None:
        """Every request that meets nothing else meets `fault`; None ends that."""
        self.faults.always(fault)

    def fail_by_chance(self, chance: float, *faults: Fault, seed: int = 0) -> None:
        """Each request meets one of `faults` with this chance. Without any: one of all named ones."""
        self.faults.by_chance(chance, seed, *faults)

    def next_fault(self) -> Fault | None:
        return self.faults.next()

    # -- what the carrier does ----------------------------------------------------------------------------------------

    def add_call(
        self,
        to: str,
        from_: str,
        *,
        direction: str = "inbound",
        fields: Mapping[str, str] | None = None,
        events: tuple[str, ...] = (),
        parent: str = "",
        region: str = HOME,
    ) -> SimulatedCall:
        """A new call, queued."""
        sid = new_sid("CA")
        given = fields or {}
        call = SimulatedCall(sid, self.account_sid, to, from_, direction, self.clock.wall(), given, events)
        call.twiml, call.url = given.get("Twiml", ""), given.get("Url", "")
        call.parent, call.region = parent, region
        self.calls[sid] = call
        return call

    def add_message(
        self, to: str, from_: str, body: str, fields: Mapping[str, str] | None = None, media: tuple[str, ...] = ()
    ) -> SimulatedMessage:
        sid = new_sid("MM" if media else "SM")
        message = SimulatedMessage(sid, self.account_sid, to, from_, body, self.clock.wall(), fields or {}, media=media)
        self.messages[sid] = message
        return message

    def add_number(
        self, phone_number: str, *, voice_url: str = "", status_callback: str = "", sms_url: str = ""
    ) -> SimulatedNumber:
        """A number of the account. It has more to set, which may be set afterwards."""
        sid = new_sid("PN")
        number = SimulatedNumber(sid, self.account_sid, phone_number, self.clock.wall())
        number.voice_url, number.status_callback, number.sms_url = voice_url, status_callback, sms_url
        self.numbers[sid] = number
        return number

    def number(self, phone_number: str) -> SimulatedNumber | None:
        return next((n for n in self.numbers.values() if n.phone_number == phone_number), None)

    def conference(self, name: str, *, create: bool = False, region: str = HOME) -> SimulatedConference | None:
        """The live conference of that SID or friendly name; a new one of that name when there is none."""
        for conference in self.conferences.values():
            if name in (conference.sid, conference.friendly_name) and conference.status != ConferenceStatus.COMPLETED:
                return conference
        if not create or name.startswith("CF"):
            return None
        sid = new_sid("CF")
        conference = SimulatedConference(sid, self.account_sid, name, self.clock.wall(), region=region)
        self.conferences[sid] = conference
        return conference

    def add_recording(
        self, call_sid: str, *, source: str = "StartCallRecordingAPI", conference_sid: str = "", channels: int = 1
    ) -> SimulatedRecording:
        """A recording that begins now."""
        recording = SimulatedRecording(new_sid("RE"), self.account_sid, call_sid, self.clock.wall())
        recording.source, recording.conference_sid, recording.channels = source, conference_sid, channels
        self.recordings[recording.sid] = recording
        return recording

    def set_status(self, call: SimulatedCall, status: CallStatus) -> None:
        """Move `call` on: answering starts its clock, ending stops it. An ended call stays as it is."""
        if call.status in ENDED:
            return
        now = self.clock.wall()
        call.status, call.updated = status, now
        call.history.append((now, status))
        if status is CallStatus.IN_PROGRESS and call.started is None:
            call.started = now
        if status in ENDED:
            call.ended = now

    def set_message_status(
        self, message: SimulatedMessage, status: MessageStatus, error_code: int | None = None
    ) -> None:
        message.status, message.error_code, message.updated = status, error_code, self.clock.wall()
        if status is MessageStatus.SENT:
            message.sent = message.updated

    def set_recording_status(self, recording: SimulatedRecording, status: RecordingStatus) -> None:
        recording.status, recording.updated = status, self.clock.wall()
