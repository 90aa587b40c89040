"""What applications ask for by REST, done by the carrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.conference import Conferences
from voice_runtime.simulator.network import CallPlan, Document
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.record import EndedBy
from voice_runtime.simulator.rest import (
    CallUpdate,
    RestState,
    SimulatedCall,
    SimulatedConference,
    SimulatedMessage,
    SimulatedParticipant,
    SimulatedRecording,
    SimulatedStream,
)
from voice_runtime.simulator.rest_plans import call_plan, conference_document, document_of, recording_order
from voice_runtime.simulator.verbs.streams import start_fork, stop_fork
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.wire.twiml import StartStream

__all__ = ["RestOrders"]


class RestOrders:
    """`calls`: those in progress. `dial(call, plan, refused)`: place one, when its turn comes.

    `send`: a message on its way.
    """

    def __init__(
        self,
        rest: RestState,
        pace: Pace,
        calls: Mapping[str, PhoneCall],
        conferences: Conferences,
        dial: Callable[[SimulatedCall, CallPlan, bool], object],
        send: Callable[[SimulatedMessage], None],
    ) -> None:
        self._rest, self._pace, self._calls, self._conferences = rest, pace, calls, conferences
        self._dial, self._send = dial, send
        self._next_turn = 0.0

    def place(self, call: SimulatedCall) -> None:
        self._place(call, document_of(call.twiml, call.url, call.fields.get("Method", "POST")))

    def _place(self, call: SimulatedCall, document: Document) -> None:
        """At most so many a second leave the queue ("calls per second"). One too many at once fails, error 10004."""
        limits, full = self._rest.limits, self.too_many(call)
        now = self._pace.now()
        turn = max(now, self._next_turn)
        self._next_turn = turn + 1 / limits.calls_per_second if limits.calls_per_second else now
        call.queue_time = round(1000 * (turn - now))
        self._dial(call, call_plan(call, document, turn - now), full)

    def too_many(self, call: SimulatedCall) -> bool:
        """Whether the account may not have one more call, error 10004."""
        most = self._rest.limits.concurrent_calls
        if most is None or len(self._calls) < most:
            return False
        detail = f"call {call.sid}: {most} calls are in progress already"
        self._rest.violations.append(Violation(0.0, ViolationCode.CONCURRENCY_LIMIT, detail))
        return True

    def update(self, call: SimulatedCall, update: CallUpdate) -> None:
        live = self._calls.get(call.sid)
        if live is None:
            return
        if update.fallback_url:
            live.fallback = Document(update.fallback_url, update.fallback_method)
        if update.status_callback:
            live.live.reports.move(update.status_callback, update.status_callback_method)
        if update.time_limit is not None:
            live.limit(update.time_limit)
        if update.url or update.twiml:
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

    def start_stream(self, stream: SimulatedStream) -> None:
        if live := self._calls.get(stream.call_sid):
            verb = StartStream(
                stream.url,
                stream.parameters,
                stream.status_callback,
                stream.name,
                stream.track,
                stream.status_callback_method,
            )
            start_fork(verb, live.live, stream.sid)

    def stop_stream(self, stream: SimulatedStream) -> None:
        if live := self._calls.get(stream.call_sid):
            stop_fork(stream.name or stream.sid, live.live)

    # -- conferences --------------------------------------------------------------------------------------------------

    def dial_participant(self, participant: SimulatedParticipant, call: SimulatedCall) -> None:
        self._place(call, conference_document(self._rest.conferences[participant.conference_sid], participant, call))

    def change_participant(self, participant: SimulatedParticipant, changes: Mapping[str, str]) -> None:
        if participant.conference_sid in self._conferences:
            self._conferences[participant.conference_sid].changed(participant.call_sid, changes)

    def remove_participant(self, participant: SimulatedParticipant) -> None:
        if live := self._calls.get(participant.call_sid):
            live.hang_up(EndedBy.REST)

    def announce(self, conference: SimulatedConference, url: str, method: str) -> None:
        if conference.sid in self._conferences:
            self._conferences[conference.sid].announce_document(Document(url, method))

    def end_conference(self, conference: SimulatedConference) -> None:
        if conference.sid in self._conferences:
            self._conferences[conference.sid].end("conference-ended-via-api")

    # -- text messages ------------------------------------------------------------------------------------------------

    def send(self, message: SimulatedMessage) -> None:
        self._send(message)
