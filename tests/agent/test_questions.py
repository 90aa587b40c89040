"""Questions with a typed answer, asked by tools and hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from voice_runtime import VoiceSession
from voice_runtime.agent import (
    Address,
    Agent,
    Choice,
    Date,
    DigitCode,
    Form,
    HandOff,
    Question,
    Refusal,
    Refused,
    YesNo,
    ask,
)
from voice_runtime.llm import AgentItem, ToolItem, Turn, UserItem
from voice_runtime.testing import PhoneTests, ScriptedBrain, UseTool, Wait, talk
from voice_runtime.tools import tool


def asking(question: Question[Any], answers: list[object]) -> Agent:
    async def look_up(call: VoiceSession) -> str:
        answer = await ask(call, question)
        answers.append(answer)
        return str(answer)

    return Agent(ScriptedBrain(["Sure. ", UseTool("look_up"), "Got it."], "Next."), tools=[look_up])


NUMBER = DigitCode("What is your number?", length=4)


def test_a_tool_asks_for_digits() -> None:
    """What the caller answers is the tool's, not the brain's, who goes on in the turn in which it was answered."""
    answers: list[object] = []
    with talk(asking(NUMBER, answers)) as call:
        call.say("where is my parcel")
        assert call.heard == "sure. what is your number?"
        call.press("41")
        assert call.heard.endswith("sorry, i did not get that. what is your number?")
        call.press("4155")
        call.say("and now")
    assert answers == ["4155"]
    assert call.heard.endswith("what is your number? got it. next.")
    assert list(call.history) == [
        UserItem("where is my parcel"),
        AgentItem("Sure. What is your number?"),
        ToolItem("look_up", "{}", "4155"),
        UserItem("", "41"),
        AgentItem("Sorry, I did not get that. What is your number?"),
        UserItem("", "4155"),
        AgentItem("Got it."),
        UserItem("and now"),
        AgentItem("Next."),
    ]


SIZES = {"small": 1, "large": 2}
TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("question", "says", "answer"),
    [
        (NUMBER, ["it is four one double five"], "4155"),
        (DigitCode("Number?"), ["123#"], "123"),
        (DigitCode("Number?", confirm=lambda found: f"{found}?"), ["12#", "no", "21#", "yes"], "21"),
        (YesNo("Shall I?"), ["well", "yes please"], True),
        (YesNo("Shall I?"), ["2"], False),
        (Date("When?", today=TODAY), ["next friday"], date(2026, 11, 27)),
        (Date("Born?", today=TODAY, past=True), ["the third of march nineteen ninety"], date(1990, 3, 3)),
        (Choice("Which?", options=SIZES, attempts=2), ["the blue one", "a b"], Refused(Refusal.GAVE_UP, "a b")),
        (Choice("Which?", options=SIZES), ["the large one"], 2),
        (Choice("Which?", options=SIZES), ["2"], 2),
        (Choice("Which?", options=SIZES), ["the second one"], 2),
        (Choice("Which?", options=SIZES), ["number two please"], 2),
        (NUMBER, ["what", "hm", "what do you mean"], Refused(Refusal.GAVE_UP, "what do you mean")),
        (NUMBER, ["oh never mind"], Refused(Refusal.CANCELLED, "oh never mind")),
    ],
)
def test_answers(question: Question[Any], says: list[str], answer: object) -> None:
    """Spoken or keyed, confirmed if so wanted; or why there is none."""
    answers: list[object] = []
    with talk(asking(question, answers)) as call:
        call.say("go on please")
        for words in says:
            call.press(words) if words.strip("#").isdecimal() else call.say(words)
        assert answers == [answer]
        assert call.heard.endswith("got it.")


def test_a_silent_caller_is_asked_again_and_given_up() -> None:
    """After the question's own time-out, not the agent's; the tool's time does not count meanwhile."""
    answers: list[object] = []
    with talk(asking(DigitCode("Number?", timeout=4.0), answers)) as call:
        call.say("go on please")
        call.pause(25.0)
        call.hear_out()
        assert answers == [Refused(Refusal.GAVE_UP)]
        assert call.heard == (
            "sure. number? sorry, i did not get that. number? sorry, i did not get that. number? got it."
        )
        call.say("are you there")
    assert call.heard.endswith("got it. next.")


def test_a_caller_who_hangs_up_is_a_refusal() -> None:
    """The tool ends, and its result is in the history."""
    answers: list[object] = []
    with talk(asking(NUMBER, answers)) as call:
        call.say("go on please")
    assert answers == [Refused(Refusal.HUNG_UP)]


def test_the_question_is_interrupted() -> None:
    """Who knows what is asked need not hear it out."""
    answers: list[object] = []
    with talk(asking(DigitCode("What is " + "the number " * 20 + "of it?", length=4), answers)) as call:
        call.say("go on please", hear_out=False)
        call.interrupt_after(2.0, "four one five five")
    assert answers == ["4155"]
    assert call.heard.endswith("got it.")


def test_a_hook_asks() -> None:
    """Before the greeting, or in the middle of a turn, which the brain then answers."""

    class Door(Agent):
        async def enter(self, call: VoiceSession) -> None:
            call.talk and call.talk.say("Welcome.")
            self.adult = await ask(call, YesNo("Are you of age?"))

    brain = ScriptedBrain("Good.")
    agent = Door(brain, greeting="Then tell me.")
    with talk(agent) as call:
        call.say("yes i am")
        assert agent.adult is True
        call.say("all of it")
    assert call.heard == "welcome. are you of age? then tell me. good."
    assert [turn.text for turn in brain.turns] == ["all of it"]


