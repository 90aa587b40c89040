"""A brain over OpenAI's API (`/chat/completions`), by OpenAI or any service that has it: streamed, with tools.

OPENAI_MODEL names the model; see `openai_account` for key and address.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from voice_runtime.errors import BrainError
from voice_runtime.llm import Part, ToolItem, Turn
from voice_runtime.llm import messages as messages_of
from voice_runtime.providers.openai_account import Account, describe, model_name, reason
from voice_runtime.tools import ToolSpec
from voice_runtime.tools.result import bounded, plain_name

__all__ = ["OpenAiBrain"]

log = logging.getLogger(__name__)

MAX_CALLS = 1000
"""Tools that one answer may ask for."""


@dataclass(slots=True)
class _ToolCall:
    """What the model wants, as it comes in pieces."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def as_json(self) -> dict[str, Any]:
        """Services may refuse the whole conversation for arguments that are no JSON object."""
        try:
            whole = isinstance(json.loads(self.arguments or "{}"), dict)
        except (ValueError, RecursionError):
            whole = False
        arguments = (self.arguments or "{}") if whole else json.dumps({"not_json": bounded(self.arguments)})
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}


class OpenAiBrain:
    """Answers with a chat model: `Agent(OpenAiBrain("the-model"))`. One brain serves many calls at once.

    `timeout`: how long the service may be silent, in seconds. `max_rounds`: after so many rounds of tools in one turn
    the model has to answer without. `options`: anything else for the request (`temperature`, `max_tokens`, ...).
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 20.0,
        max_rounds: int = 8,
        **options: Any,
    ) -> None:
        self._model, self._options, self._max_rounds = model, options, max_rounds
        self._account = Account(api_key, base_url, timeout=timeout)

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        """Text as the model writes it. Raises `BrainError`."""
        known = {spec.name for spec in turn.tools.specs}
        try:
            messages = messages_of(turn, _teller())
            for number in range(self._max_rounds + 1):
                wanted: list[_ToolCall] = []
                said: list[str] = []
                async for text in self._complete(messages, turn.tools.specs, number == self._max_rounds, wanted):
                    said.append(text)
                    yield text
                if not wanted:
                    return
                results = await asyncio.gather(*(turn.tools.call(call.name, call.arguments) for call in wanted))
                for call in wanted:
                    call.name = call.name if call.name in known else plain_name(call.name)
                messages.append(_asked("".join(said), wanted))
                messages += [_told(call.id, result) for call, result in zip(wanted, results, strict=True)]
        except BrainError:
            raise
        except Exception as error:  # the SDK and its HTTP library raise many kinds: all mean that there is no answer
            log.warning("openai: no answer: %s", describe(error))
            raise BrainError("openai", reason(error), describe(error)) from error

    async def aclose(self) -> None:
        """Close the connections that were kept open. The object stays usable."""
        await self._account.aclose()

    async def _complete(
        self, messages: list[dict[str, Any]], specs: tuple[ToolSpec, ...], last: bool, wanted: list[_ToolCall]
    ) -> AsyncIterator[str]:
        """One answer of the model: its text, and in `wanted` the tools it asks for."""
        client = await self._account.client()
        tools: dict[str, Any] = {"tools": [_function(spec) for spec in specs]} if specs else {}
        if specs and last:
            tools["tool_choice"] = "none"
        model = model_name(self._model, "OPENAI_MODEL")
        stream = await client.chat.completions.create(
            model=model, messages=messages, stream=True, **tools, **self._options
        )
        finished = ""
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices[:1]:  # a chunk without any tells the usage
                    for piece in choice.delta.tool_calls or ():
                        _add(wanted, piece)
                    if choice.delta.content:
                        yield choice.delta.content
                    finished = choice.finish_reason or finished
        if not finished:
            raise BrainError("openai", "cut_off", "the stream ended before the answer did")
        if finished == "content_filter":
            raise BrainError("openai", "content_filter", "the service withheld the answer")


def _teller() -> Callable[[ToolItem], list[dict[str, Any]]]:
    """How earlier uses of tools are told. The same history gives the same ids: services keep what they have read."""
    numbers = itertools.count(1)

    def tell(item: ToolItem) -> list[dict[str, Any]]:
        call = _ToolCall(f"call_{next(numbers)}", item.name, item.arguments)
        return [_asked("", [call]), _told(call.id, item.result)]

    return tell


def _add(wanted: list[_ToolCall], piece: Any) -> None:
    """The pieces of a call have its index; some services leave it out, and send each call whole."""
    index = piece.index if piece.index is not None else len(wanted)
    if not 0 <= index < MAX_CALLS:
        raise BrainError("openai", "too_many_tools", f"the model wants a tool number {index}")
    while len(wanted) <= index:
        wanted.append(_ToolCall())
    call, function = wanted[index], piece.function
    call.id = piece.id or call.id or f"call_now_{index}"
    if function is not None:
        call.name += function.name or ""
        call.arguments += function.arguments or ""


def _asked(text: str, calls: list[_ToolCall]) -> dict[str, Any]:
    return {"role": "assistant", "content": text or None, "tool_calls": [call.as_json() for call in calls]}


def _told(call: str, result: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": result}


def _function(spec: ToolSpec) -> dict[str, Any]:
    described = {"name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)}
    return {"type": "function", "function": described}
