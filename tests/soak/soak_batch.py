"""One batch of a soak: an application, its callers, and what must be true of every call and of what is left."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
import sys
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak_agents import AGENTS, BLOCKING_AGENTS, PEOPLE
from soak_plans import MAX_CALL_SECONDS, BatchPlan, CallPlan

from voice_runtime import BlockingSession, VoiceApp, VoiceSession
from voice_runtime.audio import read_wav
from voice_runtime.errors import CarrierError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.mock import MockStt
from voice_runtime.simulator import CallRecord, EndedBy, Line, Phone
from voice_runtime.simulator.rest import FAULTS
from voice_runtime.testing import PhoneSystem, ScaledLoop, VirtualLoop, run

__all__ = ["Log", "Outcome", "holders", "run_batch", "wait_for_threads"]

SPEED = 8.0
SETTLE_SECONDS = 150.0
"""After the last call: promised places and tokens expire, whatever waits times out."""
LONGEST_CALL_SECONDS = MAX_CALL_SECONDS + 60.0
LOST = {EndReason.CONNECTION_LOST, EndReason.SEND_STALLED, EndReason.CALLER_HUNG_UP}


@dataclass
class Outcome:
    """`failures`: what was not as it should be, and of which call; None is nobody's."""

    dialled: int = 0
    carried: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int | None, str]] = field(default_factory=list)
    transcripts: dict[int, str] = field(default_factory=dict)

    def fail(self, call: int | None, why: str) -> None:
        self.failures.append((call, why))

    def add(self, other: Outcome) -> None:
        """But for the transcripts, which are told by then."""
        self.dialled += other.dialled
        self.carried += other.carried
        self.reasons += other.reasons
        self.failures += other.failures


