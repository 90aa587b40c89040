"""The tools of one turn, as a brain sees them. The runtime runs them, not the brain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["NO_TOOLS", "ToolSpec", "Toolset"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as models are told of it. `parameters`: JSON Schema of an object, without what the runtime injects."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Toolset(Protocol):
    """The tools of one turn. Calls may overlap; each is recorded in the history by whoever runs it."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]: ...

    async def call(self, name: str, arguments: str) -> str:
        """The result, as text for the model. `arguments`: the JSON object that the model wrote.

        Always answers: an unknown tool, bad arguments, a tool that raises or takes too long are results, too, which say
        so. It does not answer a turn that is not the caller's yet (preemptive thinking): it waits, and is cancelled
        when the turn is discarded.
        """
        ...


class _NoTools:
    specs: tuple[ToolSpec, ...] = ()

    async def call(self, name: str, arguments: str) -> str:
        return f"There is no tool {name!r}."


NO_TOOLS: Toolset = _NoTools()
