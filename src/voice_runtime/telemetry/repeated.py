"""Warnings that a stranger can cause at will: one line for a reason in so long, with the number of its like."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

__all__ = ["Repeated"]

INTERVAL_SECONDS: Final = 10.0
MAX_REASONS: Final = 32
"""Reasons told apart in one interval: a stranger may be able to choose their words."""
OTHER: Final = "for other reasons"


class Repeated:
    """Logs the first of its kind at once, and how many more there were when the interval is over. For one loop."""

    def __init__(self, log: logging.Logger, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._log = log
        self._interval = interval_seconds
        self._more: dict[str, int] = {}

    def warning(self, what: str, reason: str) -> None:
        """`what` names a kind of event in our own words."""
        line = f"{what}: {reason}"
        if line not in self._more and len(self._more) >= MAX_REASONS:
            line = f"{what}: {OTHER}"
        if line in self._more:
            self._more[line] += 1
            return
        self._more[line] = 0
        self._log.warning("%s", line)
        asyncio.get_running_loop().call_later(self._interval, self._over, line)

    def _over(self, line: str) -> None:
        if more := self._more.pop(line):
            self._log.warning("%s (%d times more in %g s)", line, more, self._interval)
