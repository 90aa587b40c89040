"""What the fields of a REST request say about a call that is to be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voice_runtime.simulator.machine_detection import detection_wanted
from voice_runtime.simulator.network import CallPlan, Document
from voice_runtime.simulator.recordings import RecordingOrder
from voice_runtime.simulator.rest import SimulatedCall, SimulatedConference, SimulatedParticipant
from voice_runtime.wire.twiml import DEFAULT_WAIT_URL, Dial, DialConference, parse_twiml

__all__ = ["call_plan", "conference_document", "document_of", "recording_order"]


def call_plan(known: SimulatedCall, document: Document, queued_for: float) -> CallPlan:
    """`document`: what the call does when it is answered."""
    fields = known.fields
    fallback = Document(fields.get("FallbackUrl", ""), fields.get("FallbackMethod", "POST"))
    record = None
    if fields.get("Record") == "true":
        record = recording_order("OutboundAPI", fields, known.recording_events)
    return CallPlan(
        document=document,
        status_callback=fields.get("StatusCallback", ""),
        status_method=fields.get("StatusCallbackMethod", "POST"),
        status_events=frozenset(known.events or ("completed",)),
        fallback=fallback if fallback.url else None,
        ring_timeout=float(fields.get("Timeout", "60")),
        queued_for=queued_for,
        time_limit=float(fields["TimeLimit"]) if fields.get("TimeLimit") else None,
        send_digits=fields.get("SendDigits", ""),
        machine_detection=detection_wanted(fields),
        record=record,
    )


def conference_document(room: SimulatedConference, participant: SimulatedParticipant, call: SimulatedCall) -> Document:
    """A participant that REST dials does what <Dial><Conference> would."""
    fields = call.fields
    record = fields.get("ConferenceRecord", "do-not-record")
    terms = DialConference(
        room.sid,
        muted=participant.muted,
        beep=fields.get("Beep", "true"),
        start_conference_on_enter=participant.start_conference_on_enter,
        end_conference_on_exit=participant.end_conference_on_exit,
        wait_url=fields.get("WaitUrl", DEFAULT_WAIT_URL),
        max_participants=int(fields.get("MaxParticipants") or 250),
        record={"true": "record-from-start", "false": "do-not-record"}.get(record, record),
        status_callback=fields.get("ConferenceStatusCallback", ""),
        status_callback_method=fields.get("ConferenceStatusCallbackMethod", "POST"),
        status_callback_event=fields.get("ConferenceStatusCallbackEvent", ""),
        recording_status_callback=fields.get("ConferenceRecordingStatusCallback", ""),
    )
    return Document(verbs=(Dial((terms,)),))


def recording_order(source: str, fields: Mapping[str, str], events: Sequence[str]) -> RecordingOrder:
    """What `fields` say about recording, by the names of the API ("Call resource", "Recordings")."""
    return RecordingOrder(
        source,
        channels=2 if fields.get("RecordingChannels") == "dual" else 1,
        track=fields.get("RecordingTrack", "both"),
        trim=fields.get("Trim", "trim-silence") == "trim-silence",
        callback=Document(
            fields.get("RecordingStatusCallback", ""), fields.get("RecordingStatusCallbackMethod", "POST")
        ),
        events=frozenset(events or ("completed",)),
    )


def document_of(twiml: str, url: str, method: str) -> Document:
    """ "If both Url and Twiml are given, Twiml is ignored." """
    return Document(url, method) if url else Document(verbs=tuple(parse_twiml(twiml)))
