"""The wake-ups of one machine: one for each purpose, the newest counts."""

from __future__ import annotations

from voice_runtime.turns.commands import ScheduleWakeup, Timer

__all__ = ["Timers"]


class Timers:
    """Hands out tokens, and knows which are still good."""

    def __init__(self) -> None:
        self._tokens: dict[Timer, int] = {}
        self._last = 0

    def set(self, timer: Timer, delay: float) -> ScheduleWakeup:
        self._last += 1
        self._tokens[timer] = self._last
        return ScheduleWakeup(timer, max(delay, 0.0), self._last)

    def forget(self, *timers: Timer) -> None:
        """Their wake-ups will mean nothing."""
        for timer in timers:
            self._tokens.pop(timer, None)

    def rung(self, token: int) -> Timer | None:
        """What the token was for; None when it is out of date. Each is good once."""
        timer = next((timer for timer, good in self._tokens.items() if good == token), None)
        if timer is not None:
            del self._tokens[timer]
        return timer
