"""Who looks on at every call: told what happens on it, and how it ended. None of them can hold up or fail a call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voice_runtime.clock import Clock
from voice_runtime.events import CallConnected, CallEnd, CallEnded, CallEvent
from voice_runtime.transport import CallInfo

__all__ = ["CallObserver", "CallTotals", "Observe", "Onlookers"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallTotals:
    """What is counted over a whole call. `inbound_dropped`: frames of the caller's; the others are bytes of mu-law.

    `stt_seconds`: for how long a recogniser was given the call to hear.
    """

    seconds: float
    inbound_dropped: int
    outbound_dropped_bytes: int
    late_bytes: int
    stt_seconds: float


class CallObserver(Protocol):
    """Looks on at one call, on its loop; it must not block."""

    def happened(self, event: CallEvent) -> None: ...

    def over(self, end: CallEnd, totals: CallTotals) -> None:
        """Nothing more happens: everything that the call owned has ended."""


Observe: TypeAlias = Callable[[CallInfo, Clock], CallObserver | None]
"""Called when media has begun, in the task that carries the call; None: not interested in this one."""


class Onlookers:
    """All who look on at one call. What one of them raises is logged."""

    def __init__(self, observers: Sequence[Observe]) -> None:
        self._observers = observers
        self._looking: list[CallObserver] = []
        self.end: CallEnd | None = None
        """How the call ended; None while it lives."""

    def begin(self, info: CallInfo, clock: Clock) -> None:
        """Media flows."""
        for observe in self._observers:
            try:
                observer = observe(info, clock)
            except Exception:  # the call matters more than what is written about it
                log.exception("an observer failed as the call began")
            else:
                self._looking += [] if observer is None else [observer]

    def happened(self, event: CallEvent) -> None:
        if isinstance(event, CallEnded):
            self.end = self.end or event.end
        elif isinstance(event, CallConnected) and self.end is not None:
            return  # a program of 0.1 has the session carry its next call already
        for observer in tuple(self._looking):
            try:
                observer.happened(event)
            except Exception:  # likewise; its end is told all the same
                log.exception("an observer failed on %s", type(event).__name__)

    def over(self, end: CallEnd, totals: CallTotals) -> None:
        while self._looking:
            try:
                self._looking.pop().over(end, totals)
            except Exception:  # likewise
                log.exception("an observer failed at the end of the call")
