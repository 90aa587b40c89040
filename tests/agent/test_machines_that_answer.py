"""Whom an agent that dials talks to: people; machines get a message, once, and faxes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, ear

from voice_runtime.agent import Phrases
from voice_runtime.errors import TtsError
from voice_runtime.events import AnsweredBy, EndReason
from voice_runtime.llm import AgentItem
from voice_runtime.mock import MockTts
from voice_runtime.simulator import EndedBy, Line, Phone, answering_machine, call_screening, person
from voice_runtime.testing import PhoneTests, ScriptedBrain

NUMBER = "+15550001234"
MESSAGE = "your parcel comes on thursday. goodbye."


def caller(*answers: str, message: str = MESSAGE) -> Remembering:
    brain = ScriptedBrain(*answers)
    return Remembering(brain, greeting="it is alice.", phrases=Phrases(voicemail=message))


async def speaks_and_listens(line: Line) -> None:
    await line.say("hello?")
    await line.hear_out(quiet_ms=1500)


def test_somebody_who_answers_is_talked_to(phone: PhoneTests) -> None:
    """Nothing is said before it is known who answered."""
    agent = caller()
    record = phone.place(desk(agent), NUMBER, person(speaks_and_listens), detect_machine=True)
    assert ear(record) == "it is alice."
    assert agent.answered_by is AnsweredBy.HUMAN
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP


@pytest.mark.parametrize("greeting", ["gone fishing. please leave a message after the tone.", "no. yes. not today."])
def test_a_machine_gets_the_message_after_the_beep_and_once(phone: PhoneTests, greeting: str) -> None:
    """Nobody talks to the machine, whatever it says; the message is whole, and the line is put down behind it."""
    agent = caller()
    record = phone.place(desk(agent), NUMBER, answering_machine(greeting), detect_machine=True)
    assert record.message == ear(record) == MESSAGE
    assert record.ended_by is EndedBy.REST
    assert agent.remembered == [AgentItem(MESSAGE)]
    assert agent.answered_by is AnsweredBy.MACHINE_END_BEEP
    assert agent.end is not None and agent.end.reason is EndReason.MACHINE_ANSWERED


def test_without_a_message_a_machine_hears_nothing(phone: PhoneTests) -> None:
    """The line is put down."""
    agent = caller(message="")
    record = phone.place(desk(agent), NUMBER, answering_machine(), detect_machine=True)
    assert ear(record) == ""
    assert agent.end is not None and agent.end.reason is EndReason.MACHINE_ANSWERED


def test_a_message_that_could_not_be_said_was_not_left(phone: PhoneTests) -> None:
    """The end of the call does not claim it."""

    class Mute(MockTts):
        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            raise TtsError("mute", "failed", "for once")
            yield b""

    agent = caller()
    phone.place(desk(agent, tts=Mute()), NUMBER, answering_machine(silence=20), detect_machine=True)
    assert agent.end is not None and agent.end.detail.endswith("no message")


def test_a_machine_without_a_beep_gets_the_message_too(phone: PhoneTests) -> None:
    """And nobody who then speaks is hung up on: see the screening of calls."""
    agent = caller()
    record = phone.place(desk(agent), NUMBER, answering_machine(beep=False, silence=20), detect_machine=True)
    assert ear(record) == MESSAGE
    assert agent.end is not None and agent.end.reason is EndReason.MACHINE_ANSWERED


def test_a_call_that_is_screened_reaches_the_human(phone: PhoneTests) -> None:
    """The robot that asks who calls is taken for a machine; it is told, and the human who comes is talked to."""
    agent = caller("a moment.", "yes, on thursday.")

    async def human(line: Line) -> None:
        await line.say("yes, speaking. when does it come?")
        await line.hear_out(quiet_ms=1500)

    record = phone.place(
        desk(agent), NUMBER, call_screening(human, accepts=lambda reply: "parcel" in reply), detect_machine=True
    )
    assert "yes, on thursday." in ear(record)
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP


def test_who_does_not_ask_is_not_told(phone: PhoneTests) -> None:
    """Then a machine is somebody who talks."""
    agent = caller()
    phone.place(desk(agent), NUMBER, Phone(speaks_and_listens))
    assert agent.answered_by is None
