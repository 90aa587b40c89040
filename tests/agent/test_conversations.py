"""Conversations of an agent on the phone: what the brain was told, what the ear heard, what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.events import EndReason
from voice_runtime.llm import AgentItem, Item, Turn, UserItem
from voice_runtime.simulator import EndedBy, Line
from voice_runtime.testing import PhoneTests, ScriptedBrain, Wait
from voice_runtime.turns.policy import FloorPolicy


def test_a_conversation(phone: PhoneTests) -> None:
    """The agent greets, is told what was said before, and answers; the history is what both heard."""
    brain = ScriptedBrain(otherwise="I heard **{text}**. What else?")

    async def caller(line: Line) -> None:
        await line.hear_out()
        await says(line, "two pizzas")
        await line.hear_out()
        await says(line, "that is all")
        await line.hear_out()

    agent = Remembering(brain, greeting="Hello! What can I do for you?", instructions="Sell pizza.")
    record = phone.call(desk(agent), caller)
    expected: list[Item] = [
        AgentItem("Hello! What can I do for you?"),
        UserItem("two pizzas"),
        AgentItem("I heard two pizzas. What else?"),
        UserItem("that is all"),
        AgentItem("I heard that is all. What else?"),
    ]
    assert agent.remembered == expected
    assert brain.turns[1] == Turn("that is all", "", tuple(expected[:3]), "Sell pizza.")
    assert ear(record) == " ".join(item.text.lower() for item in expected if isinstance(item, AgentItem))
    assert record.ended_by is EndedBy.CALLER


LONG = "One is a number. Two is another number. Three comes after two. Four is the last of the numbers here."


def counts() -> ScriptedBrain:
    return ScriptedBrain(otherwise=LONG)


def last_of_agent(agent: Remembering) -> AgentItem:
    return [item for item in agent.remembered if isinstance(item, AgentItem)][-1]


async def interrupted_by(line: Line, words: str) -> None:
    await says(line, "count for me please")
    await line.wait_until_agent_speaks()
    await line.pause(1.5)
    await says(line, words)


def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard(phone: PhoneTests) -> None:
    """The caller talks over the agent, which falls silent, listens, and knows what it did not get to say."""

    async def caller(line: Line) -> None:
        await interrupted_by(line, "what about five")
        await line.wait_until_agent_stops(quiet_ms=300)
        await line.pause(0.3)

    agent = Remembering(counts())
    record = phone.call(desk(agent), caller)
    heard = last_of_agent(agent)
    assert heard.interrupted
    assert LONG.lower().startswith(heard.text.lower())
    assert abs(len(heard.text.split()) - len(ear(record, whole=True).split())) <= 1
    assert agent.remembered[-1] == UserItem("what about five")
    assert record.timeline.barge_ins()[0].latency_ms < 1000


def test_mhm_does_not_stop_the_agent_nor_make_it_pause(phone: PhoneTests) -> None:
    """A back-channel says: go on."""

    async def caller(line: Line) -> None:
        await interrupted_by(line, "mhm")
        await line.hear_out()

    agent = Remembering(counts())
    record = phone.call(desk(agent), caller)
    assert ear(record) == LONG.lower()
    assert last_of_agent(agent) == AgentItem(LONG)
    assert not record.timeline.agent_gaps()


def test_stop_stops_the_agent(phone: PhoneTests) -> None:
    """One word is enough, if it is that word."""

    async def caller(line: Line) -> None:
        await interrupted_by(line, "stop")
        await line.wait_until_agent_stops(quiet_ms=300)
        await line.pause(0.1)

    agent = Remembering(counts())
    phone.call(desk(agent), caller)
    assert last_of_agent(agent).interrupted


def test_after_a_cough_the_agent_goes_on_at_the_same_word(phone: PhoneTests) -> None:
    """A voice without words makes it pause: no word is lost, and none is said twice but the one that was cut."""
    cough = spell("x")[:533]  # the sign that somebody begins to speak, and nothing behind it

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await line.say(cough, "(coughs)")
        await line.wait_until_agent_stops()
        line.note("paused")
        await line.hear_out(quiet_ms=1500)

    agent = Remembering(counts())
    record = phone.call(desk(agent), caller)
    assert ear(record, whole=True) == LONG.lower()
    assert last_of_agent(agent) == AgentItem(LONG)
    assert len(record.timeline.agent_turns) == 2


def test_a_turn_that_was_thought_about_too_early_leaves_no_trace(phone: PhoneTests) -> None:
    """Preemptive thinking: the brain is asked at once, and again when the caller goes on."""
    brain = ScriptedBrain(otherwise="you said {text}.")

    async def caller(line: Line) -> None:
        await says(line, "two pizzas")
        await line.pause(0.8)  # the recogniser takes 0.6 s to be sure, and the agent waits 0.5 s more
        await says(line, "and a salad")
        await line.hear_out()

    agent = Remembering(brain, policy=FloorPolicy(preemptive=True))
    record = phone.call(desk(agent), caller)
    assert [turn.text for turn in brain.turns] == ["two pizzas", "two pizzas and a salad"]
    assert agent.remembered == [UserItem("two pizzas and a salad"), AgentItem("you said two pizzas and a salad.")]
    assert ear(record) == "you said two pizzas and a salad."


def test_what_is_said_while_the_agent_thinks_takes_the_turn_back(phone: PhoneTests) -> None:
    """The answer to half of it is not heard."""

    async def caller(line: Line) -> None:
        await says(line, "two pizzas")
        await line.pause(1.3)
        await says(line, "and a salad")
        await line.hear_out()

    agent = Remembering(ScriptedBrain(otherwise=[Wait(1.5), "you said {text}."]))
    record = phone.call(desk(agent), caller)
    assert agent.remembered == [UserItem("two pizzas"), UserItem("and a salad"), AgentItem("you said and a salad.")]
    assert ear(record) == "you said and a salad."


def test_what_the_agent_heard_of_itself_when_the_caller_hangs_up(phone: PhoneTests) -> None:
    """The end of the call is an interruption too."""

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(2.0)

    agent = Remembering(counts())
    record = phone.call(desk(agent), caller)
    heard = last_of_agent(agent)
    assert heard.interrupted
    assert abs(len(heard.text.split()) - len(ear(record, whole=True).split())) <= 1


def test_a_broken_hook_ends_the_call_with_an_apology(phone: PhoneTests) -> None:
    """As any handler that raises."""

    class Broken(Remembering):
        async def agent_turn(self, call: VoiceSession, item: AgentItem) -> None:
            raise ZeroDivisionError

    async def caller(line: Line) -> None:
        await line.stay()

    phone.expect(EndReason.HANDLER_FAILED)
    record = phone.call(desk(Broken(counts(), greeting="hello.")), caller)
    assert ear(record).startswith("hello. i am sorry, something went wrong")


def test_an_answer_that_the_program_cuts_is_over(phone: PhoneTests) -> None:
    """What the brain goes on to write is not waited for, and the next turn is answered."""
    cut: list[bool] = []

    async def drones(turn: Turn) -> AsyncIterator[str]:
        try:
            for _ in range(20 if turn.text == "go" else 1):
                yield "this is a sentence. "
                await asyncio.sleep(1.0)
        except (asyncio.CancelledError, GeneratorExit):
            cut.append(True)
            raise

    class Impatient(Remembering):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
            if turn.text == "go":
                asyncio.get_running_loop().call_later(2.2, call.interrupt)
            return turn

    async def caller(line: Line) -> None:
        await says(line, "go")
        await line.hear_out(quiet_ms=3000)
        await says(line, "once more")
        await line.hear_out(quiet_ms=3000)

    agent = Impatient(drones)
    record = phone.call(desk(agent), caller)
    assert cut == [True]
    first, second = (item for item in agent.remembered if isinstance(item, AgentItem))
    assert (first.interrupted, second) == (True, AgentItem("this is a sentence."))
    assert ear(record, whole=True) == f"{first.text} this is a sentence."


def test_a_brain_that_pauses_in_mid_sentence_is_not_waited_for(phone: PhoneTests) -> None:
    """What there is of the sentence is said up to a word; the rest follows, no word lost and none said twice."""

    steps = ("Your order is with the dri", Wait(1.9), "ver, Mr. ", Wait(1.0), "Ng, and comes at 12 ", Wait(1.8))
    pauses = ScriptedBrain([*steps, "30 today."])

    async def caller(line: Line) -> None:
        await says(line, "where is it")
        await line.hear_out(quiet_ms=2500)

    agent = Remembering(pauses)
    record = phone.call(desk(agent), caller)
    assert last_of_agent(agent) == AgentItem("Your order is with the driver, Mr. Ng, and comes at 12 30 today.")
    words = read_spelling(record.ear)
    assert ear(record) == "your order is with the driver, mr. ng, and comes at twelve thirty today."
    assert words[0].start_s - record.timeline.caller[0].end_ms / 1000 < 0.6 + 0.5 + 0.3 + 0.1
