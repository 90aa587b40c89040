"""Where time comes from. Anything that waits takes a `Clock`, so that tests can own the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Clock", "LoopClock", "ManualClock", "StandingTime", "SystemClock", "time_held", "time_lent"]


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


class LoopClock:
    """The time of an event loop: the machine's on an ordinary one, simulated on a simulated one. From any thread.

    `wall`: what the Unix time is at the loop's time 0.
    """

    def __init__(self, loop: AbstractEventLoop, wall: float = 0.0) -> None:
        self.monotonic = loop.time
        self._wall = wall

    def wall(self) -> float:
        return self._wall + self.monotonic()


@runtime_checkable
class StandingTime(Protocol):
    """A loop whose time is simulated: it must not pass while somebody works for the loop outside of it.

    Both are called on the loop. Time stands still while there is more held than lent.
    """

    def hold_time(self, who: str) -> None: ...
    def release_time(self, who: str) -> None: ...


@contextmanager
def time_held(loop: AbstractEventLoop, who: str) -> Iterator[None]:
    """Around waiting for a thread: simulated time stands still while the thread works. Other loops have real time."""
    if not isinstance(loop, StandingTime):
        yield
        return
    loop.hold_time(who)
    try:
        yield
    finally:
        loop.release_time(who)


@contextmanager
def time_lent(loop: AbstractEventLoop, who: str) -> Iterator[None]:
    """Around what the loop does for such a thread, which waits for it: meanwhile simulated time passes."""
    if not isinstance(loop, StandingTime):
        yield
        return
    loop.release_time(who)
    try:
        yield
    finally:
        loop.hold_time(who)
