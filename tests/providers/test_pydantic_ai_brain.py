"""Agents of Pydantic AI as brains, with its own test models: what the model sees, and what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.models.test import TestModel

from voice_runtime.errors import BrainError
from voice_runtime.llm import AgentItem, Item, Part, ToolItem, Turn, Usage, UserItem
from voice_runtime.providers.pydantic_ai_brain import PydanticAiBrain, items_of, model_messages
from voice_runtime.tools import ToolSpec

BEFORE: tuple[Item, ...] = (
    AgentItem("Hello!"),
    UserItem("two pizzas", "2"),
    ToolItem("order", '{"count":2}', "ordered"),
    AgentItem("They come", interrupted=True),
)


class Kitchen:
    """The tools of a turn."""

    specs = (ToolSpec("order", "Order pizzas.", {"type": "object", "properties": {"count": {"type": "integer"}}}),)

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    async def call(self, name: str, arguments: str) -> str:
        self.calls.append((name, arguments))
        return "ordered"


async def answer(brain: PydanticAiBrain, turn: Turn) -> list[Part]:
    return [part async for part in brain(turn)]


async def test_the_model_sees_the_conversation_and_the_tools_and_uses_one() -> None:
    """What was said before, tool pairs whole; text is streamed, tools are run by the runtime, usage is told."""
    seen: list[list[ModelMessage]] = []
    infos: list[AgentInfo] = []

    async def model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        seen.append(history)
        infos.append(info)
        if len(seen) == 1:
            yield "Let me see."
            yield {1: DeltaToolCall("order", '{"count": ', tool_call_id="a")}
            yield {1: DeltaToolCall(json_args="3}")}
        else:
            yield "That is "
            yield "ordered."

    kitchen = Kitchen()
    brain = PydanticAiBrain(Agent(FunctionModel(stream_function=model), instructions="Be brief."))
    parts = await answer(brain, Turn("three more", "", BEFORE, "Sell pizza.", kitchen))
    assert "".join(part for part in parts if isinstance(part, str)) == "Let me see.That is ordered."
    assert kitchen.calls == [("order", '{"count":3}')]
    assert not [part for part in parts if isinstance(part, ToolItem)]  # the runtime records it
    assert sum(part.output_tokens for part in parts if isinstance(part, Usage)) > 0
    assert items_of(seen[0]) == [
        AgentItem("Hello!"),
        UserItem("two pizzas [keys: 2]"),
        ToolItem("order", '{"count":2}', "ordered"),
        AgentItem("They come ..."),
        UserItem("three more"),
    ]
    told = [part for message in seen[1] for part in message.parts if isinstance(part, ToolReturnPart)]
    assert [part.content for part in told] == ["ordered", "ordered"]
    assert [tool.name for tool in infos[0].function_tools] == ["order"]
    assert infos[0].instructions is not None
    assert {"Be brief.", "Sell pizza."} <= set(infos[0].instructions.split("\n"))


async def test_tools_of_the_agent_itself_are_remembered() -> None:
    """Pydantic AI runs them, with the dependencies of the turn; each use becomes part of the history."""
    clerk = Agent(TestModel(), deps_type=str)

    @clerk.tool
    def shout(ctx: RunContext[str]) -> str:
        return ctx.deps.upper()

    brain = PydanticAiBrain(clerk, deps=lambda turn: turn.text)
    parts = await answer(brain, Turn("hello"))
    assert [part for part in parts if isinstance(part, ToolItem)] == [ToolItem("shout", "{}", "HELLO")]


async def test_a_brain_that_is_closed_stops_its_model() -> None:
    """The caller interrupted: nobody goes on writing."""
    ended = asyncio.Event()

    async def model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        try:
            for _ in range(1000):
                yield "word "
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    parts = PydanticAiBrain(Agent(FunctionModel(stream_function=model)))(Turn("hello"))
    assert await anext(aiter(parts)) == "word "
    await parts.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        await ended.wait()


@pytest.mark.parametrize("arguments", ['{"count":', "[1]", "[" * 5000, '{"count": ' + "9" * 5000 + "}", '"\\ud800"'])
async def test_a_model_that_writes_no_arguments_may_try_again(arguments: str) -> None:
    """It is told what is wrong, and the caller gets an answer; the tool is called once, with what is right."""
    written = iter([arguments, '{"count": 3}'])

    async def model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if (wanted := next(written, None)) is None:
            yield "That is ordered."
        else:
            yield {0: DeltaToolCall("order", wanted, tool_call_id="a")}

    kitchen = Kitchen()
    parts = await answer(PydanticAiBrain(FunctionModel(stream_function=model)), Turn("three", tools=kitchen))
    assert "".join(part for part in parts if isinstance(part, str)).strip() == "That is ordered."
    assert kitchen.calls == [("order", '{"count":3}')]


async def test_a_model_that_fails_is_a_brain_error() -> None:
    """With the framework's own error as its cause."""

    async def model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        raise ConnectionError("no line")
        yield ""

    with pytest.raises(BrainError, match="pydantic-ai") as caught:
        await answer(PydanticAiBrain(FunctionModel(stream_function=model)), Turn("hello"))
    assert caught.value.__cause__ is not None


async def test_an_answer_that_another_brain_began_is_gone_on_with() -> None:
    """What was used and said of it comes after the caller's words; then the model is asked to go on."""
    seen: list[list[ModelMessage]] = []

    async def model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        seen.append(history)
        yield "on thursday."

    brain = PydanticAiBrain(FunctionModel(stream_function=model))
    used = ToolItem("find", "{}", "thursday")
    await answer(brain, Turn("when", begun=(used,)))
    await answer(brain, Turn("when", begun=(used, AgentItem("It comes"))))
    assert items_of(seen[0]) == [UserItem("when"), used]
    assert items_of(seen[1])[:3] == [UserItem("when"), used, AgentItem("It comes")]


def test_history_there_and_back() -> None:
    """What was said and used survives; a call without its result does not."""
    there: list[Any] = model_messages(Turn("and now", history=BEFORE))
    there.append(ModelResponse([ToolCallPart("lost", "{}"), TextPart("Well.")]))
    assert isinstance(there[1].parts[0], UserPromptPart)
    assert items_of(there)[2:] == [BEFORE[2], AgentItem("They come ..."), UserItem("and now"), AgentItem("Well.")]
