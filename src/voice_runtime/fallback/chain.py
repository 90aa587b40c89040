"""Providers of one kind, in the order of preference, each with a breaker; and one attempt to get a stream of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from voice_runtime.errors import ProviderError
from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.fallback.breaker import Breaker, BreakerPolicy
from voice_runtime.tasks import TaskOwner, closing

__all__ = ["STALLED", "Attempt", "Chain", "Failure", "Link", "Providers", "StalledError", "Tell"]

P = TypeVar("P")
T = TypeVar("T")

STALLED = "stalled"
"""The reason of a provider that did not fail and did not answer."""

Tell: TypeAlias = Callable[[ProviderSwitched | ProviderRecovered], None]
"""Is told of a switch and of a recovery; `at` is left to whoever knows the clock of the call."""

Providers: TypeAlias = "Mapping[str, P] | Sequence[P]"
"""In the order of preference. Without names of their own they have those of their types, or of their functions."""

_AHEAD = 8  # pieces that an attempt may have ready before it has to wait
_END_SECONDS = 1.0  # that a stream may take to end when nobody wants the rest. After that it is left behind


@dataclass(frozen=True, slots=True)
class Link(Generic[P]):
    """One provider of a chain."""

    name: str
    provider: P
    breaker: Breaker = field(compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a link failed: `reason` is a short stable word."""

    name: str
    reason: str
    detail: str

    @classmethod
    def of(cls, name: str, error: Exception) -> Failure:
        if isinstance(error, ProviderError):
            return cls(name, error.reason, error.detail)
        if isinstance(error, StalledError):
            return cls(name, STALLED, str(error))
        return cls(name, "failed", str(error) or repr(error))

    def __str__(self) -> str:
        return f"{self.name}: {self.reason} {self.detail}".strip()


class StalledError(Exception):
    """Nothing came in time."""


class Chain(Generic[P]):
    """The links, and which of them to try."""

    def __init__(self, providers: Providers[P], policy: BreakerPolicy | None) -> None:
        if not providers:
            raise ValueError("a chain needs a provider")
        named = providers if isinstance(providers, Mapping) else _named(providers)
        self.links = tuple(Link(name, provider, Breaker(policy)) for name, provider in named.items())

    def order(self, unless: Callable[[Link[P]], bool] = lambda link: False) -> Iterator[Link[P]]:
        """The links to try, best first, each once. Those whose breaker is open come last: better than nothing at all.

        A link is asked for only when those before it have failed; those that `unless` says are left out.
        """
        refused = []
        for link in self.links:
            if unless(link):
                continue
            if link.breaker.allows(asyncio.get_running_loop().time()):
                yield link
            else:
                refused.append(link)
        yield from refused


def _named(providers: Sequence[P]) -> dict[str, P]:
    found: dict[str, P] = {}
    for provider in providers:
        name = getattr(provider, "__name__", type(provider).__name__)  # a function or a class; an object has none
        same = sum(known.split("#")[0] == name for known in found)
        found[f"{name}#{same + 1}" if same else name] = provider
    return found


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


_END = object()


class Attempt(Generic[T]):
    """A stream that is read in a task of its own, so that it can be given up at once, whatever it does about that."""

    def __init__(self, tasks: TaskOwner, name: str, begin: Callable[[], AsyncIterator[T]]) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue(_AHEAD)
        self._reading = tasks.start(name, self._read(begin))
        self._wanted = True
        self.gave = False
        """Whether anything came of it."""

    async def next(self, seconds: float | None, nothing: str) -> T | None:
        """The next piece, None at the end. Raises what the stream raises, `StalledError` when nothing comes in time."""
        if self._items.empty():
            try:
                async with asyncio.timeout(seconds):
                    item = await self._items.get()
            except TimeoutError:
                raise StalledError(f"{nothing} for {seconds:g} s") from None
        else:
            item = self._items.get_nowait()
        if item is _END:
            return None
        if isinstance(item, _Raised):
            raise item.error
        self.gave = True
        piece: T = item
        return piece

    def give_up(self) -> None:
        """It has failed: nobody waits for its end."""
        self._wanted = False
        self._reading.cancel()

    async def close(self) -> None:
        """Nobody wants the rest."""
        self._wanted = False
        if not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading}, timeout=_END_SECONDS)

    async def _read(self, begin: Callable[[], AsyncIterator[T]]) -> None:
        try:
            async with closing(begin()) as stream:
                async for item in stream:
                    await self._put(item)
                    if not self._wanted:  # it swallowed the cancellation, and would go on
                        break
        except Exception as error:  # whatever a provider raises belongs to the one who reads
            await self._put(_Raised(error))
        else:
            await self._put(_END)

    async def _put(self, item: object) -> None:
        if self._wanted:
            await self._items.put(item)
