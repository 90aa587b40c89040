"""`Form`: a question that a model asks, turn by turn, until a Pydantic model is filled: an address, an order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from voice_runtime.agent.questions import Answer, Question, Refusal, Refused
from voice_runtime.llm import Brain, Part, ToolItem, Turn, UserItem
from voice_runtime.tasks import closing
from voice_runtime.tools import ToolSpec
from voice_runtime.tools.signature import BadArguments, Signature

__all__ = ["Address", "Form"]

M = TypeVar("M", bound=BaseModel)

TASK = (
    "You are on the phone. Collect from the caller what the tool `submit` takes, one thing at a time, in short"
    " sentences; ask again for what is unclear. When you have all of it, call `submit`. When the caller does"
    " not want to give it, call `refuse`. Do nothing else."
)


class Address(BaseModel):
    """Where somebody lives."""

    street: str = Field(description="with the number of the house")
    city: str
    postal_code: str
    country: str = ""


@dataclass(frozen=True)
class Form(Question[M]):
    """`model` is what is asked for, `brain` has the model that asks; `instructions` come after what it is told anyway.

    `prompt` is said first; `attempts` counts the caller's turns.
    """

    model: type[M]
    brain: Brain
    _: KW_ONLY
    attempts: int = 10
    instructions: str = ""

    def read(self, said: UserItem) -> M | None:
        """Nothing: the brain does."""
        return None

    async def converse(self, turn: Turn) -> AsyncIterator[Part | Answer[M] | Refused]:
        """The brain's next words, and at the end the form."""
        sheet = _Sheet(self.model)
        task = f"{TASK}\n\n{self.instructions}".strip()
        async with closing(self.brain(replace(turn, instructions=task, tools=sheet))) as parts:
            async for part in parts:
                for record in sheet.records():
                    yield record
                yield part
        for record in sheet.records():
            yield record
        if sheet.refused:
            yield Refused(Refusal.CANCELLED, turn.text)
        elif sheet.filled is not None:
            yield Answer(sheet.filled)


class _Sheet(Generic[M]):
    """The tools of a brain that fills a form."""

    def __init__(self, model: type[M]) -> None:
        def submit(form: M) -> None: ...

        submit.__annotations__["form"] = model
        self._signature = Signature(submit)
        self._records: list[ToolItem] = []
        self.filled: M | None = None
        self.refused = False

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        schema = self._signature.schema
        nothing = {"type": "object", "properties": {}}
        return (
            ToolSpec("submit", "Hand in what the caller said.", schema),
            ToolSpec("refuse", "The caller does not want to answer.", nothing),
        )

    async def call(self, name: str, arguments: str) -> str:
        """See `Toolset`."""
        result = self._take(name, arguments)
        self._records.append(ToolItem(name, arguments, result))
        return result

    def records(self) -> list[ToolItem]:
        """The calls since it was last asked for them."""
        records, self._records = self._records, []
        return records

    def _take(self, name: str, arguments: str) -> str:
        match name:
            case "submit":
                try:
                    self.filled = self._signature.arguments(arguments)["form"]
                except BadArguments as error:
                    return f"Not accepted: {error}. Ask the caller."
                return "Accepted. Say nothing more."
            case "refuse":
                self.refused = True
                return "Accepted. Say nothing more."
            case _:
                return f"There is no tool {name!r}."
