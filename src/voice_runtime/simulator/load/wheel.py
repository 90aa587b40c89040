"""Who sends when: all lines on one absolute schedule of 20 ms, spread over it, and a record of our own lateness.

One timer for all lines: two hundred lines with a timer each would cost more than what they send.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from time import perf_counter
from typing import Final

from voice_runtime.audio.frames import FRAME_INTERVAL

__all__ = ["Wheel"]

_SLOTS: Final = 20
_STEP: Final = FRAME_INTERVAL / _SLOTS

Tick = Callable[[float], bool]
"""Called every 20 ms with the time; returns whether it wants to be called again."""


class Wheel:
    """Calls each member every 20 ms. Late, it calls as often as it should have: no frame is lost."""

    def __init__(self) -> None:
        self._slots: list[list[Tick]] = [[] for _ in range(_SLOTS)]
        self._loop = asyncio.get_running_loop()
        self._began = perf_counter()
        self._turn = 0
        self._handle: asyncio.TimerHandle | None = self._loop.call_later(_STEP, self._step)
        self.lateness = array("d")
        """Seconds that each step of 1 ms came after its time."""

    def join(self, tick: Tick) -> None:
        """Into the slot that has the fewest, so that lines do not tick in step."""
        min(self._slots, key=len).append(tick)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _step(self) -> None:
        now = perf_counter()
        while (due := self._began + self._turn * _STEP) <= now:
            self.lateness.append(now - due)
            slot = self._slots[self._turn % _SLOTS]
            self._turn += 1
            if slot:
                slot[:] = [tick for tick in slot if tick(perf_counter())]
        self._handle = self._loop.call_later(max(0.0, due - perf_counter()), self._step)