def test_a_form_is_filled_by_a_model() -> None:
    """It asks for what is missing; what it hands in is checked; the result is of the type that was asked for."""
    street = {"street": "1 Main Street", "city": "Springfield"}
    clerk = ScriptedBrain(
        [UseTool("submit", street), "And the postal code?"], UseTool("submit", {**street, "postal_code": "12345"})
    )
    answers: list[object] = []
    with talk(asking(Form("Where do you live?", Address, clerk), answers)) as call:
        call.say("send it please")
        call.say("one main street in springfield")
        assert call.heard == "sure. where do you live? and the postal code?"
        call.say("one two three four five")
    assert answers == [Address(street="1 Main Street", city="Springfield", postal_code="12345")]
    assert call.heard.endswith("and the postal code? got it.")
    assert [spec.name for spec in clerk.turns[0].tools.specs] == ["submit", "refuse"]
    assert "postal_code: Field required" in call.tools[1].result


def test_a_form_is_refused_or_given_up() -> None:
    """By the caller's words, by the model, or after so many turns."""
    for clerk, words, why in (
        (ScriptedBrain(UseTool("refuse")), "i will not say", Refusal.CANCELLED),
        (ScriptedBrain("What?"), "hm", Refusal.GAVE_UP),
        (ScriptedBrain(), "cancel", Refusal.CANCELLED),
    ):
        answers: list[object] = []
        with talk(asking(Form("Where?", Address, clerk, attempts=1), answers)) as call:
            call.say("send it please")
            call.say(words)
        assert answers == [Refused(why, words)]


def test_a_tool_asks_and_then_hands_off() -> None:
    """Who the caller is, before somebody else gets them: the new agent answers in the turn of the answer."""
    asked = ScriptedBrain("Hello, four one.")

    async def to_billing(call: VoiceSession) -> HandOff | str:
        number = await ask(call, DigitCode("Number?", length=2))
        return HandOff(Agent(asked, name="billing"), "One moment.") if number else "No number."

    agent = Agent(ScriptedBrain(UseTool("to_billing"), otherwise="No."), tools=[to_billing])
    with talk(agent) as call:
        call.say("billing please")
        call.press("41")
    assert call.heard == "number? one moment. hello, four one."
    assert [turn.keys for turn in asked.turns] == ["41"]


def test_a_tool_that_was_interrupted_asks() -> None:
    """The turn that waited for it waits on; the brain is asked when the caller has answered, and sees all of it."""
    answers: list[object] = []

    @tool(holding="")
    async def slow(call: VoiceSession) -> str:
        await asyncio.sleep(3.0)
        answers.append(await ask(call, YesNo("Really?")))
        return "done"

    brain = ScriptedBrain(UseTool("slow"), "All done.")
    with talk(Agent(brain, tools=[slow])) as call:
        call.say("book it please", hear_out=False)
        call.pause(1.0)
        call.say("and be quick")
        call.say("yes")
        call.hear_out()
    assert answers == [True]
    assert call.heard == "one moment, please. really? all done."
    assert [turn.text for turn in brain.turns] == ["book it please", "yes"]
    assert brain.turns[1].history[1:3] == (ToolItem("slow", "{}", "done"), UserItem("and be quick"))


def test_two_tools_ask_one_after_the_other() -> None:
    """And each gets its own answer; what the brain writes meanwhile is said afterwards."""

    async def first(call: VoiceSession) -> str:
        return f"1: {await ask(call, DigitCode('First?', length=2))}"

    async def second(call: VoiceSession) -> str:
        return f"2: {await ask(call, DigitCode('Second?', length=2))}"

    async def brain(turn: Turn) -> AsyncIterator[str]:
        both = [asyncio.ensure_future(turn.tools.call(name, "{}")) for name in ("first", "second")]
        await asyncio.sleep(1.0)
        yield "I write on. "
        yield " ".join(await asyncio.gather(*both))

    with talk(Agent(brain, tools=[first, second])) as call:
        call.say("go on please")
        call.press("11")
        call.press("22")
    assert call.heard == "first? second? i write on. one: eleven two: twenty-two"


def test_a_question_in_user_turn_and_on_the_phone(phone: PhoneTests) -> None:
    """The brain answers the turn when the caller has answered; a tool that takes long after that is waited for."""

    class Careful(Agent):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn | None:
            if "cancel everything" not in turn.text:
                return turn
            sure = await ask(call, YesNo("Are you sure?", cancel=()))
            await asyncio.sleep(1.0)
            return turn if sure else None

    brain = ScriptedBrain("Hm.", otherwise="It is gone.")
    with phone.talk(Careful(brain, greeting="Hello.")) as call:
        call.say("good morning")
        call.say("cancel everything")
        call.say("yes i am")
    assert call.heard == "hello. hm. are you sure? it is gone."
    assert [turn.text for turn in brain.turns] == ["good morning", "cancel everything"]


def test_a_tool_gives_up_on_its_question() -> None:
    """It has its own reasons; the brain goes on of its own accord, and the caller may interrupt that."""

    async def look_up(call: VoiceSession) -> str:
        try:
            async with asyncio.timeout(6.0):
                return str(await ask(call, DigitCode("Number?", length=4)))
        except TimeoutError:
            return "There is no time."

    brain = ScriptedBrain([UseTool("look_up"), Wait(1.0), "{look_up} " * 9], "Very well.")
    with talk(Agent(brain, tools=[look_up])) as call:
        call.say("go on please")
        call.pause(8.0)
        call.interrupt_after(1.5, "stop it please")
        call.pause(5.0)
    assert call.heard.startswith("number? there is no time.")
    assert call.heard.endswith("very well.")
    assert call.turns[0].interrupted
    assert [turn.text for turn in brain.turns] == ["go on please", "stop it please"]
