"""What counts as a brain, beside one: functions that return the whole answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeAlias, cast

from voice_runtime.llm import Brain, Part, Turn

__all__ = ["AnyBrain", "as_brain"]

AnyBrain: TypeAlias = Brain | Callable[[Turn], Awaitable[str]] | Callable[[Turn], str]
"""A brain; an `async def` that returns its answer; or a `def` that does, which runs in a thread."""


def as_brain(given: AnyBrain, threads: Executor) -> Brain:
    """One that streams. Raises `TypeError` for what is no brain: a plain generator, say, would hold up every call."""
    name = getattr(given, "__name__", type(given).__name__)
    if isinstance(given, type):
        raise TypeError(f"{name} is a class: a brain is one of it, {name}(...)")
    if not callable(given):
        raise TypeError(f"a {name} is no brain: that is an `async def` that is given a turn and yields text")
    called = given if inspect.isroutine(given) else type(given).__call__
    if inspect.isgeneratorfunction(given) or inspect.isgeneratorfunction(called):
        raise TypeError(f"{name} is a plain generator: make it `async def`")
    if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(called):
        return _Whole(cast(Callable[[Turn], Awaitable[str]], given))
    if inspect.isroutine(given) and not inspect.isasyncgenfunction(given):
        return _InThread(cast(Callable[[Turn], Any], given), threads)
    return cast(Brain, given)


class _Whole:
    def __init__(self, answer: Callable[[Turn], Awaitable[str]]) -> None:
        self._answer = answer

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        yield await self._answer(turn)


class _InThread:
    """Of a function that returns text; one that returns a stream, as some wrappers do, is let through."""

    def __init__(self, answer: Callable[[Turn], Any], threads: Executor) -> None:
        self._answer, self._threads = answer, threads

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, turn)
        if hasattr(answer, "__aiter__"):
            async for part in answer:
                yield part
        else:
            yield answer
