"""A call while it is carried: who is on it, its line, its requests; what the verbs of TwiML act upon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urljoin

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.simulator.handset import Handset
from voice_runtime.simulator.line_clock import LineClock
from voice_runtime.simulator.mischief import Mischief
from voice_runtime.simulator.network import CallPlan, Document, Network
from voice_runtime.simulator.parameters import Form, Leg, voice_form
from voice_runtime.simulator.record import StreamRecord
from voice_runtime.simulator.recordings import Recorder
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.status_reports import StatusReports
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.simulator.webhooks import Answer, Webhooks
from voice_runtime.tasks import TaskOwner

__all__ = ["LiveCall"]


class LiveCall:
    """`line` opens when the call is answered. `under_way` is called when TwiML has begun to do something."""

    def __init__(
        self,
        leg: Leg,
        plan: CallPlan,
        network: Network,
        handset: Handset,
        on_answer: Callable[[], None],
        under_way: Callable[[], None],
        mischief: Mischief,
    ) -> None:
        self.leg = leg
        self.plan = plan
        self.network = network
        self.handset = handset
        self._on_answer = on_answer
        self.under_way = under_way
        self.mischief = mischief
        self.status = CallStatus.QUEUED
        self.line = LineClock(handset, network.pace)
        self.answered_at: float | None = None
        self.owner = TaskOwner(f"call.{leg.call_sid[-6:]}")
        self.webhooks = Webhooks(network.auth_token, network.addresses, network.tls, day=mischief.day)
        self.reports = StatusReports(
            self.webhooks, leg, plan.status_callback, plan.status_events, mischief, method=plan.status_method
        )
        self.recorder = Recorder(leg.call_sid, lambda: (handset.mouth, handset.ear), network.rest, self._told)
        self.streams: list[StreamRecord] = []
        self.forks: dict[str, asyncio.Task[None]] = {}
        """The unidirectional streams, by name."""
        self.violations: list[Violation] = []
        self.answered_by: Form = []
        """AnsweredBy and MachineDetectionDuration, when somebody asked who answered."""

    async def fetch(self, document: Document) -> Answer:
        """The answer of its `url`. Raises WebhookError."""
        form = [*voice_form(self.leg, self.status), *self.answered_by, *document.form]
        return await self.webhooks.fetch(urljoin(document.base, document.url), form, document.method)

    def tell(self, document: Document) -> None:
        """Request its `url`, and do nothing with the answer: what an action gets when the call has gone elsewhere."""
        form = [*voice_form(self.leg, self.status), *self.answered_by, *document.form]
        self.reports.tell(urljoin(document.base, document.url), form, document.method)

    def _told(self, document: Document, form: Form) -> None:
        self.reports.tell(urljoin(document.base, document.url), form, document.method)

    async def elapse(self, seconds: float) -> None:
        await self.network.pace.sleep(seconds)

    async def play(self, audio: bytes) -> None:
        """The person hears `audio`; returns at its end."""
        self.line.queue(audio)
        await self.elapse(len(audio) / SAMPLE_RATE)

    def answer(self) -> bool:
        """The line opens. False when it was open."""
        if self.answered_at is not None:
            return False
        self.answered_at = self.network.pace.now()
        self.line = LineClock(self.handset, self.network.pace)
        self.owner.start("line", self.line.run())
        self.set_status(CallStatus.IN_PROGRESS)
        self.reports.call("answered", "in-progress")
        self._on_answer()
        return True

    def set_status(self, status: CallStatus) -> None:
        self.status = status
        self.network.rest.set_status(self.network.rest.calls[self.leg.call_sid], status)

    def complain(self, code: ViolationCode, detail: str) -> None:
        self.violations.append(Violation(self.handset.time, code, detail))
