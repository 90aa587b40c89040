"""One simulated phone call, from the first ring to the last status callback."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urljoin

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.errors import CallHangupError
from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.handset import Handset
from voice_runtime.simulator.line_clock import LineClock
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.parameters import Leg, voice_form
from voice_runtime.simulator.person import Line
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.record import CallRecord, EndedBy, StreamRecord
from voice_runtime.simulator.rest import CallStatus, RestState
from voice_runtime.simulator.status_reports import StatusReports
from voice_runtime.simulator.stream import MediaStream, StreamEnd
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.simulator.walk import Document, WalkEnd, walk
from voice_runtime.simulator.webhooks import Answer, WebhookError, Webhooks
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire.twiml import ConnectStream

__all__ = ["CallPlan", "Network", "PhoneCall"]


@dataclass(frozen=True, slots=True)
class Network:
    """What all calls of a carrier have in common."""

    auth_token: str
    addresses: Addresses
    tls: ssl.SSLContext
    pace: Pace
    time_limit: float
    rest: RestState


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What was asked for when the call was made."""

    document: Document
    status_callback: str = ""
    status_events: frozenset[str] = frozenset({"completed"})
    ring_timeout: float = 60.0
    queued_for: float = 0.0
    """Seconds before it is dialled."""


@dataclass(frozen=True, slots=True)
class _HangUp:
    by: EndedBy
    status: CallStatus = CallStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class _Replace:
    document: Document


_Order: TypeAlias = _HangUp | _Replace

_WALKED = {
    WalkEnd.HUNG_UP: _HangUp(EndedBy.TWIML),
    WalkEnd.BUSY: _HangUp(EndedBy.REJECTED, CallStatus.BUSY),
    WalkEnd.REJECTED: _HangUp(EndedBy.REJECTED, CallStatus.NO_ANSWER),  # which status Twilio gives is not confirmed
}


