"""One call to an agent, alone on its loop, and what must be true of it and of what is left."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from typing import Any

from soak_batch import Log, Outcome, holders, wait_for_threads
from soak_talk_agents import Story, agents_of, caller_of
from soak_talk_checks import judge
from soak_talk_plans import TalkPlan
from soak_talk_providers import CountedVad, ears_of, vad_of, voice_of

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.simulator import CallRecord
from voice_runtime.simulator.rest import FAULTS
from voice_runtime.testing import PhoneSystem, VirtualLoop, run

__all__ = ["run_talk"]

MAX_CALL_SECONDS = 90.0
SETTLE_SECONDS = 150.0


def run_talk(plan: TalkPlan) -> Outcome:
    """Live through it and look at what is left."""
    outcome, log, story = Outcome(), Log(), Story()
    wrong: list[str] = []
    threads = set(threading.enumerate())
    unraisable, sys.unraisablehook = sys.unraisablehook, lambda it: wrong.append(f"unraisable: {it.exc_value!r}")
    living: weakref.WeakSet[VoiceSession] = weakref.WeakSet()
    record: CallRecord | None = None
    try:
        with log.listening():
            try:
                record = run(_live(plan, story, living, wrong), VirtualLoop)
            except Exception as error:  # Deadlock, a time-out, or what a caller's script raised
                wrong.append(f"stuck: {type(error).__name__}: {error}")
            for agent in story.agents:
                agent.threads.shutdown()  # they are the application's, which goes on as a rule
            gc.collect()
        if living:
            wrong.append(f"{len(living)} sessions are alive, held by {holders(next(iter(living)))}")
        if left := wait_for_threads(threads):
            wrong.append(f"threads are left: {left}")
    finally:
        sys.unraisablehook = unraisable
    outcome.dialled, outcome.carried = 1, len(log.ends)
    outcome.reasons.update(reason for _, reason, _ in log.ends)
    if record is not None:
        wrong += judge(plan, story, record, log)
    for why in wrong:
        outcome.fail(plan.number, why)
    if wrong:
        told = f"{plan}\n{log.ends}" + (f" ended by {record.ended_by}\n{record.transcript()}" if record else "")
        outcome.transcripts[plan.number] = f"{told}\n{story.history.summary(None)}"
    return outcome


async def _live(
    plan: TalkPlan, story: Story, living: weakref.WeakSet[VoiceSession], wrong: list[str]
) -> CallRecord | None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: wrong.append(f"in the loop: {context.get('message')} {context.get('exception')!r}")
    )
    vad = vad_of(plan)
    app = _application(plan, story, vad, living)
    settings = {
        "voice_max_loop_lag_ms": 0.0,
        "voice_max_call_seconds": MAX_CALL_SECONDS,
        "voice_media_timeout": 20.0,
        "twilio_http_timeout": 10.0,
    }
    system = PhoneSystem(app, settings=settings, seed=plan.seed + plan.number)
    async with asyncio.timeout(600), system:
        if plan.rest_faults:
            system.carrier.rest.fail_by_chance(0.4, *(FAULTS[n] for n in plan.rest_faults), seed=plan.number)
        record = await system.call(caller_of(plan, story), bad_day=plan.day)
        switchboard = app.switchboard
        if not await switchboard.places.empty(SETTLE_SECONDS) or switchboard.calls:
            wrong.append(f"left on the switchboard: {len(switchboard.calls)} calls, {switchboard.places.taken} places")
        await asyncio.sleep(1)
        if brains := story.opened.left.get("brain"):
            wrong.append(f"{brains} brains are left open")
        if vad is not None and vad.left:
            wrong.append(f"{vad.left} voice detectors are left")
    await _nothing_is_left(loop, wrong)
    if left := story.opened.left:
        wrong.append(f"left open: {left}")
    return record


async def _nothing_is_left(loop: Any, wrong: list[str]) -> None:
    await asyncio.sleep(1)
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        wrong.append(f"tasks are left: {sorted(task.get_name() for task in left)}")
    timers = [str(handle) for handle in loop._scheduled if not handle.cancelled()]
    if timers := [timer for timer in timers if "voice_runtime/agent" in timer or "voice_runtime/session" in timer]:
        wrong.append(f"timers are left: {timers}")


def _application(
    plan: TalkPlan, story: Story, vad: CountedVad | None, living: weakref.WeakSet[VoiceSession]
) -> VoiceApp:
    agent = agents_of(plan, story)
    app = VoiceApp(stt=ears_of(plan), tts=voice_of(plan, story.opened), vad=vad)

    @app.call()
    async def answer(call: VoiceSession) -> None:
        living.add(call)
        story.watch(call, plan)
        conversation = agent.conversation(call)
        story.history = conversation.history
        await conversation.hold()

    return app
