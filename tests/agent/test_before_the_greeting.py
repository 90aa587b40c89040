"""What a caller hears while the program prepares the call: the hook `enter` takes its time."""

from __future__ import annotations

import asyncio

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.events import EndReason
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.testing import PhoneTests, ScriptedBrain


def silences(record: CallRecord) -> list[float]:
    """Seconds before each thing that the agent said."""
    starts = [span.start_ms / 1000 for span in record.timeline.agent]
    ends = [0.0, *(span.end_ms / 1000 for span in record.timeline.agent)]
    return [start - end for start, end in zip(starts, ends, strict=False)]


class Preparing(Remembering):
    """Takes its time before the greeting."""

    seconds = 9.0

    async def enter(self, call: VoiceSession) -> None:
        await asyncio.sleep(self.seconds)


def test_a_caller_who_waits_for_the_greeting_hears_something(phone: PhoneTests) -> None:
    """Whatever the program does first; and a hook that never ends is one that failed."""

    async def caller(line: Line) -> None:
        await line.pause(8.0)
        await line.hear_out(quiet_ms=3000)

    record = phone.call(desk(Preparing(ScriptedBrain(), greeting="hello.")), caller)
    assert ear(record).startswith("one moment, please.") and ear(record).endswith("hello.")
    assert max(silences(record)) < 4

    async def impatient(line: Line) -> None:
        await line.pause(0.5)
        await says(line, "anybody there")
        await line.pause(8.0)
        await line.hear_out(quiet_ms=3000)

    brain = ScriptedBrain("yes, somebody is.")
    record = phone.call(desk(Preparing(brain, greeting="hello.")), impatient)
    assert ear(record).startswith("one moment, please.") and ear(record).endswith("hello. yes, somebody is.")

    class Stuck(Preparing):
        seconds = 600.0

    async def waits(line: Line) -> None:
        await line.stay(200)

    phone.expect(EndReason.HANDLER_FAILED)
    record = phone.call(desk(Stuck(ScriptedBrain(), greeting="hello.")), waits)
    assert "something went wrong" in ear(record) and "hello" not in ear(record) and record.seconds < 60
    assert max(silences(record)) < 4


def test_a_caller_who_is_asked_before_the_greeting_has_time(phone: PhoneTests) -> None:
    """Nobody says that it takes a moment while the hook itself listens."""

    class Listening(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            await call.say("who is there?")
            await call.listen()

    async def caller(line: Line) -> None:
        await line.pause(9.0)
        await says(line, "it is me")
        await line.hear_out(quiet_ms=3000)

    brain = ScriptedBrain(otherwise="so it is.")
    assert "moment" not in ear(phone.call(desk(Listening(brain, greeting="hello.")), caller))
