"""What must leave no trace, and what must not be lost: thinking too early, answers cut in a pause, a slow beginning."""

from __future__ import annotations

import asyncio

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent, Limits, Phrases
from voice_runtime.events import EndReason
from voice_runtime.llm import AgentItem, UserItem
from voice_runtime.mock import MockStt, MockTts, MockVad
from voice_runtime.simulator import Line
from voice_runtime.testing import Fail, PhoneTests, ScriptedBrain, UseTool, Wait
from voice_runtime.turns.policy import FloorPolicy

EARLY = FloorPolicy(preemptive=True)


def test_a_failure_in_a_turn_that_was_none_does_not_count(phone: PhoneTests) -> None:
    """The caller goes on twice, each time the brain has failed meanwhile, and is answered all the same."""

    async def caller(line: Line) -> None:
        await says(line, "two pizzas")
        await line.pause(0.8)
        await says(line, "and a salad")
        await line.pause(0.8)
        await says(line, "and a coke")
        await line.hear_out()

    agent = Remembering(ScriptedBrain(Fail(), Fail(), otherwise="you said {text}."), policy=EARLY)
    record = phone.call(desk(agent), caller)
    words = "two pizzas and a salad and a coke"
    assert agent.remembered == [UserItem(words), AgentItem(f"you said {words}.")]
    assert ear(record) == f"you said {words}."


def test_a_failure_in_a_turn_that_becomes_one_counts(phone: PhoneTests) -> None:
    """It is told when the turn is over, once."""

    async def caller(line: Line) -> None:
        await says(line, "two pizzas")
        await line.hear_out()

    agent = Remembering(ScriptedBrain(Fail()), policy=EARLY)
    assert ear(phone.call(desk(agent), caller)) == agent.phrases.apology.lower()


def test_an_early_answer_to_a_turn_too_many_is_not_heard(phone: PhoneTests) -> None:
    """It is written already when the turn turns out to be beyond the limit."""

    async def caller(line: Line) -> None:
        await says(line, "one")
        await line.hear_out()
        await says(line, "two")
        await line.stay()

    agent = Remembering(ScriptedBrain(otherwise="you said {text}."), policy=EARLY, limits=Limits(max_turns=1))
    record = phone.call(desk(agent), caller)
    assert ear(record) == "you said one. thank you for calling. goodbye."
    assert agent.end is not None and agent.end.reason is EndReason.MAX_TURNS


def test_a_policy_changes_what_it_says_and_no_more() -> None:
    """Who asks for another wait keeps the words of the language, and a brain that thinks about whole turns only."""
    agent = Agent(ScriptedBrain(), language="de", policy=FloorPolicy(min_wait=0.8))
    assert not agent.policy.preemptive
    assert agent.policy.lexicon == Agent(ScriptedBrain(), language="de").policy.lexicon


def test_an_answer_that_is_cut_while_the_brain_pauses_is_cut(phone: PhoneTests) -> None:
    """All that there was of it was heard; that there was more to say is remembered, whoever ends it."""
    one = AgentItem("One is a number.", interrupted=True)

    async def interrupts(line: Line) -> None:
        await says(line, "count")
        await line.wait_until_agent_speaks()
        await line.wait_until_agent_stops(quiet_ms=100)
        await says(line, "what about five")
        await line.hear_out()

    async def hangs_up(line: Line) -> None:
        await says(line, "count")
        await line.wait_until_agent_speaks()
        await line.wait_until_agent_stops(quiet_ms=100)

    for caller in (interrupts, hangs_up):
        agent = Remembering(ScriptedBrain(["One is a number. ", Wait(5.0), "Two."], otherwise="all right."))
        phone.call(desk(agent), caller)
        assert agent.remembered[:2] == [UserItem("count"), one]


def test_a_sentence_before_a_tool_is_said_before_it(phone: PhoneTests) -> None:
    """The model has written its full stop, and not the white space behind it; the holding line comes second."""

    async def look_up() -> str:
        """Looks something up."""
        await asyncio.sleep(3.0)
        return "Thursday"

    async def caller(line: Line) -> None:
        await says(line, "when")
        await line.hear_out(quiet_ms=3000)

    brain = ScriptedBrain(["Sure.", UseTool("look_up"), " It comes on {look_up}."])
    record = phone.call(desk(Remembering(brain, tools=[look_up])), caller)
    assert ear(record) == "sure. let me have a look. it comes on thursday."


