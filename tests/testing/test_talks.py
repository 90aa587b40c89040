"""Tests of agents with the kit: the same words in text and over the simulated phone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent, Limits, Phrases, Sounds
from voice_runtime.audio import beep
from voice_runtime.errors import CallHangupError
from voice_runtime.events import EndReason, ToolFinished
from voice_runtime.llm import ToolItem, Turn
from voice_runtime.testing import Fail, PhoneTests, ScriptedBrain, Stall, Talk, ToolUse, UseTool, Wait, talk

Talking = Callable[[object], Talk]
COUNTS = "One is a number. Two is another number. Three comes after two. Four is the last of the numbers here."


@pytest.fixture(params=["text", "phone"])
def talking(request: pytest.FixtureRequest) -> Talking:
    if request.param == "text":
        return talk
    phone: PhoneTests = request.getfixturevalue("phone")
    return phone.talk


def test_what_is_said_is_answered_and_heard(talking: Talking) -> None:
    """Turns have what the caller said and what of the answer was heard; the brain was asked for each."""
    brain = ScriptedBrain("Very well.", ["It costs $20. ", "Anything else?"])
    with talking(Agent(brain, greeting="Hello!")) as call:
        assert call.heard == "hello!"
        call.say("two pizzas please")
        call.say("what does it cost me")
        assert call.agent_said("Twenty dollars, anything ELSE")
        assert not call.agent_said("pizzas")
    assert [turn.user for turn in call.turns] == ["two pizzas please", "what does it cost me"]
    assert call.turns[1].agent == "It costs $20. Anything else?"
    assert [turn.text for turn in brain.turns] == ["two pizzas please", "what does it cost me"]
    assert call.end is not None and call.end.reason is EndReason.CALLER_HUNG_UP


def test_latencies_are_those_of_the_agent(talking: Talking) -> None:
    """From the end of what the caller said to the first sound: a slow brain shows."""
    with talking(Agent(ScriptedBrain("At once.", [Wait(1.5), "At last."]))) as call:
        call.say("how fast are you")
        call.say("and how slow are you")
    quick, slow = (turn.latency_ms for turn in call.turns)
    assert quick is not None and slow is not None
    assert 1400 < slow - quick < 1600
    assert quick < 1200


def test_an_interrupted_answer_is_a_turn_as_far_as_it_was_heard(talking: Talking) -> None:
    """The caller talks over the agent: the ear and the history say where."""
    with talking(Agent(ScriptedBrain(COUNTS, "Five comes next."))) as call:
        call.say("count for me please", hear_out=False)
        call.interrupt_after(2.0, "what about five")
        first, second = call.turns
        assert first.interrupted and not second.interrupted
        assert COUNTS.startswith(first.agent) and len(first.agent.split()) >= 4
        assert second.agent == "Five comes next."
        assert call.agent_said("One is a number") and not call.agent_said("numbers here")


def test_history_and_ear_agree_wherever_the_caller_interrupts() -> None:
    """To the word: in text nothing is estimated."""
    for tenth in range(2, 60):
        with talk(Agent(ScriptedBrain(COUNTS, "Very well."))) as call:
            call.say("count for me please", hear_out=False)
            call.interrupt_after(tenth / 10, "stop it now")
            whole = call.heard.removesuffix("very well.").split()
            remembered = call.turns[0].agent.lower().split()
            assert remembered == whole[: len(remembered)]
            assert len(whole) - len(remembered) <= 1, (tenth, call.heard, call.turns[0].agent)


def test_keys_are_a_turn(talking: Talking) -> None:
    """What is keyed in is what the caller says."""
    brain = ScriptedBrain(on={"7216#?": "Order 7216 comes on Thursday."}, otherwise="Key in your number.")
    with talking(Agent(brain)) as call:
        call.say("where is my order")
        call.press("7216#")
        assert call.turns[1].keys == "7216"
        assert call.turns[1].agent == "Order 7216 comes on Thursday."


def test_tools_are_part_of_the_turn_that_used_them(talking: Talking) -> None:
    """With their arguments as values."""
    used = ToolItem("order_status", '{"number": 7216}', "thursday")
    with talking(Agent(ScriptedBrain([used, "On Thursday."], "You are welcome."))) as call:
        call.say("where is order 7216 now")
        call.say("thank you very much")
    assert call.turns[0].tools == call.tools == (ToolUse("order_status", {"number": 7216}, "thursday"),)
    assert call.turns[1].tools == ()


def test_the_agents_own_tools_run(talking: Talking) -> None:
    """The script calls them as a model would, and says what they answer."""
    asked: list[int] = []

    def order_status(number: int) -> str:
        """When an order comes."""
        asked.append(number)
        return "on Thursday"

    brain = ScriptedBrain([UseTool("order_status", {"number": 7216}), "It comes {order_status}."], UseTool("nothing"))
    with talking(Agent(brain, tools=[order_status])) as call:
        call.say("where is order 7216 now")
        assert asked == [7216]
        assert call.turns[0].agent == "It comes on Thursday."
        assert call.turns[0].tools == (ToolUse("order_status", {"number": 7216}, "on Thursday"),)
        assert [event.tool for event in call.events if isinstance(event, ToolFinished)] == ["order_status"]


def test_a_brain_outside_of_this_process_has_real_time() -> None:
    """Nobody loses patience while a socket is read, and what is said is quickly said."""
    near, far = socket.socketpair()

    async def brain(turn: Turn) -> AsyncIterator[str]:
        reader, writer = await asyncio.open_connection(sock=near)
        threading.Timer(0.1, far.sendall, [b"The model says hello to you.\n"]).start()
        yield (await reader.readline()).decode()
        writer.close()

    with far, talk(brain, speed=1.0, pace=1000) as call:
        call.say("hello to you")
        assert call.turns[0].agent == "The model says hello to you."
        latency = call.turns[0].latency_ms
        assert latency is not None and 90 < latency < 1500


def test_a_brain_that_fails_and_stalls_as_scripted(talking: Talking) -> None:
    """In mid-sentence, and before the first word."""
    phrases = Phrases(fillers=("one moment.",), apology="say it again.", failed_goodbye="goodbye.")
    brain = ScriptedBrain(["On Thursday. At half", Fail()], Stall())
    with talking(Agent(brain, phrases=phrases, limits=Limits(failures=2))) as call:
        call.say("when does it come")
        assert call.turns[0].agent == "On Thursday. say it again."
        call.say("when does it come then")
        end = call.wait_ended()
    assert end.reason is EndReason.PROVIDER_FAILED
    assert call.agent_said("one moment goodbye")


def test_the_agent_may_hang_up(talking: Talking) -> None:
    """Who talks on is told that the call is over."""
    with talking(Agent(ScriptedBrain("Yes."), limits=Limits(max_turns=0), phrases=Phrases(goodbye="Bye!"))) as call:
        call.say("hello to you too")
        assert call.wait_ended().reason is EndReason.MAX_TURNS
        with pytest.raises(CallHangupError):
            call.say("are you there")
    assert call.heard == "bye!"


def test_words_that_were_not_heard_are_told_with_those_that_were(talking: Talking) -> None:
    """The message of a failing test says what the agent said instead."""
    with talking(Agent(ScriptedBrain("It comes on Thursday."), greeting="Hello!")) as call:
        call.hears("hello")
        call.say("when does it come")
        call.hears("comes on Thursday")
        with pytest.raises(TimeoutError, match="did not hear 'on friday' within 5 s, but ''"):
            call.hears("on friday", timeout=5)


def test_a_hook_that_raises_fails_the_test() -> None:
    """As it fails the call."""

    class Broken(Agent):
        async def enter(self, call: VoiceSession) -> None:
            raise KeyError("no such customer")

    with pytest.raises(KeyError, match="no such customer"), talk(Broken(ScriptedBrain())):
        pass
    with pytest.raises(KeyError, match="no such customer"), talk(Broken(ScriptedBrain())) as call:
        call.say("hello")  # cannot be said any more, for that reason


def test_an_agents_background_does_not_garble_text() -> None:
    """There is no sound in it."""
    with talk(Agent(ScriptedBrain("Very well."), greeting="Hello!", sounds=Sounds(background=beep(ms=300)))) as call:
        call.say("two pizzas")
        call.pause(1.0)
    assert call.heard == "hello! very well."


async def test_a_talk_in_a_coroutine_is_told_to_be_none() -> None:
    """Its time is its own."""
    with pytest.raises(RuntimeError, match="let the test be a plain `def`"), talk(ScriptedBrain()):
        pass


def test_a_call_is_over_when_it_is_hung_up() -> None:
    """Nobody waits for anything that goes on beside the conversation."""
    with talk(Agent(ScriptedBrain("Yes."))) as call:
        call.say("are you there")
        clock = call.session.clock
        began = clock.monotonic()
        call.hang_up()
        assert clock.monotonic() - began < 0.1


def test_whom_one_can_talk_to() -> None:
    """An agent, the app that it answers, or a brain by itself."""
    app = VoiceApp(stt="elevenlabs", tts="elevenlabs")
    app.call()(Agent(ScriptedBrain("Yes."), greeting="Hello!"))
    with talk(app) as call:
        assert call.heard == "hello!"
    with talk(ScriptedBrain("Yes, I am.")) as call:
        call.say("are you there")
        assert call.heard == "yes, i am."
    with pytest.raises(TypeError, match="no agent, no brain"):
        talk(VoiceApp())


def test_a_silent_caller_is_asked() -> None:
    """Ten seconds of nothing take none."""
    with talk(Agent(ScriptedBrain(), phrases=Phrases(still_there=("Are you there?",)))) as call:
        call.pause(11)
        assert call.agent_said("are you there")


def test_a_hundred_turns_in_text_take_a_moment() -> None:
    """So that nobody has a reason not to write such tests."""
    began = time.process_time()
    with talk(Agent(ScriptedBrain(otherwise="I have noted that. What else?"))) as call:
        for number in range(100):
            call.say(f"item number {number}")
    assert len(call.turns) == 100
    assert time.process_time() - began < 10
