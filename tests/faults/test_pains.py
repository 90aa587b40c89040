"""What users of other runtimes suffer from, as far as a carrier can bring it about. Numbers are their issues."""

from __future__ import annotations

import asyncio
import time

import pytest
from faulty_calls import Agent

from voice_runtime import VoiceSession
from voice_runtime.audio import beep
from voice_runtime.events import EndReason, Fault, PlaybackOutcome
from voice_runtime.mock import MockTts
from voice_runtime.simulator import EndedBy, Line, Phone, listens
from voice_runtime.testing import PhoneSystem, PhoneTests


async def echoes(call: VoiceSession) -> None:
    await call.say("hello")
    async for frame in call.audio():
        call.send_audio(frame)


def test_a_call_lasts_twelve_minutes(phone: PhoneTests) -> None:
    """Both sides are still heard at its end (vocode#32: calls dropped at 5 minutes)."""

    async def caller(line: Line) -> None:
        await line.pause(715)
        await line.say(beep(500, 1000))
        await line.pause(4)

    agent = Agent(echoes)
    record = phone.call(agent.app, caller)
    assert record.seconds > 719 and agent.ends == [(EndReason.CALLER_HUNG_UP, Fault.CALLER)]
    assert beep(500, 1000)[800:-800] in record.ear


