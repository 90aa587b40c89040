"""Frames, marks and `stop` that come late, twice, never, or in the wrong order."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_calls import Agent

from voice_runtime import VoiceSession
from voice_runtime.audio import beep
from voice_runtime.audio.measure import Span
from voice_runtime.audio.wav import read_wav
from voice_runtime.events import EndReason, Fault, PlaybackOutcome
from voice_runtime.mock import MockTts
from voice_runtime.simulator import BadDay, EndedBy, Line, listens
from voice_runtime.simulator.timeline import Timeline
from voice_runtime.testing import PhoneTests

HELLO = MockTts.render("hello")


async def greets(call: VoiceSession) -> None:
    await call.say("hello")


async def echoes(call: VoiceSession) -> None:
    async for frame in call.audio():
        call.send_audio(frame)


async def beeps(line: Line) -> None:
    """Thirty seconds of beeps."""
    for _ in range(15):
        await line.say(beep(400, 1000))
        await line.pause(1.6)


@pytest.mark.parametrize(
    "day",
    [
        BadDay(jitter_ms=400),
        BadDay(loss=0.05),
        BadDay(holes_every=4, hole_seconds=1.0),
        BadDay(jitter_ms=400, loss=0.05, holes_every=8),
    ],
    ids=["bursts", "loss", "holes", "all"],
)
def test_a_recording_stays_aligned(phone: PhoneTests, tmp_path: Path, day: BadDay) -> None:
    """What was recorded of the caller is where the caller said it, to 0.2 s, however much was lost or late before."""
    phone.options = {"settings": {"voice_record_dir": str(tmp_path)}, "seed": 3}
    agent = Agent(echoes)
    record = phone.call(agent.app, beeps, bad_day=day)
    wav = read_wav(next(tmp_path.glob("*.wav")))
    said, heard = Timeline.of(record.ear, record.mouth), Timeline.of(wav.channel(1), wav.channel(0))
    assert heard.caller and all(is_within(span, said.caller) for span in heard.caller), (said.caller, heard.caller)
    assert heard.agent and all(is_within(span, said.agent) for span in heard.agent), (said.agent, heard.agent)
    assert abs(wav.duration - record.seconds) < 0.3


def is_within(span: Span, others: tuple[Span, ...]) -> bool:
    return any(other.start_ms - 200 <= span.start_ms and span.end_ms <= other.end_ms + 200 for other in others)


@pytest.mark.parametrize(
    "day",
    [
        BadDay(reorders=0.2),
        BadDay(frames_before_start=10),
        BadDay(start_twice=True),
        BadDay(late_stop=3.0),
        BadDay(missing_stop=True),
        BadDay(stop_twice=True),
        BadDay(media_after_stop=50),
        BadDay(late_stop=1.0, stop_twice=True, media_after_stop=5),
    ],
    ids=["reorders", "early-media", "start-twice", "late-stop", "no-stop", "stop-twice", "late-media", "all-of-stop"],
)
@pytest.mark.parametrize("who", [EndReason.CALLER_HUNG_UP, EndReason.HANDLER_RETURNED])
def test_messages_out_of_place_change_nothing(phone: PhoneTests, day: BadDay, who: EndReason) -> None:
    """The greeting is heard whole, and the call ends once, for the reason it has, whoever hangs up."""
    agent = Agent(greets if who is EndReason.HANDLER_RETURNED else waits)
    record = phone.call(agent.app, listens(30 if who is EndReason.HANDLER_RETURNED else 4), bad_day=day)
    assert HELLO in record.ear
    assert [reason for reason, _ in agent.ends] == [who]
    assert record.ended_by is (EndedBy.REST if who is EndReason.HANDLER_RETURNED else EndedBy.CALLER)
    assert phone.errors() == ""


async def waits(call: VoiceSession) -> None:
    await call.say("hello")
    await call.wait_ended()


def test_a_socket_that_stays_open_after_the_hang_up_is_closed(phone: PhoneTests) -> None:
    """Neither `stop` nor close: the runtime closes it, and the reason is still that the agent was done."""
    agent = Agent(greets)
    record = phone.call(agent.app, listens(60), bad_day=BadDay(keeps_socket_open=True))
    assert (record.ended_by, agent.ends) == (EndedBy.REST, [(EndReason.HANDLER_RETURNED, Fault.AGENT)])


def test_a_socket_that_stays_open_after_the_caller_has_gone_is_closed(phone: PhoneTests) -> None:
    """The status callback says that the call is over; nobody talks to a dead line for a minute."""
    agent = Agent(waits)
    record = phone.call(agent.app, listens(3), bad_day=BadDay(keeps_socket_open=True))
    assert (record.ended_by, agent.ends) == (EndedBy.CALLER, [(EndReason.CALLER_HUNG_UP, Fault.CALLER)])


def test_frames_of_any_size_are_heard_whole(phone: PhoneTests) -> None:
    """One byte or a second of audio in a message: every byte of it reaches the handler, in order."""
    got = bytearray()

    async def listens_in(call: VoiceSession) -> None:
        async for frame in call.audio():
            got.extend(frame)

    async def caller(line: Line) -> None:
        await line.say(beep(400, 1000))
        await line.pause(5)

    record = phone.call(Agent(listens_in).app, caller, bad_day=BadDay(repacks=True))
    assert beep(400, 1000) in got and bytes(got) in record.mouth


# -- marks -------------------------------------------------------------------------------------------------------------


async def says_three_things(call: VoiceSession) -> None:
    for words in ("one", "two", "three"):
        await call.say(words)


def test_lost_marks_neither_hang_nor_lie(phone: PhoneTests) -> None:
    """Every utterance is heard; none claims a proof that never came; the call goes on after 5 s for each."""
    agent = Agent(says_three_things)
    record = phone.call(agent.app, listens(60), bad_day=BadDay(lost_marks=1.0))
    assert agent.outcomes == [PlaybackOutcome.TIMED_OUT] * 3
    assert all(MockTts.render(words) in record.ear for words in ("one", "two", "three"))
    assert record.ended_by is EndedBy.REST and record.seconds < 25


@pytest.mark.parametrize(
    "day",
    [
        BadDay(late_marks=2.0),
        BadDay(doubled_marks=1.0),
        BadDay(unknown_marks=1.0),
        BadDay(late_marks=1.0, doubled_marks=1.0, unknown_marks=1.0),
    ],
    ids=["late", "doubled", "unknown", "all"],
)
def test_odd_marks_prove_only_what_was_played(phone: PhoneTests, day: BadDay) -> None:
    """Echoes that come late, twice, or of names that were never set: what was heard is told as heard, once."""
    agent = Agent(says_three_things)
    record = phone.call(agent.app, listens(60), bad_day=day)
    assert agent.outcomes == [PlaybackOutcome.PLAYED] * 3
    assert all(MockTts.render(words) in record.ear for words in ("one", "two", "three"))


@pytest.mark.parametrize(
    "day",
    [BadDay(late_marks=2.0), BadDay(lost_marks=1.0), BadDay(doubled_marks=1.0, late_marks=1.5)],
    ids=["late", "lost", "doubled"],
)
def test_echoes_that_cross_a_clear_are_no_proof(phone: PhoneTests, day: BadDay) -> None:
    """An interrupted utterance was interrupted, and its late echoes say nothing about the next one."""

    async def answer(call: VoiceSession) -> None:
        await call.say("this is a rather long sentence that nobody hears to its end")
        await call.say("short")

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(0.5)
        line.press("1")
        await line.stay()

    agent = Agent(answer)
    record = phone.call(agent.app, caller, bad_day=day)
    proven = PlaybackOutcome.TIMED_OUT if day.lost_marks else PlaybackOutcome.PLAYED
    assert agent.outcomes == [PlaybackOutcome.INTERRUPTED, proven]
    assert MockTts.render("short") in record.ear


def test_a_cleared_mark_does_not_deafen(phone: PhoneTests) -> None:
    """After an interruption whose echoes are lost, the caller's keys still count (bolna#701)."""
    got: list[str] = []

    async def answer(call: VoiceSession) -> None:
        await call.say("this is a rather long sentence that nobody hears to its end")
        got.append((await call.collect_digits(3, timeout=20)).text)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        line.press("123")
        await line.pause(5)
        line.press("45")
        await line.stay()

    phone.call(Agent(answer).app, caller, bad_day=BadDay(lost_marks=1.0))
    assert got == ["123"]
