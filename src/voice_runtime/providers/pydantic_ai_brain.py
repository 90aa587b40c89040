"""A brain that is an agent of Pydantic AI: its model, its instructions and its own tools, beside those of the call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema, to_json

from voice_runtime.errors import BrainError
from voice_runtime.llm import AgentItem, Item, Part, ToolItem, Turn, Usage, UserItem, messages
from voice_runtime.tools import Toolset

__all__ = ["PydanticAiBrain", "items_of", "model_messages"]

log = logging.getLogger(__name__)

MAX_RETRIES = 3
"""So often a model may write arguments that are no JSON object: nothing has been run then, and it is told."""
_ANYTHING = SchemaValidator(core_schema.dict_schema())  # the runtime checks arguments itself


class PydanticAiBrain:
    """`Agent(PydanticAiBrain(their_agent))`, or the name of a model that Pydantic AI knows. Serves many calls at once.

    `deps(turn)`: the dependencies of the run. `options`: anything else for it (`model_settings`, `usage_limits`, ...).
    The tools of the call are offered to the model beside the agent's own. Those are run by Pydantic AI: without the
    runtime's time limits, and in preemptive thinking too. Their use is remembered all the same.
    """

    def __init__(
        self, agent: Agent[Any, Any] | Model | str, *, deps: Callable[[Turn], Any] | None = None, **options: Any
    ) -> None:
        self._agent = agent if isinstance(agent, Agent) else Agent(agent)
        self._deps = deps or (lambda turn: None)
        self._options = options

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        """Text as the model writes it. Raises `BrainError`."""
        *history, asked = model_messages(turn)
        if isinstance(asked, ModelRequest) and isinstance(prompt := asked.parts[0], UserPromptPart):
            asked_now = prompt.content
        else:
            asked_now, history = None, [*history, asked]
        own: dict[str, ToolCallPart] = {}
        ours = {spec.name for spec in turn.tools.specs}
        used = Usage(0, 0)
        try:
            run = self._agent.run_stream_events(
                asked_now,
                message_history=history,
                instructions=turn.instructions or None,
                toolsets=[_CallTools(turn.tools)],
                deps=self._deps(turn),
                infer_name=False,
                **self._options,
            )
            async with run as events:
                async for event in events:
                    match event:
                        case PartStartEvent(part=TextPart(content=text)) if text:
                            yield text
                        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                            yield text
                        case FunctionToolCallEvent(part=call):
                            if call.tool_name not in ours:
                                yield "\n"  # what is said after it is another sentence
                                own[call.tool_call_id] = call
                        case FunctionToolResultEvent(part=result) if result.tool_call_id in own:
                            yield _item(own.pop(result.tool_call_id), result)
                        case _:
                            pass
                    now = Usage(events.usage.input_tokens, events.usage.output_tokens)
                    if now != used:
                        yield Usage(now.input_tokens - used.input_tokens, now.output_tokens - used.output_tokens)
                        used = now
        except Exception as error:  # of the framework, a model's SDK, or the agent's own code: there is no answer
            log.warning("pydantic-ai: no answer: %s", type(error).__name__)
            raise BrainError("pydantic-ai", type(error).__name__, str(error)) from error


class _CallTools(AbstractToolset[Any]):
    """The tools of a turn, run by the call's runtime."""

    def __init__(self, tools: Toolset) -> None:
        self._tools = tools

    @property
    def id(self) -> str:
        return "voice-runtime"

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        return {
            spec.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=spec.name, description=spec.description, parameters_json_schema=dict(spec.parameters)
                ),
                max_retries=MAX_RETRIES,
                args_validator=_ANYTHING,
            )
            for spec in self._tools.specs
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> str:
        return await self._tools.call(name, to_json(tool_args).decode())


def model_messages(turn: Turn) -> list[ModelMessage]:
    """The turn, with what was said before, as Pydantic AI has it; without instructions. Tools are whole pairs."""
    found: list[ModelMessage] = []
    for number, message in enumerate(messages(replace(turn, instructions=""), lambda item: [{"tool": item}])):
        match message:
            case {"tool": ToolItem(name, arguments, result)}:
                call = ToolCallPart(name, arguments, f"call_{number}")
                found.append(ModelResponse([call]))
                found.append(ModelRequest([ToolReturnPart(name, result, call.tool_call_id)]))
            case {"role": "user", "content": str(text)}:
                found.append(ModelRequest([UserPromptPart(text)]))
            case {"content": str(text)}:
                found.append(ModelResponse([TextPart(text)]))
            case _:
                raise AssertionError(message)
    return found


def items_of(history: Iterable[ModelMessage]) -> list[Item]:
    """The way back: what was said, and the tools that have a result. Everything else is left out."""
    found: list[Item] = []
    calls: dict[str, ToolCallPart] = {}
    for message in history:
        for part in message.parts:
            match part:
                case UserPromptPart(content=str(text)):
                    found.append(UserItem(text))
                case TextPart(content=text):
                    found.append(AgentItem(text))
                case ToolCallPart():
                    calls[part.tool_call_id] = part
                case ToolReturnPart() if part.tool_call_id in calls:
                    found.append(_item(calls.pop(part.tool_call_id), part))
                case _:
                    pass
    return found


def _item(call: ToolCallPart, result: ToolReturnPart) -> ToolItem:
    return ToolItem(call.tool_name, call.args_as_json_str(), result.model_response_str())
