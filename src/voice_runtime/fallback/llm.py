"""Brains in a chain: when one fails or hangs, the next one answers; within an answer, it goes on where that ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from voice_runtime.errors import BrainError
from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.fallback.breaker import BreakerPolicy
from voice_runtime.fallback.chain import Attempt, Chain, Failure, Providers, StalledError
from voice_runtime.fallback.continuation import Continuation
from voice_runtime.llm import AgentItem, Brain, Part, ToolItem, Turn
from voice_runtime.tasks import TaskOwner
from voice_runtime.tools import Toolset, ToolSpec

__all__ = ["FallbackBrain"]


class FallbackBrain:
    """`Agent(FallbackBrain([first, second]))`: a `Brain`, for all calls of an agent.

    A brain has failed when it raises, when it ends without a word or a tool, and when nothing comes of it within
    `first_token` seconds, or within `next_token` seconds of the last piece. The time of tools that the runtime runs
    does not count. The next one is told what was said and done already (`Turn.begun`); words that it says again all
    the same are left out, and a tool that was called is not called again: it gets the result.
    """

    def __init__(
        self,
        brains: Providers[Brain],
        *,
        first_token: float = 2.5,
        next_token: float = 2.5,
        breaker: BreakerPolicy | None = None,
    ) -> None:
        self._chain = Chain(brains, breaker)
        self._first, self._next = first_token, next_token
        self._tasks = TaskOwner("fallback_brain")

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        """Raises `BrainError` when no brain is left."""
        loop = asyncio.get_running_loop()
        tools = _Tools(turn.tools)
        said = ""
        failures: list[Failure] = []
        error: Exception | None = None
        lost = 0.0
        for link in self._chain.order():
            if failures:
                last = failures[-1]
                yield ProviderSwitched(0.0, "llm", last.name, link.name, last.reason, last.detail, lost, said)
            begun = (*tools.used, *((AgentItem(said.rstrip()),) if said else ()))
            given = replace(turn, begun=(*turn.begun, *begun), tools=tools.again())
            attempt: Attempt[Part] = Attempt(self._tasks, link.name, partial(link.provider, given))
            text = Continuation(said)
            since = loop.time()
            try:
                while (part := await self._part(attempt, tools)) is not None:
                    since = loop.time()
                    if isinstance(part, ToolItem):
                        tools.used.append(part)
                    if not isinstance(part, str):
                        yield part
                    elif new := text.feed(part):
                        said += new
                        yield new
                if new := text.finish():
                    said += new
                    yield new
                if not said.strip() and not tools.used:
                    raise BrainError(link.name, "empty", "an answer without a word")
            except Exception as failed:  # whatever it is: nothing more comes of this brain
                attempt.give_up()
                link.breaker.failed(loop.time())
                lost = (loop.time() - since) * 1000
                failures.append(Failure.of(link.name, failed))
                error = failed
            except BaseException:  # nobody wants the rest
                if attempt.gave:
                    link.breaker.succeeded()
                else:
                    link.breaker.abandoned()
                await attempt.close()
                raise
            else:
                if link.breaker.succeeded():
                    yield ProviderRecovered(0.0, "llm", link.name)
                return
        *before, last = failures
        detail = "; ".join([last.detail, *(f"before it {failure}" for failure in before)])
        raise BrainError(last.name, last.reason, detail) from error

    async def _part(self, attempt: Attempt[Part], tools: _Tools) -> Part | None:
        """The next piece, None at the end. While tools run, and for as long after as it may take, none is due."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                return await attempt.next(self._next if attempt.gave else self._first, "no words")
            except StalledError:
                if not tools.busy_since(began):
                    raise

    async def aclose(self) -> None:
        """Close the brains that can be closed."""
        await self._tasks.close()
        for link in self._chain.links:
            close = getattr(link.provider, "aclose", None)  # optional in the contract
            if close is not None:
                await close()


class _Tools:
    """The tools of the turn, as the brains of a chain share them: what one has had done, the next one gets told."""

    def __init__(self, tools: Toolset) -> None:
        self._tools = tools
        self._running = 0
        self._ended = 0.0
        self._results: dict[tuple[str, str], deque[str]] = {}
        self.used: list[ToolItem] = []

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._tools.specs

    def again(self) -> _Tools:
        """For the next brain: the same calls have the results that they had."""
        self._results = {}
        for item in self.used:
            self._results.setdefault((item.name, item.arguments), deque()).append(item.result)
        return self

    def busy_since(self, moment: float) -> bool:
        """Whether a tool runs, or has run since then."""
        return self._running > 0 or self._ended > moment

    async def call(self, name: str, arguments: str) -> str:
        if results := self._results.get((name, arguments)):
            return results.popleft()
        self._running += 1
        try:
            result = await self._tools.call(name, arguments)
        finally:
            self._running -= 1
            self._ended = asyncio.get_running_loop().time()
        self.used.append(ToolItem(name, arguments, result))
        return result
