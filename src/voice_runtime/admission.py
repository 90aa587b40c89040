"""Who gets a place: calls are counted from the webhook on, and a process that is full, late or draining takes none."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from voice_runtime.errors import CallLimitError
from voice_runtime.telemetry.loop_lag import LoopLag

__all__ = ["Load", "Places", "Readiness"]


class Readiness(StrEnum):
    """Whether a new call would be taken, and why not."""

    READY = "ready"
    FULL = "full"
    LAGGING = "lagging"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Load:
    """How busy this process is. `calls` have a place; `promised` of them have no media yet. Lag in ms."""

    status: Readiness
    calls: int
    promised: int
    max_calls: int
    loop_lag_ms: float
    loop_lag_worst_ms: float


class Places:
    """The places for calls, `max_calls` of them. Every method is atomic: none awaits. For one loop.

    A call has one place, however often its webhook is sent again and however many sockets it opens.
    """

    def __init__(self, max_calls: int, lag: LoopLag) -> None:
        self.max_calls = max_calls
        self.lag = lag
        self.draining = False
        self._taken = 0
        self._claims: Counter[str] = Counter()
        self._expected: dict[str, asyncio.TimerHandle] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def taken(self) -> int:
        return self._taken

    @property
    def promised(self) -> int:
        """Places whose media has not come yet."""
        return len(self._expected)

    @property
    def readiness(self) -> Readiness:
        if self.draining:
            return Readiness.DRAINING
        if self._taken >= self.max_calls:
            return Readiness.FULL
        return Readiness.LAGGING if self.lag.overloaded else Readiness.READY

    @property
    def load(self) -> Load:
        lag = self.lag
        return Load(
            self.readiness,
            self._taken,
            self.promised,
            self.max_calls,
            round(lag.average_ms, 1),
            round(lag.worst_ms, 1),
        )

    def take(self, call_sid: str | None = None) -> None:
        """Take a place for a call; one that has a place already keeps it. Raises `CallLimitError`. `release` it."""
        if not call_sid or not self._claims[call_sid]:
            match self.readiness:
                case Readiness.FULL:
                    raise CallLimitError(self.max_calls)
                case Readiness.DRAINING:
                    raise CallLimitError(0)
                case Readiness.LAGGING:
                    raise CallLimitError(self.max_calls, lag_ms=self.lag.average_ms)
                case Readiness.READY:
                    self._taken += 1
                    self._empty.clear()
        if call_sid:
            self._claims[call_sid] += 1

    def release(self, call_sid: str | None = None) -> None:
        """Give back what `take` or `admit` took."""
        if call_sid:
            self._claims[call_sid] -= 1
            if self._claims[call_sid]:
                return
            del self._claims[call_sid]
        self._taken -= 1
        if not self._taken:
            self._empty.set()

    def expect(self, call_sid: str, seconds: float) -> None:
        """Keep a place for a call whose media will come within `seconds`: what was promised holds, also in a drain.

        Raises `CallLimitError` when there is none. A second promise for the same call only renews the first.
        """
        if (promised := self._expected.pop(call_sid, None)) is not None:
            promised.cancel()
        else:
            self.take(call_sid)
        self._expected[call_sid] = asyncio.get_running_loop().call_later(seconds, self.forget, call_sid)

    def forget(self, call_sid: str) -> None:
        """The expected call does not come."""
        if (promised := self._expected.pop(call_sid, None)) is not None:
            promised.cancel()
            self.release(call_sid)

    def forget_all(self) -> None:
        for call_sid in list(self._expected):
            self.forget(call_sid)

    def admit(self, call_sid: str | None) -> None:
        """The media of a call is here: it gets the place that was kept for it, else a new one, or `CallLimitError`."""
        if (promised := self._expected.pop(call_sid or "", None)) is not None:
            promised.cancel()
        else:
            self.take(call_sid)

    async def empty(self, seconds: float) -> bool:
        """Wait until no call is here any more, at most so long. False when there still is one."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
