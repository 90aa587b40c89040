"""A brain that is no model: it says what the test wants, when the test wants it, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from voice_runtime.llm import Part, ToolItem, Turn, Usage

__all__ = ["Answer", "Fail", "ScriptedBrain", "Stall", "Step", "UseTool", "Wait"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing, for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing, for ever."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The model is gone."""

    error: Exception = field(default_factory=lambda: ConnectionError("the model is gone"))


@dataclass(frozen=True, slots=True)
class UseTool:
    """Call the turn's tool of that name. In the text that follows, `{name}` stands for the result."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Step: TypeAlias = str | ToolItem | Usage | UseTool | Wait | Stall | Fail
Answer: TypeAlias = Step | Sequence[Step]
"""Steps in their order: `["It comes on Thursday. At half", Stall()]` stalls in mid-sentence, `Stall()` before the first
word."""


class ScriptedBrain:
    """Gives `answers`, one for each turn; first of all the one in `on` whose pattern, a regular expression, is found in
    what the caller said or keyed, in any case. After the last, `otherwise` is given; without that, it raises.

    Text comes word by word, as from a model; `{text}` and `{keys}` are what the caller said and keyed. `turns` are
    those that it was asked, in order.
    """

    def __init__(
        self, *answers: Answer, on: Mapping[str, Answer] | None = None, otherwise: Answer | None = None
    ) -> None:
        self.turns: list[Turn] = []
        self._answers = list(answers)
        self._on = [(re.compile(pattern, re.IGNORECASE), answer) for pattern, answer in (on or {}).items()]
        self._otherwise = otherwise

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        self.turns.append(turn)
        answer = self._answer(turn)
        results = {"text": turn.text, "keys": turn.keys}
        for step in (answer,) if isinstance(answer, Step) else answer:
            match step:
                case str():
                    for name, result in results.items():
                        step = step.replace(f"{{{name}}}", result)
                    for word in re.findall(r"\s*\S+|\s+$", step):
                        yield word
                case ToolItem() | Usage():
                    yield step
                case UseTool(name, arguments):
                    results[name] = await turn.tools.call(name, json.dumps(dict(arguments)))
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Stall():
                    await asyncio.Event().wait()
                case Fail(error):
                    raise error
                case _:
                    assert_never(step)

    def _answer(self, turn: Turn) -> Answer:
        for pattern, answer in self._on:
            if pattern.search(f"{turn.text} {turn.keys}"):
                return answer
        if self._answers:
            return self._answers.pop(0)
        if self._otherwise is None:
            raise LookupError(f"the script has no answer left, for {turn.text or turn.keys!r}")
        return self._otherwise
