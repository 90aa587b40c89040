"""Calls: https://www.twilio.com/docs/voice/api/call-resource"""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.fields import Asked, Fields
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.simulated_call import ENDED, CallStatus, SimulatedCall
from voice_runtime.simulator.rest.state import RestState
from voice_runtime.simulator.rest.telephony import CallUpdate

__all__ = ["Calls", "check_placing", "find_call"]

_MAX_INLINE_TWIML = 4000
_KEYS = re.compile(r"[0-9A-Da-d#*wW]{0,32}")
_CALLBACKS = frozenset({"initiated", "ringing", "answered", "completed"})
_RECORDING_CALLBACKS = frozenset({"in-progress", "completed", "absent"})
_KNOWN = frozenset(
    "To From Url Twiml ApplicationSid Method FallbackUrl FallbackMethod StatusCallback StatusCallbackEvent"
    " StatusCallbackMethod Timeout TimeLimit SendDigits MachineDetection MachineDetectionTimeout"
    " MachineDetectionSpeechThreshold MachineDetectionSpeechEndThreshold MachineDetectionSilenceTimeout AsyncAmd"
    " AsyncAmdStatusCallback AsyncAmdStatusCallbackMethod Record RecordingChannels RecordingTrack Trim"
    " RecordingStatusCallback RecordingStatusCallbackEvent RecordingStatusCallbackMethod RecordingConfigurationId"
    " CallerId CallReason CallToken Passports Byoc SipAuthUsername SipAuthPassword ClientNotificationUrl".split()
)


class Calls:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def create(self, asked: Asked) -> Response:
        fields = asked.fields
        for name in fields:
            if name not in _KNOWN:
                self._state.complain(f"{name} is no parameter of a new call: it is ignored")
        to, from_ = fields.address("To", 21211), fields.address("From", 21212)
        if not any(fields.get(name) for name in ("Url", "Twiml", "ApplicationSid")):
            raise Refusal.invalid("Url, Twiml or ApplicationSid is required")
        given = check_placing(self._state, fields)
        if not self._state.may_call_from(from_):
            raise Refusal(21210, f"The source phone number provided, {from_}, is not yet verified for your account.")
        events = fields.all("StatusCallbackEvent")
        call = self._state.add_call(
            to, from_, direction="outbound-api", fields=given, events=events, region=asked.region
        )
        call.recording_events = fields.all("RecordingStatusCallbackEvent")
        answer = JSONResponse(call.as_json(), 201)
        self._state.telephony.place(call)
        return answer

    def fetch(self, asked: Asked) -> Response:
        call = find_call(self._state, asked)
        seen = call.as_of(self._state.clock.wall() - self._state.lag) if self._state.lag else call
        if seen is None:
            raise asked.not_found()
        return JSONResponse(seen.as_json())

    def list(self, asked: Asked) -> Response:
        query = asked.fields
        behind = self._state.clock.wall() - self._state.lag
        seen = [call.as_of(behind) if self._state.lag else call for call in reversed(self._state.calls.values())]
        return listed(
            asked, "calls", [c for c in seen if c is not None and c.region == asked.region and _matches(c, query)]
        )

    def update(self, asked: Asked) -> Response:
        call, fields = find_call(self._state, asked), asked.fields
        if fields.get("Url") and fields.get("Twiml"):
            raise Refusal.invalid("Url and Twiml are mutually exclusive")
        _check_document(fields)
        status = fields.one_of("Status", ("completed", "canceled"))
        if call.status in ENDED or (not status and call.status is not CallStatus.IN_PROGRESS):
            raise Refusal(21220, "Call is not in-progress. Cannot redirect.")
        if status == "canceled" and call.status is CallStatus.IN_PROGRESS:
            raise Refusal(21220, "Call is in-progress. Cannot cancel.")
        if status:
            self._state.set_status(call, CallStatus(status))
            self._state.telephony.end(call)
        else:
            update = CallUpdate(
                url=fields.get("Url"),
                twiml=fields.get("Twiml"),
                method=fields.method("Method"),
                fallback_url=fields.get("FallbackUrl"),
                fallback_method=fields.method("FallbackMethod"),
                status_callback=fields.get("StatusCallback"),
                status_callback_method=fields.method("StatusCallbackMethod"),
                time_limit=fields.whole("TimeLimit", 14400, 1, 86400) if fields.get("TimeLimit") else None,
            )
            if update.url or update.twiml:
                call.twiml, call.url = update.twiml, update.url
            call.updated = self._state.clock.wall()
            self._state.telephony.update(call, update)
        return JSONResponse(call.as_json())

    def delete(self, asked: Asked) -> Response:
        call = find_call(self._state, asked)
        if call.status not in ENDED:
            raise Refusal(20009, "Cannot delete this resource before it is complete", 409)
        call.deleted = True
        return Response(status_code=204)


