"""Unidirectional streams that are started by REST: https://www.twilio.com/docs/voice/api/stream-resource"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.parameters import new_sid
from voice_runtime.simulator.rest.calls import find_call
from voice_runtime.simulator.rest.fields import Asked, Fields
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.simulated_call import CallStatus
from voice_runtime.simulator.rest.simulated_recording import SimulatedStream
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Streams"]

_MAX_PARAMETERS = 99
_LONGEST_PARAMETER = 500


class Streams:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def start(self, asked: Asked) -> Response:
        call, fields = find_call(self._state, asked), asked.fields
        url = fields.get("Url")
        if not url.startswith("wss://"):
            raise Refusal.invalid("Url must be a wss:// address")
        track = fields.one_of("Track", ("inbound_track", "outbound_track", "both_tracks"), "inbound_track")
        fields.url("StatusCallback", 21209)
        method = fields.method("StatusCallbackMethod")
        if call.status is not CallStatus.IN_PROGRESS:
            raise Refusal(21220, "Call is not in-progress. Cannot start a stream.")
        name = fields.get("Name")
        if name and any(s.name == name and s.status == "in-progress" for s in self._of(call.sid)):
            raise Refusal.invalid(f"Name {name!r} is already in use on this call")
        sid = new_sid("MZ")
        stream = SimulatedStream(
            sid, call.account_sid, call.sid, url, self._state.clock.wall(), name, track, parameters=_parameters(fields)
        )
        stream.status_callback, stream.status_callback_method = fields.get("StatusCallback"), method
        self._state.streams[sid] = stream
        answer = JSONResponse(stream.as_json())
        self._state.telephony.start_stream(stream)
        return answer

    def stop(self, asked: Asked) -> Response:
        """By SID or by name."""
        call, named = find_call(self._state, asked), asked.names["stream"]
        stream = next((s for s in reversed(self._of(call.sid)) if named in (s.sid, s.name)), None)
        if stream is None:
            raise asked.not_found()
        if asked.fields.one_of("Status", ("stopped",)) and stream.status != "stopped":
            stream.status, stream.updated = "stopped", self._state.clock.wall()
            self._state.telephony.stop_stream(stream)
        return JSONResponse(stream.as_json())

    def _of(self, call_sid: str) -> list[SimulatedStream]:
        return [stream for stream in self._state.streams.values() if stream.call_sid == call_sid]


def _parameters(fields: Fields) -> dict[str, str]:
    """`Parameter1.Name`, `Parameter1.Value` and so on."""
    found = {}
    for number in range(1, _MAX_PARAMETERS + 1):
        name, value = fields.get(f"Parameter{number}.Name"), fields.get(f"Parameter{number}.Value")
        if len(name) + len(value) >= _LONGEST_PARAMETER:
            raise Refusal.invalid(f"Parameter{number} is longer than {_LONGEST_PARAMETER} characters")
        if name:
            found[name] = value
    return found