class Log(logging.Handler):
    """The end of every call, and every error, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.ends: list[tuple[str, str, str]] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "voice_runtime.calls":
            self.ends.append((record.call_sid, record.reason, record.detail))  # type: ignore[attr-defined]
        elif record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            self.errors.append(f"{record.name}: {record.getMessage()} {error!r}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        logger = logging.getLogger("voice_runtime")
        level, loggers = logger.level, [logger, logging.getLogger("asyncio"), logging.getLogger("uvicorn.error")]
        logger.setLevel(logging.INFO)
        for one in loggers:
            one.addHandler(self)
            one.propagate = False  # thousands of planned failures are nobody's news
        try:
            yield
        finally:
            logger.setLevel(level)
            for one in loggers:
                one.removeHandler(self)
                one.propagate = True


def _planned(error: str, batch: BatchPlan) -> bool:
    """An error in the log that a plan asked for."""
    asked = ["the handler of call", "the apology failed too", "synthesis failed"]
    if batch.rest_faults:
        asked.append("not ended by REST")
    if "disconnect" in batch.rest_faults:
        asked.append("ASGI callable returned without completing response")  # of the simulated API's own web server
    if batch.recognition.keys() - {"script"}:
        asked += ["this call is deaf", "speech recognition did not start"]
    return any(words in error for words in asked) and not error.startswith("asyncio")


async def _settled(system: PhoneSystem, outcome: Outcome) -> None:
    """All calls are over: the switchboard comes to rest."""
    switchboard = system.app.switchboard  # type: ignore[attr-defined]
    places = switchboard.places
    if not await places.empty(SETTLE_SECONDS) or switchboard.calls:
        left = f"{len(switchboard.calls)} calls, {places.taken} places, {places.promised} of them promised"
        outcome.fail(None, f"left on the switchboard: {left}")


class _Session(VoiceSession):
    """Tells how long its call lived on after the agent wanted its end."""

    def __init__(self, late: Callable[[float, str | None], None]) -> None:
        super().__init__()
        self._late = late
        self._asked_at: float | None = None

    def request_disconnect(self, reason: EndReason = EndReason.AGENT_HUNG_UP, detail: str = "") -> None:
        if self._asked_at is None:
            self._asked_at = self.clock.monotonic()
        super().request_disconnect(reason, detail)

    def signal_disconnected(self, end: CallEnd | None = None) -> None:
        if self._asked_at is not None and not self.is_disconnected:
            self._late(self.clock.monotonic() - self._asked_at, self.call_sid)
        super().signal_disconnected(end)


class _Sessions:
    """Counts the sessions that are made, and knows which of them are still there."""

    def __init__(self, batch: BatchPlan, outcome: Outcome) -> None:
        self.made = 0
        self.living: weakref.WeakSet[VoiceSession] = weakref.WeakSet()
        self._outcome = outcome
        # REST that stalls holds up an end; so does a carrier that ends the call and keeps the socket.
        self._patience = 60.0 if batch.rest_faults or batch.over_sockets else 10.0

    def __call__(self) -> VoiceSession:
        session = _Session(self._late)
        self.made += 1
        self.living.add(session)
        return session

    def _late(self, seconds: float, call_sid: str | None) -> None:
        if seconds > self._patience:
            self._outcome.fail(None, f"call {call_sid} lived on for {seconds:.1f} s after the agent had ended it")


def _application(plans: dict[str, CallPlan], batch: BatchPlan, sessions: _Sessions) -> VoiceApp:

    app = VoiceApp(stt=lambda: MockStt(**batch.recognition), session=sessions)

    def plan_of(call: Any) -> CallPlan:
        return plans.get(call.caller_number) or plans[call.called_number]

    @app.call("+1")
    def blocking(call: BlockingSession) -> None:
        plan = plan_of(call)
        BLOCKING_AGENTS[plan.agent](call, plan.chance("agent"))

    @app.call()
    async def answer(call: VoiceSession) -> None:
        plan = plan_of(call)
        await AGENTS[plan.agent](call, plan.chance("agent"))

    return app


async def _one(system: PhoneSystem, plan: CallPlan, sids: dict[int, str]) -> CallRecord | None:
    chance = plan.chance("person")

    async def person(line: Line) -> None:
        await PEOPLE[plan.person](line, chance)

    await asyncio.sleep(plan.starts_at)
    ours = "+1" if plan.agent in BLOCKING_AGENTS else "+2"
    if not plan.outbound:
        call = system.dial_in(person, caller=plan.phone_number, called=ours, bad_day=plan.day)
        sids[plan.number] = call.sid
        return await system.finished(call)
    system.phones[plan.phone_number] = Phone(person, rings=chance.uniform(0, 5))
    try:
        sids[plan.number] = await system.app.place_call(plan.phone_number, from_=ours)  # type: ignore[attr-defined]
    except CarrierError:
        return None  # the REST API has a bad day; it may have dialled all the same
    return await system.finished(sids[plan.number])


async def _live(batch: BatchPlan, plans: list[CallPlan], outcome: Outcome, log: Log, folder: str) -> Any:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: outcome.fail(None, f"in the loop: {context.get('message')} {context.get('exception')!r}")
    )
    sessions = _Sessions(batch, outcome)
    sids: dict[int, str] = {}
    app = _application({plan.phone_number: plan for plan in plans}, batch, sessions)
    settings = {
        "voice_max_loop_lag_ms": 0.0,
        "voice_max_call_seconds": MAX_CALL_SECONDS,
        "voice_media_timeout": 20.0,
        "twilio_http_timeout": 10.0,
        "voice_record_dir": folder if batch.records else "",
    }
    system = PhoneSystem(app, over_sockets=batch.over_sockets, settings=settings, seed=batch.seed)
    async with asyncio.timeout(600), system:
        if batch.rest_faults:
            system.carrier.rest.fail_by_chance(0.3, *(FAULTS[n] for n in batch.rest_faults), seed=batch.seed)
        results = await asyncio.gather(*(_one(system, plan, sids) for plan in plans), return_exceptions=True)
        if lost := [call for call in system.carrier.calls.values() if call.sid not in sids.values()]:
            await asyncio.gather(*(system.finished(call) for call in lost), return_exceptions=True)
        await _settled(system, outcome)
    for plan, result in zip(plans, results, strict=True):
        if isinstance(result, BaseException):
            outcome.fail(plan.number, f"raised {result!r}")
        elif result is not None:
            _judge(plan, batch, result, [end for end in log.ends if end[0] == result.sid], outcome)
    outcome.dialled += len(system.records)
    outcome.carried += len(log.ends)
    outcome.reasons.update(reason for _, reason, _ in log.ends)
    if sessions.made != len(log.ends):
        outcome.fail(None, f"{sessions.made} sessions, {len(log.ends)} ends of calls")
    for sid, count in Counter(sid for sid, _, _ in log.ends).items():
        if sid not in {record.sid for record in system.records}:
            outcome.fail(None, f"{count} ends of a call {sid} that there was not")
    return sessions.living


def _judge(plan: CallPlan, batch: BatchPlan, record: CallRecord, ends: list[Any], outcome: Outcome) -> None:
    """One call, as its record and the log have it."""
    wrong: list[str] = []
    streamed = any(stream.frames_sent for stream in record.streams)
    must = int(streamed and not plan.troubled)
    if not must <= len(ends) <= 1:
        wrong.append(f"{len(ends)} end-of-call records, {len(record.streams)} streams")
    if record.seconds > LONGEST_CALL_SECONDS:
        wrong.append(f"stuck: it lasted {record.seconds:.1f} s")
    for _, reason, detail in ends:
        if EndReason(reason) not in _reasons(plan, record):
            wrong.append(f"reason {reason} ({detail}), ended by {record.ended_by}")
    allowed = {31903, 31921, 31930, 11200, 11205} if plan.troubled else set()
    if plan.day.gives_up_on_webhook or plan.day.webhook_twice:
        allowed |= {11200, 11205}
    if batch.rest_faults:
        allowed.add(31921)
    if bad := [fault for fault in record.faults if fault.code.value not in allowed]:
        wrong.append(f"violations {bad}")
    for why in wrong:
        outcome.fail(plan.number, why)
    if wrong:
        outcome.transcripts[plan.number] = f"{plan}\n{ends} ended by {record.ended_by}\n{record.transcript()}"


def _reasons(plan: CallPlan, record: CallRecord) -> set[EndReason]:
    allowed = set(plan.ends)
    if record.ended_by is EndedBy.CALLER:
        allowed.add(EndReason.CALLER_HUNG_UP)
    if plan.troubled:
        allowed |= LOST
    return allowed


def run_batch(batch: BatchPlan, plans: list[CallPlan]) -> Outcome:
    """Live through it and look at what is left."""
    outcome, log = Outcome(), Log()
    threads, files = set(threading.enumerate()), _open_files()
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda it: outcome.fail(None, f"unraisable: {it.err_msg} {it.exc_value!r} {it.object!r}")
    living: Any = ()
    try:
        with tempfile.TemporaryDirectory() as folder, log.listening():
            try:
                loop = (lambda: ScaledLoop(SPEED)) if batch.over_sockets else VirtualLoop
                work = _live(batch, plans, outcome, log, folder)
                living = run(_and_no_task(work, outcome), loop)
            except Exception as error:  # Deadlock, a time-out: the batch is stuck
                outcome.fail(None, f"stuck: {type(error).__name__}: {error}")
            _check_recordings(Path(folder), outcome)
        gc.collect()
        if left := list(living):
            outcome.fail(None, f"{len(left)} sessions are alive, held by {holders(left[0])}")
        del left
        if names := wait_for_threads(threads):
            outcome.fail(None, f"threads are left: {names}")
        if len(now := _open_files()) > len(files):
            outcome.fail(None, f"open files: {sorted(set(now) - set(files))}")
        for error, times in Counter(error for error in log.errors if not _planned(error, batch)).items():
            outcome.fail(None, f"logged {times} times: {error}")
    finally:
        sys.unraisablehook = unraisable
    return outcome


async def _and_no_task(work: Any, outcome: Outcome) -> Any:
    living = await work
    for _ in range(20):
        await asyncio.sleep(1)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            break
    else:
        outcome.fail(None, f"tasks are left: {sorted(task.get_name() for task in left)}")
    return living


def _open_files() -> list[str]:
    files = []
    for number in os.listdir("/proc/self/fd"):
        try:
            files.append(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue  # that of the listing
    return files


def holders(session: object) -> str:
    return ", ".join(type(holder).__name__ for holder in gc.get_referrers(session) if not inspect.isframe(holder))[:200]


def wait_for_threads(before: set[threading.Thread]) -> list[str]:
    """The names of those that are still there after a while."""
    left: list[str] = []
    for _ in range(250):
        left = [thread.name for thread in set(threading.enumerate()) - before]
        if not left:
            break
        time.sleep(0.02)
    return left


def _check_recordings(folder: Path, outcome: Outcome) -> None:
    for path in folder.iterdir():
        try:
            read_wav(path)
        except Exception as error:  # whatever is wrong with it
            outcome.fail(None, f"recording {path.name}: {error!r}")
