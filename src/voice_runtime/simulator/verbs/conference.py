"""<Dial><Conference>: the call is in a room with others until it or the room ends."""

from __future__ import annotations

import asyncio

from voice_runtime.simulator.conference import Conference
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.recordings import RecordingOrder
from voice_runtime.simulator.verbs.dial import star
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.twiml import Dial, DialConference

__all__ = ["perform_conference"]


async def perform_conference(verb: Dial, terms: DialConference, base: str, call: LiveCall) -> Document | None:
    """Returns the action, when there is one."""
    call.answer()
    room = call.network.conferences.named(terms.name)
    if terms.participant_label and room.known.named(terms.participant_label) is not None:
        call.complain(ViolationCode.DUPLICATE_LABEL, f"{terms.name}: label {terms.participant_label!r} is in use")
        return _action(verb, base, "failed", 0.0)
    if len(room.members) >= terms.max_participants:
        call.complain(ViolationCode.CONFERENCE_FULL, f"{terms.name} has {len(room.members)} participants")
        return _action(verb, base, "failed", 0.0)
    begin = call.network.pace.now()
    try:
        await _stay(verb, terms, room, base, call)
    except asyncio.CancelledError:
        if action := _action(verb, base, "answered", call.network.pace.now() - begin):
            call.tell(action)
        raise
    return _action(verb, base, "answered", call.network.pace.now() - begin)


async def _stay(verb: Dial, terms: DialConference, room: Conference, base: str, call: LiveCall) -> None:
    member = room.join(call, terms, base)
    recording = None
    if terms.record != "do-not-record":
        callback = Document(terms.recording_status_callback, terms.recording_status_callback_method, base=base)
        order = RecordingOrder(
            "Conference",
            trim=terms.trim == "trim-silence",
            callback=callback,
            events=frozenset(terms.recording_status_callback_event.split()),
        )
        recording = call.recorder.start(order, conference_sid=room.known.sid)
    ends = {call.owner.start("room", member.left.wait()), call.owner.start("limit", call.elapse(verb.time_limit))}
    if verb.hangup_on_star:
        ends.add(call.owner.start("star", call.line.listen(star)))
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        if recording is not None:
            call.recorder.stop(recording)
        room.leave(member)
        call.line.disconnect(member)


def _action(verb: Dial, base: str, status: str, seconds: float) -> Document | None:
    if not verb.action:
        return None
    form = (("DialCallStatus", status), ("DialCallDuration", str(round(seconds))))
    return Document(verb.action, verb.method, base=base, form=form)
