"""Who is in a conference: https://www.twilio.com/docs/voice/api/conference-participant-resource"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.calls import check_placing
from voice_runtime.simulator.rest.fields import Asked, Fields
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.simulated_conference import (
    ParticipantStatus,
    SimulatedConference,
    SimulatedParticipant,
)
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Participants"]


class Participants:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def create(self, asked: Asked) -> Response:
        """Dial somebody into the conference. A name that is not in use makes a new one; a SID must be live."""
        fields = asked.fields
        to = self._whom(fields)
        from_ = fields.address("From", 21212)
        if not self._state.may_call_from(from_):
            raise Refusal(21210, f"The source phone number provided, {from_}, is not yet verified for your account.")
        self._check(fields)
        given = check_placing(self._state, _as_call(fields))
        label = fields.get("Label")
        conference = self._state.conference(asked.names["conference"], create=True, region=asked.region)
        if conference is None:
            raise asked.not_found()
        if label and conference.named(label) is not None:
            raise Refusal(16025, f"Participant label {label!r} is already in use in this conference")
        events = tuple(" ".join(fields.all("StatusCallbackEvent")).split())
        call = self._state.add_call(
            to, from_, direction="outbound-api", fields=given, events=events, region=asked.region
        )
        participant = SimulatedParticipant(
            call.sid, conference.sid, conference.account_sid, call.created, label, ParticipantStatus.QUEUED
        )
        participant.start_conference_on_enter = fields.flag("StartConferenceOnEnter", True)
        self._set_flags(participant, fields)
        conference.participants[call.sid] = participant
        answer = JSONResponse(participant.as_json(), 201)
        self._state.telephony.dial_participant(participant, call)
        return answer

    def _whom(self, fields: Fields) -> str:
        to = fields.get("To")
        if not to.startswith("app:"):
            return fields.address("To", 21211)
        if to.removeprefix("app:").partition("?")[0] not in self._state.applications:
            raise Refusal(21218, f"Invalid ApplicationSid: {to}")
        return to

    @staticmethod
    def _check(fields: Fields) -> None:
        fields.whole("Timeout", 60, 5, 600)
        fields.whole("MaxParticipants", 250, 2, 250)
        fields.one_of("Beep", ("true", "false", "onEnter", "onExit"))
        fields.one_of("JitterBufferSize", ("off", "small", "medium", "large"))
        fields.flag("EarlyMedia", True)
        if fields.flag("Coaching", False) and not fields.get("CallSidToCoach"):
            raise Refusal.invalid("Coaching needs CallSidToCoach")

    def list(self, asked: Asked) -> Response:
        query, conference = asked.fields, self._conference(asked)

        def wanted(participant: SimulatedParticipant) -> bool:
            flags = {"Muted": participant.muted, "Hold": participant.hold, "Coaching": participant.coaching}
            return all(query.flag(name, value) is value for name, value in flags.items())

        return listed(asked, "participants", [p for p in reversed(conference.participants.values()) if wanted(p)])

    def fetch(self, asked: Asked) -> Response:
        return JSONResponse(self._found(asked).as_json())

    def update(self, asked: Asked) -> Response:
        participant, fields = self._found(asked), asked.fields
        for name in ("HoldUrl", "AnnounceUrl", "WaitUrl"):
            fields.url(name, 21205)
        for name in ("HoldMethod", "AnnounceMethod", "WaitMethod"):
            fields.method(name)
        self._set_flags(participant, fields)
        participant.updated = self._state.clock.wall()
        self._state.telephony.change_participant(participant, fields.as_dict())
        return JSONResponse(participant.as_json())

    def delete(self, asked: Asked) -> Response:
        """Hang up on it."""
        participant = self._found(asked)
        del self._state.conferences[participant.conference_sid].participants[participant.call_sid]
        self._state.telephony.remove_participant(participant)
        return Response(status_code=204)

    @staticmethod
    def _set_flags(participant: SimulatedParticipant, fields: Fields) -> None:
        participant.muted = fields.flag("Muted", participant.muted)
        participant.hold = fields.flag("Hold", participant.hold)
        participant.coaching = fields.flag("Coaching", participant.coaching)
        participant.call_sid_to_coach = fields.get("CallSidToCoach", participant.call_sid_to_coach)
        participant.end_conference_on_exit = fields.flag("EndConferenceOnExit", participant.end_conference_on_exit)

    def _conference(self, asked: Asked) -> SimulatedConference:
        conference = self._state.conference(asked.names["conference"])
        if conference is None:
            raise asked.not_found()
        return conference

    def _found(self, asked: Asked) -> SimulatedParticipant:
        participant = self._conference(asked).named(asked.names["participant"])
        if participant is None:
            raise asked.not_found()
        return participant


def _as_call(fields: Fields) -> Fields:
    """What of a participant are wishes for its call. Its events are one string, as in TwiML, or repeated."""
    pairs = [(name, value) for name, value in fields.pairs if name != "StatusCallbackEvent"]
    events = " ".join(fields.all("StatusCallbackEvent")).split()
    return Fields([*pairs, *(("StatusCallbackEvent", event) for event in events)])
