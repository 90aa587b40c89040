"""Tools on the phone: what the caller hears meanwhile, what the brain is told, what is remembered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.agent import Phrases
from voice_runtime.errors import ToolError
from voice_runtime.events import CallEvent, ToolFinished, ToolOutcome, ToolStarted
from voice_runtime.llm import AgentItem, Brain, ToolItem, Turn, UserItem
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests
from voice_runtime.tools import OnBargeIn, tool
from voice_runtime.turns.policy import FloorPolicy


class Watched(Remembering):
    """Keeps the events of its tools, too."""

    events: list[CallEvent]

    async def enter(self, call: VoiceSession) -> None:
        self.events = []
        call.on_event(
            lambda event: self.events.append(event) if isinstance(event, ToolStarted | ToolFinished) else None
        )

    @property
    def outcomes(self) -> list[ToolOutcome]:
        return [event.outcome for event in self.events if isinstance(event, ToolFinished)]

    @property
    def uses(self) -> list[ToolItem]:
        return [item for item in self.remembered if isinstance(item, ToolItem)]


def uses(*calls: tuple[str, str], told: list[str] | None = None) -> Brain:
    """A brain that calls these tools, all at once, and says that it is done."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        results = await asyncio.gather(*(turn.tools.call(name, arguments) for name, arguments in calls))
        if told is not None:
            told.extend(results)
        yield "That is done."

    return brain


async def asks(line: Line) -> None:
    await says(line, "do it please")
    await line.hear_out()