class PhoneCall:
    """A call in progress. `phone` is the person's: who answers, or who calls."""

    def __init__(self, leg: Leg, phone: Phone, plan: CallPlan, network: Network) -> None:
        self.leg = leg
        self.record: CallRecord | None = None
        """What is left of it when it is over, also when the person's script failed."""
        self.status = CallStatus.QUEUED
        self._phone = phone
        self._plan = plan
        self._network = network
        self._orders: asyncio.Queue[_Order] = asyncio.Queue()
        self._handset = Handset(on_hang_up=self.hang_up)
        self._line_clock: LineClock | None = None
        self._webhooks = Webhooks(network.auth_token, network.addresses, network.tls)
        self._reports = StatusReports(self._webhooks, leg, plan.status_callback, plan.status_events)
        self._owner = TaskOwner(f"call.{leg.call_sid[-6:]}")
        self._streams: list[StreamRecord] = []
        self._violations: list[Violation] = []
        self._answered_at: float | None = None
        self._person_error: Exception | None = None

    @property
    def sid(self) -> str:
        return self.leg.call_sid

    # -- what others do to the call -----------------------------------------------------------------------------------

    def hang_up(self, by: EndedBy = EndedBy.CALLER, status: CallStatus = CallStatus.COMPLETED) -> None:
        """End the call: the person by default."""
        self._orders.put_nowait(_HangUp(by, status))

    def replace(self, document: Document) -> None:
        """Do this instead of what the call does now: `calls(sid).update(url=...)`."""
        self._orders.put_nowait(_Replace(document))

    # -- its life -----------------------------------------------------------------------------------------------------

    async def run(self) -> CallRecord:
        """From ringing to the end. Raises what the person's script raised, such as its TimeoutError."""
        end = _HangUp(EndedBy.CARRIER)
        try:
            end = await self._live()
        finally:
            self.record = record = await self._end(end)
        if self._person_error is not None:
            raise self._person_error
        return record

    async def _live(self) -> _HangUp:
        document: Document | None = None
        while True:
            living = self._owner.start("twiml", self._proceed(document))
            ordered = self._owner.start("orders", self._orders.get())
            limit = self._network.time_limit / self._network.pace.speed
            await asyncio.wait({living, ordered}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            done = living.result() if living.done() and not ordered.done() else None
            order = ordered.result() if ordered.done() else done or _HangUp(EndedBy.TIME_LIMIT)
            for task in (living, ordered):
                task.cancel()
            await asyncio.wait({living, ordered})
            match order:
                case _HangUp():
                    return order
                case _Replace():
                    document = order.document

    async def _proceed(self, document: Document | None) -> _HangUp:
        try:
            if document is None:
                document = self._plan.document
                if (unanswered := await self._ring()) is not None:
                    return unanswered
            return _WALKED[await walk(document, self)]
        except WebhookError as error:
            self.complain(error.code, error.detail)
            return _HangUp(EndedBy.FAILED, CallStatus.COMPLETED if self._answered_at is not None else CallStatus.FAILED)

    async def _ring(self) -> _HangUp | None:
        """An inbound call rings until TwiML answers it; an outbound one until the phone does."""
        if self.leg.direction == "inbound":
            self._set_status(CallStatus.RINGING)
            return None
        await self.elapse(self._plan.queued_for)
        self._reports.call("initiated", "initiated")
        if self._phone.never_rings:
            return _HangUp(EndedBy.NOT_ANSWERED, self._phone.outcome)
        self._set_status(CallStatus.RINGING)
        self._reports.call("ringing", "ringing")
        await self.elapse(min(self._phone.rings, self._plan.ring_timeout))
        if self._phone.outcome is not CallStatus.COMPLETED:
            return _HangUp(EndedBy.NOT_ANSWERED, self._phone.outcome)
        if self._phone.rings > self._plan.ring_timeout:
            return _HangUp(EndedBy.NOT_ANSWERED, CallStatus.NO_ANSWER)
        self.answered()
        return None

    async def _end(self, end: _HangUp) -> CallRecord:
        at = self._handset.time
        self._handset.notes.append(Annotation(NoteKind.HANG_UP, at, at, end.by.value))
        self._handset.close()
        await self._owner.close()
        seconds = 0.0 if self._answered_at is None else self._network.pace.now() - self._answered_at
        self._set_status(end.status)
        self._reports.call("completed", end.status, seconds)
        await self._reports.close()
        await self._webhooks.close()
        return CallRecord(
            sid=self.sid,
            direction=self.leg.direction,
            status=end.status,
            ended_by=end.by,
            ear=bytes(self._handset.ear),
            mouth=bytes(self._handset.mouth),
            notes=tuple(sorted(self._handset.notes, key=lambda note: note.at)),
            violations=tuple(self._violations),
            requests=tuple(self._webhooks.requests),
            streams=tuple(self._streams),
        )

    def _set_status(self, status: CallStatus) -> None:
        self.status = status
        self._network.rest.set_status(self._network.rest.calls[self.sid], status)

    # -- what TwiML does to the call (walk.Performer) -----------------------------------------------------------------

    async def fetch(self, url: str, method: str, base: str) -> Answer:
        form = voice_form(self.leg, self.status)
        return await self._webhooks.fetch(urljoin(base, url), form, method)

    async def elapse(self, seconds: float) -> None:
        await self._network.pace.sleep(seconds)

    async def play(self, audio: bytes) -> None:
        if self._line_clock is not None:
            self._line_clock.queue(audio)
        await self.elapse(len(audio) / SAMPLE_RATE)

    def answered(self) -> None:
        if self._answered_at is None:
            self._answered_at = self._network.pace.now()
            self._set_status(CallStatus.IN_PROGRESS)
            self._reports.call("answered", "in-progress")

    def complain(self, code: ViolationCode, detail: str) -> None:
        self._violations.append(Violation(self._handset.time, code, detail))

    async def stream(self, verb: ConnectStream) -> None:
        stream = MediaStream(verb, self.leg, self._handset)
        end = StreamEnd.STOPPED

        def started() -> LineClock:
            self._reports.stream(verb.status_callback, stream.sid, stream.name, "stream-started")
            return self._open_line()

        try:
            end = await stream.run(self._network.auth_token, self._network.addresses, started)
        finally:
            self._violations += stream.violations
            self._streams.append(
                StreamRecord(
                    sid=stream.sid,
                    end=end,
                    frames_sent=stream.frames_sent,
                    frames_discarded=stream.frames_discarded,
                    bytes_received=stream.playout.received_bytes,
                    bytes_cleared=stream.playout.cleared_bytes,
                    messages_rejected=stream.playout.rejected_messages,
                )
            )
            if end is StreamEnd.REFUSED:
                error = str(stream.violations[-1].code.value)
                self._reports.stream(verb.status_callback, stream.sid, stream.name, "stream-error", error)
            else:
                self._reports.stream(verb.status_callback, stream.sid, stream.name, "stream-stopped")

    def _open_line(self) -> LineClock:
        """The person's time begins with the first stream, so that its audio starts at zero."""
        if self._line_clock is None:
            self._line_clock = LineClock(self._handset, self._network.pace)
            self._owner.start("line", self._line_clock.run())
            self._owner.start("person", self._person())
        return self._line_clock

    async def _person(self) -> None:
        try:
            await self._phone.script(Line(self._handset))
        except CallHangupError:
            return
        except Exception as error:  # the script is somebody's test: `run` raises it when the call has been put down
            self._person_error = error
        self.hang_up()
