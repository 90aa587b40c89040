"""Recordings: https://www.twilio.com/docs/voice/api/recording"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.calls import find_call
from voice_runtime.simulator.rest.fields import Asked
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.simulated_call import CallStatus
from voice_runtime.simulator.rest.simulated_recording import RecordingStatus, SimulatedRecording
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Recordings"]

_CURRENT = "Twilio.CURRENT"


class Recordings:
    """Of a call, of a conference, or of the account, as the path says."""

    def __init__(self, state: RestState) -> None:
        self._state = state

    def start(self, asked: Asked) -> Response:
        call, fields = find_call(self._state, asked), asked.fields
        channels = fields.one_of("RecordingChannels", ("mono", "dual"), "mono")
        track = fields.one_of("RecordingTrack", ("inbound", "outbound", "both"), "both")
        fields.one_of("Trim", ("trim-silence", "do-not-trim"))
        fields.url("RecordingStatusCallback", 21209)
        fields.method("RecordingStatusCallbackMethod")
        if call.status is not CallStatus.IN_PROGRESS:
            raise Refusal(21220, "Requested resource is not eligible for recording: the call is not in-progress")
        recording = self._state.add_recording(call.sid, channels=1 if channels == "mono" else 2)
        recording.track = track
        recording.fields, recording.events = fields.as_dict(), fields.all("RecordingStatusCallbackEvent")
        answer = JSONResponse(recording.as_json(), 201)
        self._state.telephony.start_recording(recording)
        return answer

    def update(self, asked: Asked) -> Response:
        recording, fields = self._found(asked), asked.fields
        status = fields.one_of("Status", ("in-progress", "paused", "stopped"))
        behavior = fields.one_of("PauseBehavior", ("silence", "skip"), "silence")
        if not status:
            raise Refusal.invalid("Status is required")
        if not recording.live:
            raise Refusal(21220, "The recording is over: it cannot be changed")
        self._state.set_recording_status(recording, RecordingStatus(status))
        answer = JSONResponse(recording.as_json())
        match recording.status:
            case RecordingStatus.PAUSED:
                self._state.telephony.pause_recording(recording, behavior)
            case RecordingStatus.STOPPED:
                self._state.telephony.stop_recording(recording)
            case _:
                self._state.telephony.resume_recording(recording)
        return answer

    def fetch(self, asked: Asked) -> Response:
        return JSONResponse(self._found(asked).as_json())

    def list(self, asked: Asked) -> Response:
        query = asked.fields
        call, conference = asked.names.get("call", ""), asked.names.get("conference", "")
        if call:
            find_call(self._state, asked)
        return listed(
            asked,
            "recordings",
            [
                recording
                for recording in reversed(self._state.recordings.values())
                if (call or query.get("CallSid", recording.call_sid)) == recording.call_sid
                and (conference or query.get("ConferenceSid", recording.conference_sid)) == recording.conference_sid
                and query.covers("DateCreated", recording.created)
            ],
        )

    def delete(self, asked: Asked) -> Response:
        recording = self._found(asked)
        if recording.live:
            raise Refusal(20009, "Cannot delete this resource before it is complete", 409)
        del self._state.recordings[recording.sid]
        return Response(status_code=204)

    def media(self, asked: Asked) -> Response:
        """The file, with or without its ".wav"."""
        recording = self._found(asked)
        if not recording.wav:
            raise asked.not_found()
        return Response(recording.wav, media_type="audio/x-wav")

    def _found(self, asked: Asked) -> SimulatedRecording:
        """By SID, or `Twilio.CURRENT` for the one that runs on the call."""
        call, conference = asked.names.get("call", ""), asked.names.get("conference", "")
        if call:
            find_call(self._state, asked)
        for recording in reversed(self._state.recordings.values()):
            here = call in ("", recording.call_sid) and conference in ("", recording.conference_sid)
            named = asked.names["recording"]
            if here and (recording.sid == named or (named == _CURRENT and recording.live)):
                return recording
        raise asked.not_found()
