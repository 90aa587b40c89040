"""<Dial> to numbers: phones ring, the first to answer is joined to the call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from voice_runtime.simulator.bridge import Ringing, bridge
from voice_runtime.simulator.handset import Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import CallPlan, Document, OtherCall
from voice_runtime.simulator.parameters import Form, Leg
from voice_runtime.simulator.record import EndedBy
from voice_runtime.simulator.recordings import RecordingOrder, url_of
from voice_runtime.simulator.rest import CallStatus, SimulatedRecording
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.twiml import Dial, DialTarget

__all__ = ["perform_dial", "star"]

_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")


async def perform_dial(verb: Dial, targets: Sequence[DialTarget], base: str, call: LiveCall) -> Document | None:
    """Returns the action, when there is one: then verbs after <Dial> never run ("TwiML Voice: Dial")."""
    if call.plan.joins:
        call.complain(ViolationCode.DIAL_IN_WHISPER, "<Dial> in the document of somebody who was dialled")
        return None
    dialling = _Dialling(verb, base, call)
    action = Document(verb.action, verb.method, base=base)
    try:
        await dialling.run(targets)
    except asyncio.CancelledError:
        # The caller hung up, or the call was given other TwiML: "the action URL is requested, its TwiML not executed".
        dialling.tear_down()
        if verb.action:
            call.tell(dialling.outcome(action))
        raise
    return dialling.outcome(action) if verb.action else None


class _Dialling:
    def __init__(self, verb: Dial, base: str, call: LiveCall) -> None:
        self._verb, self._base, self._call = verb, base, call
        self._others: list[OtherCall] = []
        self._joined: OtherCall | None = None
        self._joined_at: float | None = None
        self._seconds = 0.0
        self._status = CallStatus.CANCELED
        self._recording: SimulatedRecording | None = None

    async def run(self, targets: Sequence[DialTarget]) -> None:
        verb, call = self._verb, self._call
        ringing = Ringing()
        if not verb.answer_on_bridge:
            call.answer()
            call.line.connect(ringing)
        try:
            self._others = [self._place(target) for target in targets if self._dialable(target)]
            self._joined = await self._first_answer()
        finally:
            if call.answered_at is not None:
                call.line.disconnect(ringing)
        for other in self._others:
            if other is not self._joined:
                other.hang_up(EndedBy.TWIML, CallStatus.CANCELED)
        if self._joined is not None:
            await self._converse(self._joined)

    def outcome(self, action: Document) -> Document:
        """`action`, told how it went."""
        form: Form = [("DialCallStatus", self._status.value), ("DialBridged", str(self._joined_at is not None).lower())]
        if chosen := self._joined or (self._others[-1] if self._others else None):
            form.append(("DialCallSid", chosen.live.leg.call_sid))
        if self._joined_at is not None:
            form.append(("DialCallDuration", str(round(self._seconds))))
        if self._recording is not None:
            form += [("RecordingUrl", url_of(self._recording)), ("RecordingSid", self._recording.sid)]
            form.append(("RecordingDuration", str(self._recording.duration or 0)))
        return Document(action.url, action.method, base=action.base, form=tuple(form))

    def tear_down(self) -> None:
        for other in self._others:
            if not other.apart.is_set():
                other.hang_up(EndedBy.TWIML, CallStatus.COMPLETED if other is self._joined else CallStatus.CANCELED)

    # -- until somebody answers ---------------------------------------------------------------------------------------

    def _dialable(self, target: DialTarget) -> bool:
        number = re.sub(r"[\s().-]", "", target.address)
        if target.kind == "Number" and not _NUMBER.fullmatch(number):
            self._call.complain(ViolationCode.INVALID_NUMBER, f"<Dial> of {target.address!r}")
            return False
        return True

    def _place(self, target: DialTarget) -> OtherCall:
        call, verb = self._call, self._verb
        to = f"client:{target.address}" if target.kind == "Client" else target.address
        caller = verb.caller_id or call.leg.caller
        known = call.network.rest.add_call(to, caller, direction="outbound-dial")
        leg = Leg(known.sid, known.account_sid, "outbound-dial", caller, to, parent_sid=call.leg.call_sid)
        plan = CallPlan(
            Document(target.url, target.method, base=self._base),
            status_callback=target.status_callback,
            status_method=target.status_callback_method,
            status_events=frozenset(target.status_callback_event.split()),
            ring_timeout=float(verb.timeout),
            send_digits=target.send_digits,
            joins=True,
        )
        return call.network.place(leg, plan)

    async def _first_answer(self) -> OtherCall | None:
        owner = self._call.owner
        waits = {other: owner.start("dialled", _answer(other)) for other in self._others}
        try:
            while waits:
                await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
                for other, wait in list(waits.items()):
                    if wait.done():
                        del waits[other]
                        if wait.result():
                            return other
            self._status = self._others[-1].status if self._others else CallStatus.FAILED
            return None
        finally:
            for wait in waits.values():
                wait.cancel()

    # -- afterwards ---------------------------------------------------------------------------------------------------

    async def _converse(self, other: OtherCall) -> None:
        call, verb = self._call, self._verb
        call.answer()
        call.under_way()
        near, far = bridge()
        call.line.connect(near)
        other.live.line.connect(far)
        self._joined_at, self._status = call.network.pace.now(), CallStatus.COMPLETED
        if verb.record.startswith("record-from"):
            self._recording = call.recorder.start(self._record(), None)
        ends = {call.owner.start("joined", other.apart.wait()), call.owner.start("limit", call.elapse(verb.time_limit))}
        if verb.hangup_on_star:
            ends.add(call.owner.start("star", call.line.listen(star)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            self._seconds = call.network.pace.now() - self._joined_at
            call.line.disconnect(near)
            other.live.line.disconnect(far)
            if self._recording is not None:
                call.recorder.stop(self._recording)
        if not other.apart.is_set():
            other.hang_up(EndedBy.TWIML)

    def _record(self) -> RecordingOrder:
        verb = self._verb
        return RecordingOrder(
            "DialVerb",
            channels=2 if verb.record.endswith("-dual") else 1,
            trim=verb.trim == "trim-silence",
            callback=Document(verb.recording_status_callback, verb.recording_status_callback_method, base=self._base),
            events=frozenset(verb.recording_status_callback_event.split()),
        )


def star(spoken: Spoken, at: float) -> bool:
    return spoken.digit == "*"


async def _answer(other: OtherCall) -> bool:
    """True when it can be joined, False when it has ended without that."""
    await other.settled.wait()
    return other.joinable.is_set()
