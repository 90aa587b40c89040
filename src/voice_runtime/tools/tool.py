"""`@tool`: a function that a model may have called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MethodType
from typing import Any, overload

from voice_runtime.tools.contract import ToolSpec
from voice_runtime.tools.signature import Signature

__all__ = ["OnBargeIn", "Tool", "tool"]


class OnBargeIn(StrEnum):
    """What becomes of a tool that runs when the caller takes the floor."""

    FINISH = "finish"
    """It goes on to its end, once, and its result is known to the next turn: for whatever changes anything."""
    CANCEL = "cancel"
    """It is cancelled: for tools that only read. A plain `def` cannot be stopped; its result is dropped."""


@dataclass(frozen=True, eq=False)
class Tool:
    """A function, sync or async, and how it is to be used. It can still be called as the function that it is.

    `timeout`: seconds. `holding`: said when the caller has heard nothing for `holding_after` seconds since the tool was
    begun; None: the agent's own phrase; "": nothing. `result_instruction`: given to the model with the result, and not
    remembered. `status`: what the tool is doing, for a screen, with its arguments: "Looking up order {order}".
    `silent`: what it does is an answer, and the model need not say anything; else an answer without a word has failed.
    """

    function: Callable[..., Any]
    name: str = ""
    description: str = ""
    timeout: float = 10.0
    holding: str | None = None
    holding_after: float = 1.0
    result_instruction: str = ""
    status: str = ""
    on_barge_in: OnBargeIn = OnBargeIn.FINISH
    silent: bool = False
    _signatures: dict[frozenset[type], Signature] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.holding_after < 0:
            raise ValueError("timeout must be more than 0, and holding_after 0 or more")
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", ""))
        object.__setattr__(self, "on_barge_in", OnBargeIn(self.on_barge_in))
        if not self.name:
            raise ValueError(f"{self.function!r} has no name: Tool(function, name=...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, instance: object | None, owner: type) -> Tool:
        """The tool of a method is bound as the method would be."""
        if instance is None:
            return self
        return replace(self, function=MethodType(self.function, instance), _signatures={})

    @property
    def is_async(self) -> bool:
        called = self.function if inspect.isroutine(self.function) else type(self.function).__call__
        return inspect.iscoroutinefunction(called)

    def signature(self, given: frozenset[type] = frozenset()) -> Signature:
        """What it takes, when things of these types are injected. Raises `TypeError` when it cannot be a tool."""
        if given not in self._signatures:
            self._signatures[given] = Signature(self.function, given)
        return self._signatures[given]

    def spec(self, given: frozenset[type] = frozenset()) -> ToolSpec:
        """The tool as models are told of it."""
        signature = self.signature(given)
        return ToolSpec(self.name, self.description or signature.description, signature.schema)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    timeout: float = 10.0,
    holding: str | None = None,
    holding_after: float = 1.0,
    result_instruction: str = "",
    status: str = "",
    on_barge_in: OnBargeIn | str = OnBargeIn.FINISH,
    silent: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """`@tool`, or `@tool(timeout=3.0)`: makes a `Tool` of a function. The options are those of `Tool`."""
    if function is not None:
        return Tool(function)
    return lambda decorated: Tool(decorated, **options)
