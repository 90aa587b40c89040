"""What applications ask for by REST, done by the carrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.record import EndedBy
from voice_runtime.simulator.recordings import RecordingOrder
from voice_runtime.simulator.rest import (
    CallUpdate,
    NoTelephony,
    RestState,
    SimulatedCall,
    SimulatedMessage,
    SimulatedRecording,
)
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.wire.twiml import parse_twiml

__all__ = ["RestOrders", "document_of", "recording_order"]


class RestOrders(NoTelephony):
    """`calls`: those in progress. `dial(call, queued_for, refused)`: place one after so many seconds in the queue.

    `send`: a message on its way.
    """

    def __init__(
        self,
        rest: RestState,
        pace: Pace,
        calls: Mapping[str, PhoneCall],
        dial: Callable[[SimulatedCall, float, bool], object],
        send: Callable[[SimulatedMessage], None],
    ) -> None:
        self._rest, self._pace, self._calls, self._dial, self._send = rest, pace, calls, dial, send
        self._next_turn = 0.0

    def place(self, call: SimulatedCall) -> None:
        """At most so many a second leave the queue ("calls per second"). One too many at once fails, error 10004."""
        limits = self._rest.limits
        full = limits.concurrent_calls is not None and len(self._calls) >= limits.concurrent_calls
        if full:
            detail = f"call {call.sid}: {limits.concurrent_calls} calls are in progress already"
            self._rest.violations.append(Violation(0.0, ViolationCode.CONCURRENCY_LIMIT, detail))
        now = self._pace.now()
        turn = max(now, self._next_turn)
        self._next_turn = turn + 1 / limits.calls_per_second if limits.calls_per_second else now
        call.queue_time = round(1000 * (turn - now))
        self._dial(call, turn - now, full)

    def redirect(self, call: SimulatedCall, update: CallUpdate) -> None:
        if live := self._calls.get(call.sid):
            live.replace(document_of(update.twiml, update.url, update.method))

    def end(self, call: SimulatedCall) -> None:
        if live := self._calls.get(call.sid):
            live.hang_up(EndedBy.REST, call.status)

    def start_recording(self, recording: SimulatedRecording) -> None:
        if live := self._calls.get(recording.call_sid):
            live.live.recorder.start(recording_order(recording.source, recording.fields, recording.events), recording)

    def pause_recording(self, recording: SimulatedRecording, behavior: str) -> None:
        if live := self._calls.get(recording.call_sid):
            live.live.recorder.pause(recording, skip=behavior == "skip")

    def resume_recording(self, recording: SimulatedRecording) -> None:
        if live := self._calls.get(recording.call_sid):
            live.live.recorder.resume(recording)

    def stop_recording(self, recording: SimulatedRecording) -> None:
        if live := self._calls.get(recording.call_sid):
            live.live.recorder.stop(recording)

    def send(self, message: SimulatedMessage) -> None:
        self._send(message)


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