def test_a_tool_is_run_and_remembered(phone: PhoneTests) -> None:
    """The model sees its schema without what is injected; its arguments are checked and made of the right type."""
    seen: list[object] = []

    @tool(status="Looking up order {order}")
    async def find_order(order: int, call: VoiceSession, urgent: bool = False) -> dict[str, str]:
        """Where an order is.

        Args:
            order: its number
        """
        seen.append((order, call.call_sid, urgent))
        return {"arrives": "thursday"}

    async def brain(turn: Turn) -> AsyncIterator[str]:
        (spec,) = turn.tools.specs
        assert (spec.name, spec.description) == ("find_order", "Where an order is.")
        assert spec.parameters == {
            "type": "object",
            "properties": {
                "order": {"type": "integer", "description": "its number"},
                "urgent": {"type": "boolean", "default": False},
            },
            "required": ["order"],
            "additionalProperties": False,
        }
        result = await turn.tools.call("find_order", '{"order": "42"}')
        yield f"It comes on {json.loads(result)['arrives']}."

    agent = Watched(brain, tools=[find_order])
    record = phone.call(desk(agent), asks)
    assert seen == [(42, record.sid, False)]
    assert agent.remembered == [
        UserItem("do it please"),
        ToolItem("find_order", '{"order": "42"}', '{"arrives":"thursday"}'),
        AgentItem("It comes on thursday."),
    ]
    started, finished = agent.events
    assert isinstance(started, ToolStarted) and started.status == "Looking up order 42"
    assert isinstance(finished, ToolFinished) and finished.outcome is ToolOutcome.DONE


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("refuses", "{}", "It is sold out."),
        ("breaks", "{}", "This failed."),
        ("hangs", "{}", "There was no result within 1.5 seconds. It is not known whether it was done."),
        ("deaf", "{}", "There was no result within 1.5 seconds. It is not known whether it was done."),
        ("nothing", "", "OK"),
        ("odd", "{}", "<odd>"),
        ("plain", '{"count": 2}', '[1,2]'),
        ("plain", '{"count": "many"}', "The arguments are wrong: count: Input should be a valid integer, unable to "
         "parse string as an integer."),
        ("plain", '{"count":', "The arguments are wrong: Invalid JSON: EOF while parsing a value at line 1 column 9."),
        ("unknown", "{}", "There is no such tool. There are: breaks, deaf, hangs, nothing, odd, plain, refuses."),
    ],
)  # fmt: skip
def test_a_tool_is_always_answered(phone: PhoneTests, name: str, arguments: str, result: str) -> None:
    """Whatever it does, the model gets a text, the history has the pair, and the caller an answer."""

    @dataclass
    class Odd:
        made: Callable[[], None]

        def __str__(self) -> str:
            return "<odd>"

    def refuses() -> None:
        raise ToolError("It is sold out.")

    async def breaks() -> None:
        raise RuntimeError("password in here")

    @tool(timeout=1.5, holding="")
    async def hangs() -> None:
        await asyncio.sleep(1000)

    @tool(timeout=1.5, holding="")
    async def deaf() -> None:
        until = asyncio.get_running_loop().time() + 4
        while (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue

    def nothing() -> None:
        return None

    def odd() -> Odd:
        return Odd(lambda: None)

    def plain(count: int) -> list[int]:
        time.sleep(0.001)
        return list(range(1, count + 1))

    told: list[str] = []
    tools = [breaks, deaf, hangs, nothing, odd, plain, refuses]
    agent = Watched(uses((name, arguments), told=told), tools=tools)
    record = phone.call(desk(agent), asks)
    assert told == [result]
    assert agent.uses == [ToolItem(name, arguments, result)]
    assert ear(record) == "that is done."


def test_tools_overlap_and_one_that_fails_keeps_the_others(phone: PhoneTests) -> None:
    """Two tools of a second each take a second; the history has them in the order they were asked for."""

    @tool(holding="")
    async def slow(which: str) -> str:
        await asyncio.sleep(1.0)
        if which == "b":
            raise ToolError("no b")
        return which.upper()

    agent = Watched(uses(("slow", '{"which":"b"}'), ("slow", '{"which":"a"}')), tools=[slow])
    phone.call(desk(agent), asks)
    assert [use.result for use in agent.uses] == ["no b", "A"]
    first, second = agent.events[2:]
    assert isinstance(first, ToolFinished) and isinstance(second, ToolFinished)
    assert [round(event.duration_ms) for event in (first, second)] == [1000, 1000]
    assert second.at - first.at < 0.1


def test_a_caller_who_waits_for_a_tool_hears_a_line(phone: PhoneTests) -> None:
    """After a second of nothing; a tool may have its own; and a tool that needs its time is not given up."""

    @tool(timeout=30.0, holding="I am asking the kitchen.")
    async def ask_kitchen() -> str:
        await asyncio.sleep(25.0)
        return "yes"

    async def patient(line: Line) -> None:
        await says(line, "do it please")
        await line.hear_out(quiet_ms=2500)

    agent = Watched(uses(("ask_kitchen", "{}")), tools=[ask_kitchen])
    heard = ear(phone.call(desk(agent), patient))
    assert heard.startswith("i am asking the kitchen. one moment, please. i am still looking into it.")
    assert heard.endswith("that is done.")
    assert agent.outcomes == [ToolOutcome.DONE]

    @tool
    async def quick() -> str:
        await asyncio.sleep(1.5)
        return "yes"

    agent = Watched(uses(("quick", "{}"), ("quick", "{}")), tools=[quick], phrases=Phrases(holding="Hold on."))
    assert ear(phone.call(desk(agent), asks)) == "hold on. that is done."


def test_calls_of_a_turn_are_limited_and_circles_are_broken(phone: PhoneTests) -> None:
    """The third same call and the eleventh of a turn are refused; the model is shown no tools then."""
    ran: list[int] = []

    def count(to: int) -> None:
        ran.append(to)

    specs: list[int] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        results = [await turn.tools.call("count", json.dumps({"to": to})) for to in (1, 1, 1, *range(2, 9))]
        specs.append(len(turn.tools.specs))
        results.append(await turn.tools.call("count", '{"to": 10}'))
        assert "same arguments" in results[2]
        assert results[10].startswith("No more tools")
        yield "That is done."

    agent = Watched(brain, tools=[count])
    phone.call(desk(agent), asks)
    assert ran == [1, 1, *range(2, 9)]
    assert specs == [0]
    assert len(agent.uses) == 11
    assert agent.outcomes.count(ToolOutcome.REFUSED) == 2


def test_a_circle_over_many_turns_is_broken(phone: PhoneTests) -> None:
    """The same call, turn after turn."""
    ran: list[int] = []

    def look() -> None:
        ran.append(1)

    async def caller(line: Line) -> None:
        for _ in range(7):
            await asks(line)

    agent = Watched(uses(("look", "{}")), tools=[look])
    phone.call(desk(agent), caller)
    assert len(ran) == 5
    assert agent.outcomes[-2:] == [ToolOutcome.REFUSED] * 2


@pytest.mark.parametrize("policy", [OnBargeIn.FINISH, OnBargeIn.CANCEL])
def test_a_tool_that_is_interrupted(phone: PhoneTests, policy: OnBargeIn) -> None:
    """One that acts finishes, once, and the next turn knows its result; one that only reads is cancelled."""
    turns: list[Turn] = []
    ran: list[str] = []

    @tool(on_barge_in=policy, holding="")
    async def book(what: str) -> str:
        ran.append("begun")
        await asyncio.sleep(3.0)
        ran.append("done")
        return "booked"

    async def brain(turn: Turn) -> AsyncIterator[str]:
        turns.append(turn)
        if len(turns) == 1:
            await turn.tools.call("book", '{"what":"it"}')
        yield "What else?"

    async def caller(line: Line) -> None:
        await says(line, "book it please")
        await line.pause(1.5)
        await says(line, "wait i mean")
        await line.hear_out()

    agent = Watched(brain, tools=[book])
    phone.call(desk(agent), caller)
    cancelled = "This was cancelled, since the caller went on. It has no result."
    result = "booked" if policy is OnBargeIn.FINISH else cancelled
    assert ran == (["begun", "done"] if policy is OnBargeIn.FINISH else ["begun"])
    assert turns[1].history == (UserItem("book it please"), ToolItem("book", '{"what":"it"}', result))
    assert agent.uses == [ToolItem("book", '{"what":"it"}', result)]


def test_what_is_under_way_when_the_caller_hangs_up_is_finished(phone: PhoneTests) -> None:
    """A booking is not cut off by the end of the call, and is in the history that the program gets."""

    @tool(holding="")
    async def book() -> str:
        await asyncio.sleep(3.0)
        return "booked"

    async def caller(line: Line) -> None:
        await says(line, "book it please")
        await line.pause(2.0)

    agent = Watched(uses(("book", "{}")), tools=[book])
    phone.call(desk(agent), caller)
    assert agent.uses == [ToolItem("book", "{}", "booked")]


def test_a_turn_that_may_be_none_cannot_act(phone: PhoneTests) -> None:
    """Preemptive thinking asks for tools at once; nothing is run before the caller is known to be done."""
    asked: list[str] = []
    ran: list[str] = []

    def book(what: str) -> str:
        ran.append(what)
        return "booked"

    async def brain(turn: Turn) -> AsyncIterator[str]:
        asked.append(turn.text)
        yield f"{await turn.tools.call('book', json.dumps({'what': turn.text}))}."

    async def caller(line: Line) -> None:
        await says(line, "two pizzas")
        await line.pause(0.8)  # the recogniser takes 0.6 s to be sure
        await says(line, "and a salad")
        await line.hear_out()

    agent = Watched(brain, tools=[book], policy=FloorPolicy(preemptive=True, min_wait=1.0))
    record = phone.call(desk(agent), caller)
    assert asked == ["two pizzas", "two pizzas and a salad"]
    assert ran == ["two pizzas and a salad"]
    assert len(agent.uses) == len(agent.events) // 2 == 1
    assert ear(record) == "booked."


def test_a_result_instruction_is_for_the_model_and_not_remembered(phone: PhoneTests) -> None:
    """It says how to tell the result, this once."""
    told: list[str] = []

    @tool(result_instruction="Say it in one sentence.")
    def look() -> str:
        return "42"

    agent = Watched(uses(("look", "{}"), told=told), tools=[look])
    phone.call(desk(agent), asks)
    assert told == ["42\n\nSay it in one sentence."]
    assert agent.uses == [ToolItem("look", "{}", "42")]


def test_methods_of_an_agent_are_its_tools(phone: PhoneTests) -> None:
    """Those that are marked: they see the agent, and can still be called as they are."""

    class Desk(Watched):
        price = 7

        @tool
        def price_of(self, pizzas: int) -> int:
            """What so many cost."""
            return self.price * pizzas

    told: list[str] = []
    agent = Desk(uses(("price_of", '{"pizzas": 2}'), told=told))
    phone.call(desk(agent), asks)
    assert told == ["14"]
    assert agent.price_of(3) == 21
