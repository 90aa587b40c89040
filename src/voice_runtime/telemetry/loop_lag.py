"""How late the event loop is with its work: the one number that tells whether another call would hurt the live ones."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Final

from voice_runtime.clock import Clock, StandingTime, SystemClock

__all__ = ["LoopLag"]

TURN_SECONDS: Final = 0.1
"""How often the loop is asked to turn."""
SMOOTHING_SECONDS: Final = 2.0
"""One stall of 0.7 s does not reach an average of 250 ms; a loop that is always 0.5 s late does in 1.4 s."""
WINDOW_TURNS: Final = 100
REOPEN: Final = 0.5
"""Overload ends at this part of the limit: one limit for both would let calls in and out by turns."""


class LoopLag:
    """The lag of one event loop, measured while `run` runs on it. All properties may be read from any thread.

    `limit_ms`: with an average above it the loop is `overloaded`, until it is below half of that; 0: it never is.
    `clock` is the machine's own, for real lag: the clock of a simulated call says nothing about this process.
    """

    def __init__(self, *, limit_ms: float = 0.0, clock: Clock | None = None) -> None:
        self._limit_ms = limit_ms
        self._now = (clock or SystemClock()).monotonic
        self._turned_at: float | None = None
        self._average = 0.0
        self._late: deque[float] = deque(maxlen=WINDOW_TURNS)
        self._overloaded = False

    async def run(self) -> None:
        """Measure until cancelled. A loop on simulated time has no lag: it waits for its threads."""
        if isinstance(asyncio.get_running_loop(), StandingTime):
            return
        self._turned_at = self._now()
        try:
            while True:
                await asyncio.sleep(TURN_SECONDS)
                self.turned()
        finally:
            self._turned_at = None

    def turned(self) -> None:
        """The loop got round to us, `TURN_SECONDS` and its lag after the last time."""
        if self._turned_at is not None:
            self._average = self._with_now()
            self._late.append(self._overdue())
        self._turned_at = self._now()

    @property
    def overdue_ms(self) -> float:
        """For how long the loop should have turned by now: more than a moment, and something holds it up."""
        return self._overdue() * 1000

    @property
    def average_ms(self) -> float:
        """Over the last two seconds or so, the turn that has not come yet included."""
        return (self._with_now() if self._overdue() else self._average) * 1000

    @property
    def worst_ms(self) -> float:
        """The worst of the last ten seconds, or of now."""
        return max((*self._late, self._overdue())) * 1000

    @property
    def overloaded(self) -> bool:
        if self._limit_ms:
            self._overloaded = self.average_ms > self._limit_ms * (REOPEN if self._overloaded else 1.0)
        return self._overloaded

    def _overdue(self) -> float:
        return 0.0 if self._turned_at is None else max(0.0, self._now() - self._turned_at - TURN_SECONDS)

    def _with_now(self) -> float:
        if self._turned_at is None:
            return self._average
        # By time and not by turns: a loop that hangs turns seldom, and would hide its worst moments in one sample.
        weight = 1.0 - math.exp((self._turned_at - self._now()) / SMOOTHING_SECONDS)
        return self._average + weight * (self._overdue() - self._average)
