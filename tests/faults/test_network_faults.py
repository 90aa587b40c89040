"""Sockets that are slow, dead, half dead, or cut."""

from __future__ import annotations

import pytest
from faulty_calls import Agent

from voice_runtime import VoiceSession
from voice_runtime.audio import beep
from voice_runtime.events import EndReason, Fault
from voice_runtime.mock import MockTts
from voice_runtime.simulator import BadDay, EndedBy, ViolationCode, listens
from voice_runtime.testing import PhoneTests

STORY = "this is a long story " * 10


async def tells(call: VoiceSession) -> None:
    await call.say(STORY)
    await call.wait_ended()


def test_a_carrier_that_reads_slowly_gets_everything(phone: PhoneTests) -> None:
    """Slower than speech: it is heard late and in pieces, all of it, and nobody is given up."""

    async def answer(call: VoiceSession) -> None:
        await call.say("it takes a while")

    agent = Agent(answer)
    record = phone.call(agent.app, listens(60), bad_day=BadDay(reads_per_second=9000))
    assert record.ended_by is EndedBy.REST
    assert record.streams[0].bytes_received == len(MockTts.render("it takes a while"))


def test_a_carrier_that_stops_reading_is_given_up(phone: PhoneTests) -> None:
    """Nothing can be sent for 10 s: the call ends, by the carrier's fault, and its phone is hung up."""

    async def floods(call: VoiceSession) -> None:
        while not call.is_disconnected:
            await call.play(beep(400, 5000))

    phone.expect(ViolationCode.BROKEN_PIPE)
    agent = Agent(floods)
    record = phone.call(agent.app, listens(300), bad_day=BadDay(stops_reading_after=2.0))
    assert agent.ends == [(EndReason.SEND_STALLED, Fault.CARRIER)]
    assert record.ended_by is EndedBy.REST and record.seconds < 60


def test_a_half_open_socket_is_given_up(phone: PhoneTests) -> None:
    """The connection stays and nothing comes: after VOICE_MEDIA_TIMEOUT the call ends, and its phone is hung up."""
    phone.options = {"settings": {"voice_media_timeout": 10.0}}
    phone.expect(ViolationCode.BROKEN_PIPE)
    agent = Agent(tells)
    record = phone.call(agent.app, listens(300), bad_day=BadDay(half_open_after=3.0))
    assert agent.ends == [(EndReason.CONNECTION_LOST, Fault.CARRIER)]
    assert record.ended_by is EndedBy.REST and record.seconds < 20


@pytest.mark.parametrize("after", [0.0, 0.01, 0.5, 5.0])
def test_a_socket_that_breaks_ends_the_call(phone: PhoneTests, after: float) -> None:
    """At once, in the greeting, in mid-sentence: the handler is told, the fault is the carrier's, nobody waits."""
    phone.expect(ViolationCode.BROKEN_PIPE)
    agent = Agent(tells)
    record = phone.call(agent.app, listens(60), bad_day=BadDay(cuts_after=after))
    assert record.ended_by is EndedBy.TWIML and record.seconds < after + 2
    assert agent.ends in ([(EndReason.CONNECTION_LOST, Fault.CARRIER)], [])
    assert phone.errors() == ""


def test_a_socket_that_breaks_in_the_goodbye_ends_the_call_once(phone: PhoneTests) -> None:
    """The hang-up is under way and the socket breaks: one end, and no error."""

    async def goodbye(call: VoiceSession) -> None:
        await call.hangup()
        await call.say("goodbye and thanks for calling")

    phone.expect(ViolationCode.BROKEN_PIPE)
    agent = Agent(goodbye)
    record = phone.call(agent.app, listens(60), bad_day=BadDay(cuts_after=0.1))
    assert len(agent.ends) == 1 and record.seconds < 10
