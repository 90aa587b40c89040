"""When to leave a provider alone, and when to try it again: one breaker for each, shared by all calls. Time comes in.

CLOSED ──failures in a row──▶ OPEN ──cool-down over, somebody asks──▶ HALF_OPEN (one probe)
  ▲                            ▲  └──────────── success of a call that began before ─────┐   │
  │                            └────── failure: the next cool-down is longer ────────────┼───┤
  └────────────────────────────────────────── success ◀──────────────────────────────────┴───┘
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

__all__ = ["Breaker", "BreakerPolicy", "BreakerState"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` in a row, of whichever calls, open it for `cooldown` seconds; each failed probe makes that `growth`
    times as long, up to `longest`.
    """

    failures: int = 3
    cooldown: float = 15.0
    growth: float = 2.0
    longest: float = 300.0


class BreakerState(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Of one provider. One call's bad luck does not open it: a success in between, of any call, starts the count anew.

    Whoever was let through by `allows` tells how it went, by one of `succeeded`, `failed`, `abandoned`.
    """

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._failures = 0
        self._cooldown = self._policy.cooldown
        self._opened = 0.0
        self.state = BreakerState.CLOSED

    def allows(self, now: float) -> bool:
        """Whether it may be used now. After a cool-down, True is a probe: False for all others until it is over."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return False
            case BreakerState.OPEN:
                if now - self._opened < self._cooldown:
                    return False
                self.state = BreakerState.HALF_OPEN
                return True
            case _:
                assert_never(self.state)

    def succeeded(self) -> bool:
        """It works. Whether that is news."""
        recovered = self.state is not BreakerState.CLOSED
        self.state, self._failures, self._cooldown = BreakerState.CLOSED, 0, self._policy.cooldown
        return recovered

    def failed(self, now: float) -> None:
        """It does not."""
        match self.state:
            case BreakerState.CLOSED:
                self._failures += 1
                if self._failures >= self._policy.failures:
                    self.state, self._opened = BreakerState.OPEN, now
            case BreakerState.HALF_OPEN:
                self._cooldown = min(self._cooldown * self._policy.growth, self._policy.longest)
                self.state, self._opened = BreakerState.OPEN, now
            case BreakerState.OPEN:
                pass  # used for want of a better one, or since before: known
            case _:
                assert_never(self.state)

    def abandoned(self) -> None:
        """Nobody wanted the answer any more: nothing is known. The next one who asks is the probe."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
