"""A model that does not know what it does, or does what a caller told it: its tools, their arguments, their results."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime.agent.builtin_tools import transfer_to
from voice_runtime.events import CallEvent, ToolFinished, ToolStarted
from voice_runtime.llm import ToolItem, Turn
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests
from voice_runtime.tools import tool
from voice_runtime.tools.result import MAX_CHARACTERS
from voice_runtime.tools.signature import BadArguments

SECRET = "Kalevala-4711"


class Brain:
    """Calls these tools, all at once, in its first turn, and says that it is done."""

    def __init__(self, *calls: tuple[str, str]) -> None:
        self.calls, self.told, self.specs = calls, [""], ""

    async def __call__(self, turn: Turn) -> AsyncIterator[str]:
        calls, self.calls = self.calls, ()
        self.specs = repr(turn.tools.specs)
        self.told = await asyncio.gather(*(turn.tools.call(name, arguments) for name, arguments in calls))
        yield "That is done."


class Watched(Remembering):
    """Keeps what became of its tools."""

    async def enter(self, call: Any) -> None:
        self.seen: list[CallEvent] = []
        call.on_event(self.seen.append)

    @property
    def uses(self) -> list[ToolItem]:
        return [item for item in self.remembered if isinstance(item, ToolItem)]

    @property
    def names_seen(self) -> set[str]:
        return {event.tool for event in self.seen if isinstance(event, ToolStarted | ToolFinished)}


async def asks(line: Line) -> None:
    await says(line, "do it please")
    await line.hear_out()


@tool(status="Looking for {what}")
def look(what: str, count: float = 1.0) -> str:
    return f"There is {what}."


@pytest.mark.parametrize(
    "arguments",
    [
        "[" * 100_000,
        '{"what": ' * 5_000,
        '{"what": "x", "count": NaN}',
        '{"what": "x", "count": 1e999}',
        '{"what": "x", "count": ' + "9" * 5_000 + "}",
        '{"what": "\ud800"}',
        '{"what": "\\ud800"}',
        json.dumps({"what": "x"} | {f"more{number}": number for number in range(1000)}),
        json.dumps({"k" * 10_000: 1}),
        json.dumps({"what": "x" * 10**6}),
        "null",
        "\0",
    ],
    ids=lambda written: ascii(written[:20]),
)
def test_any_arguments_are_answered_in_few_words(phone: PhoneTests, arguments: str) -> None:
    """Without running the tool; the model may try again, and the caller gets an answer."""
    brain = Brain(("look", arguments))
    agent = Watched(brain, tools=[look])
    assert ear(phone.call(desk(agent), asks)) == "that is done."
    assert brain.told[0].startswith("The arguments are") and len(brain.told[0]) < 1000
    [used] = agent.uses
    assert len(used.arguments) < MAX_CHARACTERS + 100
    used.arguments.encode()  # what cannot be encoded would fail every request from then on


def test_nothing_that_is_no_number_reaches_a_tool() -> None:
    """Not in JSON, but written by models and read by many parsers."""
    for odd in ("NaN", "Infinity", "-Infinity", "1e999"):
        with pytest.raises(BadArguments):
            look.signature().arguments(f'{{"what": "x", "count": {odd}}}')
    assert math.isclose(look.signature().arguments('{"what": "x", "count": 2.5}')["count"], 2.5)


def test_a_thousand_calls_at_once_are_a_few(phone: PhoneTests, caplog: pytest.LogCaptureFixture) -> None:
    """Ten run; some refusals are remembered; the others leave nothing behind, in the history, the events or the log."""
    ran: list[int] = []

    def count(to: int) -> None:
        ran.append(to)

    brain = Brain(*(("count", f'{{"to": {number}}}') for number in range(1000)))
    agent = Watched(brain, tools=[count])
    with caplog.at_level(logging.DEBUG):
        phone.call(desk(agent), asks)
    assert sorted(ran) == list(range(10))
    assert len(brain.told) == 1000 and all(told.startswith(("OK", "No more tools")) for told in brain.told)
    assert len(agent.uses) == 20
    assert sum("tool" in record.getMessage() for record in caplog.records) <= 20


def test_a_made_up_tool_is_called_unknown(phone: PhoneTests, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever its name holds is in no event, metric or log line, and in the history as services take it."""
    names = [f"functions.{SECRET}", f"{SECRET}\n\x1b[31m", SECRET * 1000, ""]
    agent = Watched(Brain(*((name, "{}") for name in names)), tools=[look])
    with caplog.at_level(logging.DEBUG):
        phone.call(desk(agent), asks)
    assert agent.names_seen == {"unknown"}
    assert [item.name[:24] for item in agent.uses] == [
        "functions_Kalevala-4711",
        "Kalevala-4711___31m",
        (SECRET * 2)[:24],
        "unnamed",
    ]
    assert max(len(item.name) for item in agent.uses) == 64
    assert SECRET not in caplog.text


def test_a_result_without_end_is_cut(phone: PhoneTests) -> None:
    """A tool that returns a whole page: the model gets its beginning, and so does every later turn."""

    def page() -> str:
        return "\ud800" + "x" * 10**6

    def fails() -> None:
        raise ValueError(SECRET)

    brain = Brain(("page", "{}"), ("fails", "{}"))
    agent = Watched(brain, tools=[page, fails])
    phone.call(desk(agent), asks)
    assert brain.told[0] == agent.uses[0].result and brain.told[1] == "This failed."
    assert len(brain.told[0]) < MAX_CHARACTERS + 100
    assert brain.told[0].startswith("?x") and brain.told[0].endswith("[cut: 984001 characters more]")


def test_a_status_does_not_grow_with_what_it_quotes(phone: PhoneTests) -> None:
    """Screens show it."""
    agent = Watched(Brain(("look", json.dumps({"what": "x" * 5000}))), tools=[look])
    phone.call(desk(agent), asks)
    [started] = [event for event in agent.seen if isinstance(event, ToolStarted)]
    assert started.status.startswith("Looking for xxx") and len(started.status) < 300


def test_a_model_that_never_stops_is_not_listened_to_for_ever(phone: PhoneTests) -> None:
    """It repeats itself without end; its stream is closed, and the caller may interrupt what came."""
    written: list[str] = []
    closed: list[bool] = []

    async def endless(turn: Turn) -> AsyncIterator[str]:
        try:
            while True:
                written.append("one more of the same. ")
                yield written[-1]
        finally:
            closed.append(True)

    async def caller(line: Line) -> None:
        await says(line, "do it please")
        await line.wait_until_agent_speaks()
        await line.pause(2.0)

    phone.call(desk(Watched(endless)), caller)
    assert closed and len(written) <= 1000


@pytest.mark.parametrize("to", ["+15550001111", "sip:evil@example.com", "billing ", "Billing", "", "0", ["billing"]])
def test_a_call_is_transferred_to_nobody_but_the_programs_own(phone: PhoneTests, to: object) -> None:
    """What a caller talks the model into is no destination: it has names to choose from, and never a number."""
    hand_over = transfer_to(billing="+358401112222", front_desk="+358403334444")
    brain = Brain((hand_over.name, json.dumps({"to": to})), (hand_over.name, json.dumps({"number": to})))
    agent = Watched(brain, tools=[hand_over])
    record = phone.call(desk(agent), asks)
    assert all(told.startswith("The arguments are wrong") for told in brain.told)
    assert ear(record) == "that is done."
    assert "billing" in brain.specs and "+358" not in brain.specs
