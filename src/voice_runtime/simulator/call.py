"""One simulated phone call, from the first ring to the last status callback."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TypeAlias

from voice_runtime.audio.tones import dtmf
from voice_runtime.errors import CallHangupError
from voice_runtime.simulator.handset import Handset
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.machine_detection import detect, detect_beside
from voice_runtime.simulator.mischief import Mischief
from voice_runtime.simulator.network import CallPlan, Document, Network
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.parameters import Leg
from voice_runtime.simulator.person import Line
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.record import CallRecord, EndedBy
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.verbs.prompts import spoken
from voice_runtime.simulator.walk import WalkEnd, walk
from voice_runtime.simulator.webhooks import WebhookError

__all__ = ["PhoneCall"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

_APOLOGY = "We are sorry, an application error has occurred. Goodbye."


@dataclass(frozen=True, slots=True)
class _HangUp:
    by: EndedBy
    status: CallStatus = CallStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class _Replace:
    document: Document


_Order: TypeAlias = _HangUp | _Replace

_WALKED = {
    WalkEnd.DONE: _HangUp(EndedBy.TWIML),
    WalkEnd.HUNG_UP: _HangUp(EndedBy.TWIML),
    WalkEnd.BUSY: _HangUp(EndedBy.REJECTED, CallStatus.BUSY),
    WalkEnd.REJECTED: _HangUp(EndedBy.REJECTED, CallStatus.NO_ANSWER),  # which status Twilio gives is not confirmed
}


class PhoneCall:
    """A call in progress. `phone` is the person's: who answers, or who calls."""

    def __init__(self, leg: Leg, phone: Phone, plan: CallPlan, network: Network, mischief: Mischief) -> None:
        self.leg = leg
        self.record: CallRecord | None = None
        """What is left of it when it is over, also when the person's script failed."""
        self._phone = phone
        self._plan = plan
        self.fallback = plan.fallback
        """Where to go when a document cannot be had or done."""
        self._time_limit = network.time_limit if plan.time_limit is None else plan.time_limit
        self._limiting: asyncio.Task[None] | None = None
        self._network = network
        self._orders: asyncio.Queue[_Order] = asyncio.Queue()
        self._handset = Handset(on_hang_up=self.hang_up)
        self._mischief = mischief
        self.live = LiveCall(leg, plan, network, self._handset, self._answered, self._begin_person, mischief)
        self.joinable = asyncio.Event()
        self.apart = asyncio.Event()
        self.settled = asyncio.Event()
        self._person_begun = False
        self._person_error: Exception | None = None

    @property
    def sid(self) -> str:
        return self.leg.call_sid

    @property
    def status(self) -> CallStatus:
        return self.live.status

    # -- what others do to the call -----------------------------------------------------------------------------------

    def hang_up(self, by: EndedBy = EndedBy.CALLER, status: CallStatus = CallStatus.COMPLETED) -> None:
        """End the call: the person by default."""
        self._orders.put_nowait(_HangUp(by, status))

    def replace(self, document: Document) -> None:
        """Do this instead of what the call does now: `calls(sid).update(url=...)`."""
        self._orders.put_nowait(_Replace(document))

    def limit(self, seconds: float) -> None:
        """It ends so long after its answer."""
        self._time_limit = seconds
        if self._limiting is not None:
            self._limiting.cancel()
            self._limiting = self.live.owner.start("limit", self._limit())

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
            living = self.live.owner.start("twiml", self._proceed(document))
            ordered = self.live.owner.start("orders", self._orders.get())
            await asyncio.wait({living, ordered}, return_when=asyncio.FIRST_COMPLETED)
            order: _Order = ordered.result() if ordered.done() else living.result()
            for task in (living, ordered):
                task.cancel()
            await asyncio.wait({living, ordered})
            match order:
                case _HangUp():
                    return order
                case _Replace():
                    document = order.document

    async def _proceed(self, document: Document | None) -> _HangUp:
        first = document is None
        try:
            if document is None:
                document = self._plan.document
                if (unanswered := await self._ring()) is not None:
                    return unanswered
            end = await self._walk(document)
            if self._plan.joins and first and end is WalkEnd.DONE:
                self.joinable.set()
                self.settled.set()
                await asyncio.Event().wait()
            return _WALKED[end]
        except WebhookError as error:
            self.live.complain(error.code, error.detail)
            self.live.answer()
            await self.live.play(spoken(_APOLOGY))
            return _HangUp(EndedBy.FAILED)
        finally:
            self.apart.set()

    async def _walk(self, document: Document) -> WalkEnd:
        try:
            return await walk(document, self.live)
        except WebhookError as error:
            if (fallback := self.fallback) is None:
                raise
            self.live.complain(error.code, error.detail)
            form = (("ErrorCode", str(error.code.value)), ("ErrorUrl", document.url))
            return await walk(Document(fallback.url, fallback.method, form=form), self.live)

    async def _ring(self) -> _HangUp | None:
        """An inbound call rings until TwiML answers it; an outbound one until the phone does."""
        if self.leg.direction == "inbound":
            self.live.set_status(CallStatus.RINGING)
            return None
        await self.live.elapse(self._plan.queued_for)
        self.live.reports.call("initiated", "initiated")
        if self._phone.never_rings:
            return _HangUp(EndedBy.NOT_ANSWERED, self._phone.outcome)
        self.live.set_status(CallStatus.RINGING)
        self.live.reports.call("ringing", "ringing")
        await self.live.elapse(min(self._phone.rings, self._plan.ring_timeout))
        if self._phone.outcome is not CallStatus.COMPLETED:
            return _HangUp(EndedBy.NOT_ANSWERED, self._phone.outcome)
        if self._phone.rings > self._plan.ring_timeout:
            return _HangUp(EndedBy.NOT_ANSWERED, CallStatus.NO_ANSWER)
        self.live.answer()
        if self._plan.send_digits:  # "If set, MachineDetection is ignored"
            await self.live.play(dtmf(self._plan.send_digits))
        elif (detection := self._plan.machine_detection) is not None:
            if detection.asynchronous:
                self.live.owner.start("amd", detect_beside(detection, self.live))
            else:
                self.live.answered_by = await detect(detection, self.live)
        return None

    def _answered(self) -> None:
        """The limit of the call counts. Who was called speaks at once."""
        self._limiting = self.live.owner.start("limit", self._limit())
        if self._plan.record is not None:
            self.live.recorder.start(self._plan.record)
        if self.leg.direction != "inbound":
            self._begin_person()

    def _begin_person(self) -> None:
        """Who calls waits for the first sound, or for the stream that will bring it."""
        if not self._person_begun:
            self._person_begun = True
            self.live.owner.start("person", self._person())

    async def _person(self) -> None:
        try:
            acting = self._phone.script(Line(self._handset, self._phone.voice))
            if not inspect.isawaitable(acting):
                raise TypeError(f"{self._phone.script!r} is a plain function: a script is `async def caller(line)`")
            await acting
        except CallHangupError:
            return
        except Exception as error:  # the script is somebody's test: `run` raises it when the call has been put down
            self._person_error = error
        self.hang_up()

    async def _limit(self) -> None:
        begun = self.live.answered_at or 0.0
        await self.live.elapse(begun + self._time_limit - self._network.pace.now())
        self.hang_up(EndedBy.TIME_LIMIT)

    async def _end(self, end: _HangUp) -> CallRecord:
        live, at = self.live, self._handset.time
        self._handset.notes.append(Annotation(NoteKind.HANG_UP, at, at, end.by.value))
        live.recorder.stop_all()
        self._handset.close()
        await asyncio.sleep(0)  # the person notices, and may have been waiting for words that will not come
        await live.owner.close()
        seconds = 0.0 if live.answered_at is None else self._network.pace.now() - live.answered_at
        live.set_status(end.status)
        self.settled.set()
        live.reports.call("completed", end.status, seconds, [*live.answered_by, *live.recorder.form()])
        await live.reports.close()
        await self._mischief.after_the_call()
        await live.webhooks.close()
        return CallRecord(
            sid=self.sid,
            direction=self.leg.direction,
            status=end.status,
            ended_by=end.by,
            ear=bytes(self._handset.ear),
            mouth=bytes(self._handset.mouth),
            notes=tuple(sorted(self._handset.notes, key=lambda note: note.at)),
            violations=tuple(live.violations),
            requests=tuple(live.webhooks.requests),
            streams=tuple(live.streams),
        )
