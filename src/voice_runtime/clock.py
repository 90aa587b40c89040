"""Where time comes from. Anything that waits takes a `Clock`, so that tests can own the time."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Monotonic seconds for durations, wall seconds (Unix) for timestamps."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`; a clock never goes back."""
        if seconds < 0:
            raise ValueError("a clock never goes back")
        self._now += seconds