def test_after_the_greeting_the_agent_is_heard(phone: PhoneTests) -> None:
    """Half a minute of silence from the caller, and the next sentence arrives whole (livekit/agents#3605)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("hello")
        await asyncio.sleep(30)
        await call.say("are you there")

    assert MockTts.render("are you there") in phone.call(Agent(answer).app, listens(60)).ear


def test_who_is_called_hears_the_greeting_without_a_word(phone: PhoneTests) -> None:
    """Outbound: the first word is heard although the callee says nothing (livekit#4377, bolna#272)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("good day")

    record = phone.place(Agent(answer).app, "+15550001234", Phone(listens(30), rings=2))
    assert MockTts.render("good day") in record.ear and record.timeline.agent[0].start_ms < 1500


def test_an_interruption_silences_what_the_carrier_holds(phone: PhoneTests) -> None:
    """Seconds of audio are at the carrier: it is quiet within a quarter of one (openai-agents-js#1173)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("a very long sentence " * 8)
        await call.wait_ended()

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(2)
        line.press("5")
        began = line.time
        await line.wait_until_agent_stops(quiet_ms=600)
        assert line.time - began < 0.6 + 0.3

    agent = Agent(answer)
    phone.call(agent.app, caller)
    assert agent.outcomes == [PlaybackOutcome.INTERRUPTED]


def test_a_sentence_has_no_holes(phone: PhoneTests) -> None:
    """At the ear it is byte for byte what was made, also after a pause (pipecat#3315, #5769, #2941, #5592)."""
    words = "the quick brown fox jumps over the lazy dog"

    async def answer(call: VoiceSession) -> None:
        await call.say(words)
        await asyncio.sleep(7)
        await call.say(words)

    record = phone.call(Agent(answer).app, listens(120))
    assert record.ear.count(MockTts.render(words)) == 2 and not record.timeline.dropouts()


@pytest.mark.parametrize("after", [0.3, 1.5, 3.0])
def test_a_caller_who_leaves_in_mid_sentence_ends_the_call(phone: PhoneTests, after: float) -> None:
    """`say` raises, the handler is over, no task is left (livekit/agents#3179, pipecat#2955)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("a very long sentence " * 8)

    agent = Agent(answer)

    async def scenario(system: PhoneSystem) -> None:
        await system.call(listens(after))
        await asyncio.sleep(1)
        left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("call.", "media-"))]
        assert not left and not agent.app.switchboard.calls

    phone.run(scenario, agent.app)
    assert agent.ends == [(EndReason.CALLER_HUNG_UP, Fault.CALLER)]
    assert agent.outcomes in ([PlaybackOutcome.DISCONNECTED], [])


def test_the_goodbye_is_heard_and_the_call_ends(phone: PhoneTests) -> None:
    """Say goodbye, hang up: all of the words, then the end, at once (livekit/agents#3566, #4647, #5211, #1144)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("goodbye and thank you")
        await call.hangup()
        await call.wait_ended()

    agent = Agent(answer)
    record = phone.call(agent.app, listens(60))
    assert MockTts.render("goodbye and thank you") in record.ear and record.seconds < 6
    assert (record.ended_by, agent.ends) == (EndedBy.REST, [(EndReason.AGENT_HUNG_UP, Fault.AGENT)])


def test_a_second_call_leaves_the_first_alone(phone: PhoneTests) -> None:
    """Both hear their agent to the end (elevenlabs-docs#519: a second call kills both)."""

    async def answer(call: VoiceSession) -> None:
        await call.say("a sentence for each of you")

    records = phone.calls(Agent(answer).app, listens(30), listens(30), listens(30))
    assert all(MockTts.render("a sentence for each of you") in record.ear for record in records)


@pytest.mark.parametrize("seconds", [0.02, 0.2])
def test_a_loop_that_stands_still_loses_no_word(phone_over_sockets: PhoneTests, seconds: float) -> None:
    """0.2 and 2 s of the call in mid-sentence, for everybody: the words come late, and all of them."""
    words = "the quick brown fox jumps over the lazy dog"

    async def answer(call: VoiceSession) -> None:
        asyncio.get_running_loop().call_later(1.0, time.sleep, seconds)
        await call.say(words)

    agent = Agent(answer)
    record = phone_over_sockets.call(agent.app, listens(60))
    assert record.streams[0].bytes_received == len(MockTts.render(words))
    assert agent.outcomes == [PlaybackOutcome.PLAYED]


def test_a_caller_who_leaves_while_it_rings_keeps_no_place(phone: PhoneTests) -> None:
    """They hang up before the webhook is answered: no handler, and the next caller has the place."""

    async def answer(call: VoiceSession) -> None:
        await call.say("hello")

    agent = Agent(answer)

    async def scenario(system: PhoneSystem) -> None:
        call = system.dial_in(listens(30))
        call.hang_up()
        gone = await system.finished(call)
        assert gone.ended_by is EndedBy.CALLER
        await asyncio.sleep(1)  # the runtime learns of it a moment later than the carrier
        assert MockTts.render("hello") in (await system.call(listens(30))).ear

    phone.options = {"settings": {"voice_max_calls": 1}}
    phone.run(scenario, agent.app)


def test_a_caller_who_leaves_during_the_hang_up_ends_the_call_once(phone: PhoneTests) -> None:
    """Both hang up in the same moment: one end, no error (dograh#627)."""

    async def answer(call: VoiceSession) -> None:
        await asyncio.sleep(2)
        await call.hangup()
        await call.wait_ended()

    agent = Agent(answer)
    phone.call(agent.app, listens(2))
    assert len(agent.ends) == 1 and phone.errors() == ""


def test_a_handler_that_ends_at_once_ends_the_call(phone: PhoneTests) -> None:
    """Nothing was said, and nobody is left on the line."""

    async def answer(call: VoiceSession) -> None:
        return

    agent = Agent(answer)
    record = phone.call(agent.app, listens(30))
    assert (record.ended_by, agent.ends) == (EndedBy.REST, [(EndReason.HANDLER_RETURNED, Fault.AGENT)])
    assert record.seconds < 1


def test_a_handler_that_never_ends_is_ended(phone: PhoneTests) -> None:
    """VOICE_MAX_CALL_SECONDS: the line is hung up, and the reason says why."""

    async def answer(call: VoiceSession) -> None:
        await call.say("hello")
        await asyncio.Event().wait()

    agent = Agent(answer)
    phone.options = {"settings": {"voice_max_call_seconds": 20.0}}
    record = phone.call(agent.app, listens(60))
    assert (record.ended_by, agent.ends) == (EndedBy.REST, [(EndReason.MAX_DURATION, Fault.RUNTIME)])
    assert 19 < record.seconds < 22


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wall_clock_that_jumps_changes_nothing(
    phone: PhoneTests, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The machine's time is set while the agent speaks: a call goes by a clock that nobody sets."""
    words = "the quick brown fox jumps over the lazy dog"

    async def answer(call: VoiceSession) -> None:
        now = time.time
        asyncio.get_running_loop().call_later(
            1.0, lambda: monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
        )
        await call.say(words)

    agent = Agent(answer)
    record = phone.call(agent.app, listens(60))
    assert MockTts.render(words) in record.ear and agent.outcomes == [PlaybackOutcome.PLAYED]
