"""What users of other runtimes suffer from, on a whole call of an agent. Numbers are issues of other projects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.agent.builtin_tools import hang_up
from voice_runtime.events import CallEvent, ProviderFailed
from voice_runtime.llm import AgentItem, Turn, UserItem
from voice_runtime.mock import MockTts
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.testing import Fail, PhoneSystem, PhoneTests, ScriptedBrain

LONG = "this is a long line that takes its time to be said to the end, and then it goes on for a while."


async def asks_once(line: Line) -> None:
    await says(line, "where is my parcel")
    await line.hear_out(quiet_ms=3500)


def test_a_voice_that_takes_its_time_to_stop_is_silent_at_once(phone: PhoneTests) -> None:
    """H16: the carrier is cleared first, whatever the provider does about it; the next answer is whole."""

    class SlowToStop(MockTts):
        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            try:
                async for chunk in super().synthesize(text):
                    yield chunk
                if text == LONG:
                    await asyncio.sleep(60.0)  # there is more to come
            finally:
                if text == LONG:
                    await asyncio.sleep(3.0)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.0)
        await says(line, "stop")
        await line.hear_out(quiet_ms=3500)

    record = phone.call(desk(Remembering(ScriptedBrain("very well."), greeting=LONG), tts=SlowToStop()), caller)
    (barge_in,) = record.timeline.barge_ins()
    assert barge_in.silent_ms is not None and barge_in.silent_ms - barge_in.at_ms < 500
    assert ear(record).endswith("very well.")


def test_what_fails_in_one_call_is_nothing_to_the_others(phone: PhoneTests) -> None:
    """H21: events, histories and failures are of one call. One agent has them all."""
    seen: dict[str, list[CallEvent]] = {}

    class Watched(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            call.on_event(seen.setdefault(call.caller_number or "", []).append)

    brain = ScriptedBrain(on={"fail": Fail(ConnectionError("gone")), "parcel": "on thursday."})
    agent = Watched(brain, greeting="hello.")

    async def unlucky(line: Line) -> None:
        await says(line, "please fail")
        await line.hear_out(quiet_ms=3500)

    async def both(system: PhoneSystem) -> list[CallRecord]:
        calls = [
            system.dial_in(asks_once, caller="+15550000001"),
            system.dial_in(unlucky, caller="+15550000002"),
        ]
        return [await system.finished(call) for call in calls]

    fine, broken = phone.run(both, desk(agent))
    assert ear(fine) == "hello. on thursday." and "i am sorry" in ear(broken)
    words = {number: " ".join(map(repr, events)) for number, events in seen.items()}
    assert "thursday" in words["+15550000001"] and "fail" not in words["+15550000001"]
    assert "thursday" not in words["+15550000002"]


def test_a_hang_up_tool_that_is_called_again_and_again_is_called_once(phone: PhoneTests) -> None:
    """aplisay/llm-agent#181: 337 times in 148 s."""
    asked: list[str] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield "goodbye."
        for _ in range(337):
            asked.append(await turn.tools.call("hang_up", "{}"))

    async def caller(line: Line) -> None:
        await says(line, "that was all")
        await line.stay(20)

    agent = Remembering(brain, tools=[hang_up])
    record = phone.call(desk(agent), caller)
    assert ear(record) == "goodbye." and record.seconds < 8
    assert len(set(asked)) <= 4
    assert sum(isinstance(item, AgentItem) for item in agent.remembered) == 1


def test_knowledge_that_comes_too_late_is_done_without(phone: PhoneTests) -> None:
    """H37: a retriever is a hook with a time limit of the program's; what it finds is for this turn alone."""
    turns: list[Turn] = []

    class Knowing(Remembering):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
            try:
                async with asyncio.timeout(0.3):
                    found = await search(turn.text)
            except TimeoutError:
                return turn
            return replace(turn, instructions=f"{turn.instructions}\n\nWhat is known: {found}")

    async def search(text: str) -> str:
        await asyncio.sleep(0.1 if "parcel" in text else 60.0)
        return "Parcels come on Thursdays."

    async def brain(turn: Turn) -> AsyncIterator[str]:
        turns.append(turn)
        yield "i see."

    async def caller(line: Line) -> None:
        await says(line, "where is my parcel")
        await line.hear_out()
        await says(line, "and the weather")
        await line.hear_out()

    agent = Knowing(brain, instructions="Be kind.")
    record = phone.call(desk(agent), caller)
    assert [turn.instructions for turn in turns] == [
        "Be kind.\n\nWhat is known: Parcels come on Thursdays.",
        "Be kind.",
    ]
    assert max(answer.latency_ms for answer in record.timeline.responses()) < 2500
    assert agent.remembered[0] == UserItem("where is my parcel")


def test_a_hook_that_hangs_is_covered_up_like_a_brain(phone: PhoneTests) -> None:
    """The caller hears fillers and an apology, and the next turn is answered."""

    class Stuck(Remembering):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
            if "parcel" in turn.text:
                await asyncio.Event().wait()
            return turn

    async def caller(line: Line) -> None:
        await asks_once(line)
        await says(line, "and the weather")
        await line.hear_out()

    heard = ear(phone.call(desk(Stuck(ScriptedBrain("it rains."))), caller))
    assert heard.startswith("one moment, please.") and heard.endswith("could you say it again? it rains.")


def test_the_voice_may_change_within_a_call(phone: PhoneTests) -> None:
    """From the next sentence on; the one before is in the history as it was heard."""
    first, second = MockTts(), MockTts()

    class Swapping(Remembering):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
            call.tts = second
            return turn

    agent = Swapping(ScriptedBrain("in another voice."), greeting="hello.")
    record = phone.call(desk(agent, tts=first), asks_once)
    assert ear(record) == "hello. in another voice."
    assert second.spoken == ["in another voice."] and "in another voice." not in first.spoken


def test_noise_that_cuts_the_agent_off_does_not_silence_it(phone: PhoneTests) -> None:
    """pipecat#4308, livekit/agents#3418, #1229: the answer goes on, and so does the call."""

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        for _ in range(3):
            await line.pause(1.0)
            await line.say(b"\x00\x80" * 3000, "(noise)")
        await line.hear_out(quiet_ms=3500)
        await asks_once(line)

    agent = Remembering(ScriptedBrain("on thursday."), greeting=LONG)
    heard = ear(phone.call(desk(agent), caller))
    assert heard.endswith("goes on for a while. on thursday.")


def test_listeners_of_every_kind_behave(phone: PhoneTests, caplog: pytest.LogCaptureFixture) -> None:
    """H34: one that raises is logged, and neither the others nor the call notice."""
    heard: list[CallEvent] = []

    class Watched(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            def broken(event: CallEvent) -> None:
                raise RuntimeError("of the program's")

            call.on_event(broken)
            call.on_event(heard.append)

    agent = Watched(ScriptedBrain("on thursday."), greeting="hello.")
    assert ear(phone.call(desk(agent), asks_once)) == "hello. on thursday."
    assert "of the program's" in caplog.text
    assert heard and [event.at for event in heard] == sorted(event.at for event in heard)
    assert not any(isinstance(event, ProviderFailed) for event in heard)
