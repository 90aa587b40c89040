"""A test of an agent, in text in a few milliseconds, and the same over the simulated phone."""

from voice_runtime.agent import Agent
from voice_runtime.testing import PhoneTests, ScriptedBrain, Talk, talk

brain = ScriptedBrain(
    on={
        "hello": "Good morning. Which order?",
        "7216": "It comes on Thursday. " * 5,
        "stop": "Very well.",
    }
)
desk = Agent(brain, greeting="The parcel desk.")


def conversation(call: Talk) -> None:
    call.hears("the parcel desk")
    call.say("Hello there")
    assert call.turns[0].agent == "Good morning. Which order?"
    call.press("7216#", hear_out=False)
    call.interrupt_after(2.0, "stop")
    assert call.agent_said("it comes on Thursday") and call.turns[1].interrupted
    assert call.turns[2].user == "stop"
    assert call.turns[2].latency_ms is not None and call.turns[2].latency_ms < 1500


def test_the_desk_in_text() -> None:
    with talk(desk) as call:
        conversation(call)


def test_the_desk_on_the_phone(phone: PhoneTests) -> None:
    with phone.talk(desk) as call:
        conversation(call)
