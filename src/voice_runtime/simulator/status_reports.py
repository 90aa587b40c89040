"""Status callbacks of a call and of its streams: signed, numbered, delivered in order, and never in the call's way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from voice_runtime.simulator.mischief import Mischief
from voice_runtime.simulator.parameters import Form, Leg, rfc2822, voice_form
from voice_runtime.simulator.webhooks import Webhooks
from voice_runtime.tasks import TaskOwner

__all__ = ["StatusReports"]

_SIP = {"completed": "200", "busy": "486", "no-answer": "487", "canceled": "487", "failed": "404"}


class StatusReports:
    """`events`: of initiated, ringing, answered, completed, those that were asked for ("Call resource")."""

    def __init__(
        self,
        webhooks: Webhooks,
        leg: Leg,
        url: str,
        events: frozenset[str],
        mischief: Mischief,
        *,
        method: str = "POST",
    ) -> None:
        self._mischief = mischief
        self._webhooks, self._leg, self._url, self._events, self._method = webhooks, leg, url, events, method
        self._owner = TaskOwner(f"status.{leg.call_sid[-6:]}")
        self._turn = asyncio.Lock()
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []

    def move(self, url: str, method: str) -> None:
        """What comes is told to another address."""
        self._url, self._method = url, method

    def call(self, event: str, status: str, seconds: float | None = None, extra: Form | None = None) -> None:
        """`seconds`: how long it lasted, for the event "completed" only. `extra`: more fields."""
        if not self._url or event not in self._events:
            return
        form = voice_form(self._leg, status)
        form += [("Timestamp", rfc2822()), ("CallbackSource", "call-progress-events")]
        form.append(("SequenceNumber", str(self._number)))
        self._number += 1
        if seconds is not None:
            minutes = -(-round(seconds) // 60)
            form += [
                ("CallDuration", str(round(seconds))),
                ("Duration", str(minutes)),
                ("SipResponseCode", _SIP[status]),
            ]
        self.tell(self._url, [*form, *(extra or [])], self._method)

    def stream(self, url: str, sid: str, name: str, event: str, error: str = "", *, method: str = "POST") -> None:
        """These lack From, To and the rest ("TwiML Voice: Stream", statusCallback)."""
        if not url:
            return
        form = [("AccountSid", self._leg.account_sid), ("CallSid", self._leg.call_sid)]
        form += [("StreamSid", sid), ("StreamName", name), ("StreamEvent", event)]
        form += [("StreamError", error)] if error else []
        form.append(("Timestamp", datetime.now(UTC).isoformat().replace("+00:00", "Z")))
        self.tell(url, form, method)

    def tell(self, url: str, form: Form, method: str = "POST") -> None:
        """Request `url` after everything that was told before."""
        for late in self._mischief.deliveries():
            work = self._late(late, url, form, method) if late else self._in_turn(url, form, method)
            self._tasks.append(self._owner.start("post", work))

    async def _late(self, seconds: float, url: str, form: Form, method: str) -> None:
        await self._mischief.elapse(seconds)
        await self._webhooks.notify(url, form, method)

    async def _in_turn(self, url: str, form: Form, method: str) -> None:
        async with self._turn:
            await self._webhooks.notify(url, form, method)

    async def close(self) -> None:
        """Wait until everything was delivered, or given up."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._owner.close()
