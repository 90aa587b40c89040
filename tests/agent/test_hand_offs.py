"""Hand-offs: one call, several agents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from voice_runtime import VoiceSession
from voice_runtime.agent import Agent, HandOff, Phrases
from voice_runtime.events import CallEvent, HandedOff
from voice_runtime.llm import AgentItem, HandOffItem, History, ToolItem, Turn, UserItem, messages
from voice_runtime.testing import PhoneTests, ScriptedBrain, UseTool, talk
from voice_runtime.tools import tool


@dataclass
class Visit:
    """The context of a call."""

    log: list[str]


class Clerk(Agent[Visit]):
    """Writes down when the call came and went."""

    async def enter(self, call: VoiceSession) -> HandOff | None:
        self.context_of(call).log.append(f"{self.name} in")
        return None

    async def exit(self, call: VoiceSession, history: History) -> None:
        self.context_of(call).log.append(f"{self.name} out")


def front(to: Agent[Visit], brain: ScriptedBrain, *, keep_history: bool | int = True, message: str = "") -> Clerk:
    def to_billing() -> HandOff:
        """Let the billing desk go on."""
        return HandOff(to, message, keep_history)

    return Clerk(
        brain,
        name="front",
        greeting="Hello.",
        instructions="You are the front desk.",
        tools=[to_billing],
        context=visit,
    )


def visit(call: VoiceSession) -> Visit:
    return Visit([f"call {call.call_sid}"])


def test_a_tool_hands_the_call_off() -> None:
    """The other agent answers the turn, once, with its own instructions; each hook ran once; it is the same call."""
    asked = ScriptedBrain("You owe ten dollars.", "Until Friday.")
    billing = Clerk(asked, name="billing", instructions="You are the billing desk.")
    desk = front(billing, ScriptedBrain("Yes?", ["I will ask. ", UseTool("to_billing"), "Not said."]))
    events: list[CallEvent] = []
    with talk(desk) as call:
        sid = call.session.call_sid
        call.session.on_event(events.append)
        call.say("good morning")
        call.say("what do i owe")
        call.say("until when")
        assert call.session.call_sid == sid
        assert desk.context_of(call.session).log == [f"call {sid}", "front in", "front out", "billing in"]
    assert desk.context_of(call.session).log[-1] == "billing out"
    assert call.heard == "hello. yes? i will ask. you owe ten dollars. until friday."
    assert list(call.history)[3:] == [
        UserItem("what do i owe"),
        AgentItem("I will ask. You owe ten dollars."),  # which began before the tool was used
        ToolItem("to_billing", "{}", "Handed off to billing."),
        HandOffItem("front", "billing"),
        UserItem("until when"),
        AgentItem("Until Friday."),
    ]
    first, second = asked.turns
    assert (first.text, first.instructions) == ("what do i owe", "You are the billing desk.")
    assert first.history[-2:] == (UserItem("good morning"), AgentItem("Yes?"))
    assert first.begun == (ToolItem("to_billing", "{}", "Handed off to billing."),)
    assert [m["role"] for m in messages(second)].count("system") == 1
    assert [event.to for event in events if isinstance(event, HandedOff)] == ["billing"]
    assert History.from_json(call.history.to_json()).to_json() == call.history.to_json()


@pytest.mark.parametrize(("keep", "shown"), [(True, ["one", "two"]), (1, ["two"]), (False, [])])
def test_the_history_is_handed_on_or_not(keep: bool | int, shown: list[str]) -> None:
    """All of it, the last turns, or nothing; the history of the call is whole."""
    asked = ScriptedBrain("Billing here.")
    desk = front(Clerk(asked, name="billing"), ScriptedBrain("Yes.", "Yes.", UseTool("to_billing")), keep_history=keep)
    with talk(desk) as call:
        for words in ("one", "two", "three"):
            call.say(words)
    (turn,) = asked.turns
    assert [item.text for item in turn.history if isinstance(item, UserItem)] == shown
    assert turn.text == "three"
    assert len(call.turns) == 3


def test_an_agent_greets_once_and_hands_back() -> None:
    """The message, then the greeting; whoever greeted before has its brain answer."""
    back: list[Agent[Visit]] = []

    def to_front() -> HandOff:
        return HandOff(back[0], "I give you back.")

    billing = Clerk(ScriptedBrain(UseTool("to_front")), name="billing", greeting="Billing, hello.", tools=[to_front])
    desk = front(billing, ScriptedBrain(UseTool("to_billing"), "And again. ", "Bye."), message="One moment.")
    back.append(desk)
    with talk(desk) as call:
        call.say("billing please")
        assert call.heard == "hello. one moment. billing, hello."
        call.say("back please")
        call.say("thanks")
        assert desk.context_of(call.session).log[1:] == [
            "front in", "front out", "billing in", "billing out", "front in"
        ]  # fmt: skip
    assert call.heard == "hello. one moment. billing, hello. i give you back. and again. bye."


def test_agents_that_hand_on_for_ever_are_stopped() -> None:
    """After three in a turn, the model is told to answer by itself."""
    ring: list[Agent[Visit]] = []

    class Passing(Clerk):
        @tool
        def away(self) -> HandOff:
            return HandOff(ring[(ring.index(self) + 1) % 2])

    answer = ["{away}", UseTool("away"), "Very well: {away}"]
    ring += [Passing(ScriptedBrain(otherwise=answer[1:]), name=name, context=visit) for name in "ab"]
    with talk(ring[0]) as call:
        call.say("help me")
    assert call.heard == "very well: the call was handed on too often. answer the caller yourself."
    assert [item.to for item in call.history if isinstance(item, HandOffItem)] == ["b", "a", "b"]


def test_hooks_hand_off_answer_and_decline() -> None:
    """`enter` and `user_turn` may hand off; text is the answer; None is none. The brain is not asked then."""
    asked = ScriptedBrain("Human here.", "Anything else?")
    human = Agent(asked, name="human")

    class Filter(Agent):
        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn | HandOff | str | None:
            match turn.text:
                case "ping":
                    return "Pong."
                case "never mind":
                    return None
                case _:
                    return HandOff(human)

    class Door(Agent):
        async def enter(self, call: VoiceSession) -> HandOff | None:
            return HandOff(Filter(ScriptedBrain(), name="filter", greeting="I am the filter."), "Wait.")

    with talk(Door(ScriptedBrain(), greeting="Not said.")) as call:
        call.say("ping")
        call.say("never mind")
        assert [turn.agent for turn in call.turns] == ["Pong.", ""]
        call.say("a human please")
        call.say("yes it is")
    assert call.heard == "wait. i am the filter. pong. human here. anything else?"
    assert [turn.text for turn in asked.turns] == ["a human please", "yes it is"]


def test_another_agent_has_its_own_phrases_and_rules() -> None:
    """Its apology, and its patience with a silent caller."""
    billing = Clerk(ScriptedBrain(), name="billing", phrases=Phrases(apology="Billing is sorry."))
    with talk(front(billing, ScriptedBrain(UseTool("to_billing")))) as call:
        call.say("billing please")
    assert call.heard == "hello. billing is sorry."


def test_tools_get_the_context_by_its_type() -> None:
    """The model is not shown it; it is the same for tools, hooks and brains, of this call, whoever answers it."""

    def note(what: str, visit: Visit) -> str:
        visit.log.append(what)
        return "noted"

    asked = ScriptedBrain(otherwise=[UseTool("note", {"what": "it"}), "Done."])
    desk = front(Clerk(asked, name="billing", tools=[note]), ScriptedBrain(otherwise=UseTool("to_billing")))
    for _ in range(2):
        with talk(desk) as call:
            call.say("note it please")
            context = desk.context_of(call.session)
            assert context.log[1:] == ["front in", "front out", "billing in", "it"]
            assert asked.turns[-1].context is context
        assert call.heard == "hello. done."
    assert asked.turns[0].context is not asked.turns[1].context


class Slow(Clerk):
    """Takes its time to come and go."""

    async def enter(self, call: VoiceSession) -> HandOff | None:
        await asyncio.sleep(1.5)
        return await super().enter(call)

    async def exit(self, call: VoiceSession, history: History) -> None:
        await asyncio.sleep(1.5)
        await super().exit(call, history)


def test_a_hand_off_that_is_interrupted_happens_whole() -> None:
    """The hooks run once each, and the new agent answers what the caller said meanwhile."""
    asked = ScriptedBrain("Billing here.")
    billing = Slow(asked, name="billing")

    def to_billing() -> HandOff:
        return HandOff(billing)

    front_desk = Slow(ScriptedBrain(UseTool("to_billing")), name="front", context=visit, tools=[to_billing])
    with talk(front_desk) as call:
        call.say("billing please", hear_out=False)
        call.pause(1.0)
        call.say("and hurry up")
        log = front_desk.context_of(call.session).log
    assert log[1:] == ["front in", "front out", "billing in", "billing out"]
    assert [turn.text for turn in asked.turns] == ["and hurry up"]
    assert call.heard.endswith("billing here.")
    assert [type(item) for item in call.history] == [UserItem, ToolItem, UserItem, HandOffItem, AgentItem]


def test_exit_runs_when_enter_failed() -> None:
    """Once, and the failure is the handler's."""
    log: list[str] = []

    class Broken(Agent):
        async def enter(self, call: VoiceSession) -> HandOff | None:
            raise RuntimeError("no database")

        async def exit(self, call: VoiceSession, history: History) -> None:
            log.append("out")

    with pytest.raises(RuntimeError, match="no database"), talk(Broken(ScriptedBrain())):
        pass
    assert log == ["out"]


def test_a_hand_off_on_the_phone(phone: PhoneTests) -> None:
    """The same over sound, with an interruption of the new agent's greeting."""
    asked = ScriptedBrain("Ten dollars.")
    billing = Clerk(asked, name="billing", greeting="Billing, hello. " * 4)
    with phone.talk(front(billing, ScriptedBrain(UseTool("to_billing")), message="One moment.")) as call:
        call.say("billing please", hear_out=False)
        call.interrupt_after(3.0, "stop what do i owe")
    assert call.heard.startswith("hello. one moment. billing, hello.")
    assert call.heard.endswith("ten dollars.")
    assert [turn.text for turn in asked.turns] == ["stop what do i owe"]