def test_nobody_is_asked_whether_they_are_there_before_the_greeting(phone: PhoneTests) -> None:
    """However long the program takes to prepare the call."""

    class Slow(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            await asyncio.sleep(12.0)

    async def caller(line: Line) -> None:
        await line.hear_out(quiet_ms=3000)

    phrases = Phrases(fillers=("one moment.",), still_there=("are you there?",))
    heard = ear(phone.call(desk(Slow(ScriptedBrain(), greeting="hello.", phrases=phrases)), caller))
    assert heard.endswith("one moment. hello.") and "are you there" not in heard


def test_what_is_said_before_the_greeting_is_answered_after_it(phone: PhoneTests) -> None:
    """The brain is not asked before the program has prepared the call, and no word is lost."""
    ready: list[bool] = []

    class Slow(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            await asyncio.sleep(4.0)
            ready.append(True)

        async def user_turn(self, call: VoiceSession, turn: object) -> str:
            return "ready." if ready else "not ready."

    async def caller(line: Line) -> None:
        await line.pause(0.5)
        await says(line, "anybody there")
        await line.hear_out(quiet_ms=3000)

    agent = Slow(ScriptedBrain(), greeting="hello.", phrases=Phrases(fillers=()))
    assert ear(phone.call(desk(agent), caller)) == "hello. ready."
    assert agent.remembered == [UserItem("anybody there"), AgentItem("hello."), AgentItem("ready.")]


def test_a_long_answer_does_not_swallow_the_goodbye(phone: PhoneTests) -> None:
    """When the time of the call is over, the agent may go on for 5 s, and says goodbye."""

    async def caller(line: Line) -> None:
        await says(line, "count")
        await line.stay()

    long = " ".join(f"This is sentence number {number} of a long answer." for number in range(40))
    agent = Remembering(ScriptedBrain(long), limits=Limits(max_seconds=8.0))
    record = phone.call(desk(agent), caller)
    assert ear(record).endswith(" thank you for calling. goodbye.")
    assert record.timeline.agent[-1].end_ms < 8000 + 5000 + 3000
    assert agent.end is not None and agent.end.reason is EndReason.MAX_DURATION


def test_an_agent_that_costs_no_time_answers_when_the_wait_is_over(phone: PhoneTests) -> None:
    """From the end of the caller's voice to the first sound at their ear, `min_wait` passes, and at most two frames."""

    async def caller(line: Line) -> None:
        for words in ("two pizzas", "and a salad", "that is all"):
            await says(line, words)
            await line.hear_out()

    for preemptive in (False, True):
        policy = FloorPolicy(preemptive=preemptive, min_wait=0.5)
        app = VoiceApp(stt=MockStt, tts=MockTts(), vad=MockVad())
        app.call()(Agent(ScriptedBrain(otherwise="you said {text}."), policy=policy))
        responses = phone.call(app, caller).timeline.responses()
        assert len(responses) == 3
        assert all(abs(response.latency_ms - 500) <= 40 for response in responses), responses


def test_a_silent_caller_who_speaks_up_during_the_goodbye_stays(phone: PhoneTests) -> None:
    """With many words or one, or with a key: the goodbye was a mistake, and the next silence begins anew."""

    async def heard_leaving(line: Line) -> None:
        await line.hears("thank you", timeout=60)

    async def speaks(line: Line) -> None:
        await heard_leaving(line)
        await says(line, "no wait i am here")
        await line.hear_out(quiet_ms=5000)

    async def says_one_word(line: Line) -> None:
        await heard_leaving(line)
        await says(line, "hello")
        await line.hear_out(quiet_ms=5000)

    async def presses(line: Line) -> None:
        await heard_leaving(line)
        line.press("1")
        await line.hear_out(quiet_ms=5000)

    for caller in (speaks, says_one_word, presses):
        agent = Remembering(ScriptedBrain("I am glad."))
        record = phone.call(desk(agent), caller)
        assert ear(record).endswith(" i am glad.")
        assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP
