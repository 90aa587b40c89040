"""Simulated time: real time, or a multiple of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voice_runtime.clock import Clock, LoopClock, StandingTime, SystemClock

__all__ = ["Pace"]


class Pace:
    """Seconds as the people on the phone live them: `speed` of them pass in each second of `clock`.

    Without a `clock`, it is the machine's, or that of a loop on virtual time. With a manual clock, pass a `sleep` that
    advances it.
    """

    def __init__(
        self, speed: float = 1.0, *, clock: Clock | None = None, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        if speed <= 0:
            raise ValueError("time passes: speed must be more than 0")
        self.speed = speed
        self._clock = clock or _time_of_the_loop()
        self._sleep = sleep or asyncio.sleep
        self._start, self._wall = self._clock.monotonic(), self._clock.wall()

    def now(self) -> float:
        """Simulated seconds since this pace was made."""
        return (self._clock.monotonic() - self._start) * self.speed

    def monotonic(self) -> float:
        """`now`: a pace is a clock, of the time that people live in."""
        return self.now()

    def wall(self) -> float:
        return self._wall + self.now()

    async def sleep(self, seconds: float) -> None:
        await self._sleep(max(0.0, seconds) / self.speed)

    async def sleep_until(self, at: float) -> None:
        """Wait until `now()` is `at`; late, this still lets everybody else run once."""
        await self.sleep(at - self.now())


def _time_of_the_loop() -> Clock:
    machine = SystemClock()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return machine
    # Sleeping goes by the loop's time: another clock beside it would never agree with it.
    return LoopClock(loop, machine.wall()) if isinstance(loop, StandingTime) else machine