def find_call(state: RestState, asked: Asked) -> SimulatedCall:
    """The call that the path names as `call`. Raises Refusal when it is not there, or lives in another region."""
    call = state.calls.get(asked.names["call"])
    if call is None or call.deleted or call.region != asked.region:
        raise asked.not_found()
    return call


def check_placing(state: RestState, fields: Fields) -> dict[str, str]:
    """The fields of a call to be placed, as the network shall take them. Raises Refusal for what Twilio refuses."""
    _check_document(fields)
    for name in ("Method", "FallbackMethod", "StatusCallbackMethod", "RecordingStatusCallbackMethod"):
        fields.method(name)
    fields.method("AsyncAmdStatusCallbackMethod")
    for event in fields.all("StatusCallbackEvent"):
        if event not in _CALLBACKS:
            state.complain(f"StatusCallbackEvent {event!r} is none of {', '.join(sorted(_CALLBACKS))}: it is ignored")
    for event in fields.all("RecordingStatusCallbackEvent"):
        if event not in _RECORDING_CALLBACKS:
            state.complain(f"RecordingStatusCallbackEvent {event!r} is ignored")
    fields.whole("Timeout", 60, 1, 600)
    fields.whole("TimeLimit", 14400, 1, 86400)
    fields.flag("Record", False)
    fields.one_of("RecordingChannels", ("mono", "dual"))
    fields.one_of("RecordingTrack", ("inbound", "outbound", "both"))
    fields.one_of("Trim", ("trim-silence", "do-not-trim"))
    _check_detection(fields)
    if not _KEYS.fullmatch(fields.get("SendDigits")):
        raise Refusal.invalid("SendDigits is at most 32 of 0-9, A-D, #, *, w and W")
    return _understood(state, fields)


def _check_document(fields: Fields) -> None:
    if len(fields.get("Twiml")) > _MAX_INLINE_TWIML:
        raise Refusal(32018, f"Twiml is longer than {_MAX_INLINE_TWIML} characters")
    fields.url("Url", 21205)
    fields.url("FallbackUrl", 21205)
    for name in ("StatusCallback", "RecordingStatusCallback", "AsyncAmdStatusCallback"):
        fields.url(name, 21209)


def _check_detection(fields: Fields) -> None:
    fields.one_of("MachineDetection", ("Enable", "DetectMessageEnd"))
    fields.whole("MachineDetectionTimeout", 30, 3, 59)
    fields.whole("MachineDetectionSpeechThreshold", 2400, 1000, 6000)
    fields.whole("MachineDetectionSpeechEndThreshold", 1200, 500, 5000)
    fields.whole("MachineDetectionSilenceTimeout", 5000, 2000, 10000)


def _understood(state: RestState, fields: Fields) -> dict[str, str]:
    """Twilio's own reading of what can be misunderstood."""
    given = {name: value for name, value in fields.as_dict().items() if value}
    if application := given.get("ApplicationSid"):
        if application not in state.applications:
            raise Refusal(21218, f"Invalid ApplicationSid: {application}")
        given["Url"] = given.get("Url") or state.applications[application]
    if given.get("Url") and given.pop("Twiml", ""):
        state.complain("Url and Twiml are both given: Twiml is ignored")
    if given.get("SendDigits") and given.pop("MachineDetection", ""):
        state.complain("SendDigits is given: MachineDetection is ignored")
    if given.get("AsyncAmd", "false") not in ("true", "false"):
        # The Python SDK types it as a string and sends True as "True".
        state.complain(f'AsyncAmd {given["AsyncAmd"]!r} is taken for "false": write async_amd="true"')
        given["AsyncAmd"] = "false"
    if given.get("AsyncAmd") == "true" and not given.get("AsyncAmdStatusCallback"):
        state.complain("AsyncAmd without AsyncAmdStatusCallback: nobody hears of the outcome (warning 21262)")
    return given


def _matches(call: SimulatedCall, query: Fields) -> bool:
    return (
        not call.deleted
        and query.get("To", call.to) == call.to
        and query.get("From", call.from_) == call.from_
        and query.get("Status", call.status) == call.status
        and query.get("ParentCallSid", call.parent) == call.parent
        and query.covers("StartTime", call.created if call.started is None else call.started)
        and query.covers("EndTime", call.ended)
    )
