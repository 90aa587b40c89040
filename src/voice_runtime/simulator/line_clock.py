"""Moves a line forward on an absolute schedule: a frame every 20 ms, and none lost when one is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from voice_runtime.audio.frames import FRAME_INTERVAL, SAMPLE_RATE
from voice_runtime.simulator.handset import Handset, Spoken
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.playout import Playout

__all__ = ["FarEnd", "LineClock", "Listener"]

Listener = Callable[[Spoken, float], bool]
"""Gets the person's next 20 ms and when they begin, in seconds on the line; returns True when it has heard enough."""


class FarEnd(Protocol):
    """Whoever the line is connected to. `at`: seconds since it was connected."""

    def play(self, at: float) -> bytes:
        """What it sounded like from where `play` last stopped until `at`."""

    def take(self, spoken: Spoken, at: float) -> None:
        """The person's next 20 ms, which begin at `at`."""


class _Operator:
    """Nobody there: silence, and what TwiML has played."""

    def __init__(self) -> None:
        self._playout = Playout("")

    def queue(self, audio: bytes) -> None:
        self._playout.queue(audio)

    def hush(self) -> None:
        self._playout.abandon()

    def play(self, at: float) -> bytes:
        return self._playout.play(at).audio

    def take(self, spoken: Spoken, at: float) -> None:
        pass


class LineClock:
    """Time on one line. `run` until the call ends; connect and disconnect far ends meanwhile."""

    def __init__(self, handset: Handset, pace: Pace) -> None:
        self._handset = handset
        self._pace = pace
        self._opened = pace.now()
        self._frame = 0  # the next to be taken from the person
        self._operator = _Operator()
        self._far_end: FarEnd = self._operator
        self._connected = 0.0
        self._listeners: dict[Listener, asyncio.Event] = {}

    def now(self) -> float:
        """Seconds since the line opened."""
        return self._pace.now() - self._opened

    def connect(self, far_end: FarEnd) -> float:
        """From the next frame on the person hears `far_end`. Returns when that is, in seconds on the line."""
        while self._frame * FRAME_INTERVAL < self.now() - 1e-6:
            self._advance()  # what is late was said before, to whoever was there
        self.catch_up(self._frame * FRAME_INTERVAL)
        self._far_end = far_end
        self._connected = len(self._handset.ear) / SAMPLE_RATE
        return self._connected

    def disconnect(self, far_end: FarEnd | None = None) -> None:
        """The far end (or only that one) is gone; until there is another one it is quiet."""
        if far_end is not None and far_end is not self._far_end:
            return
        self._operator = _Operator()
        self.connect(self._operator)

    def queue(self, audio: bytes) -> None:
        """TwiML plays `audio`: heard while no far end is connected."""
        self.catch_up(self.now())
        self._operator.queue(audio)

    def hush(self) -> None:
        """What was queued and has not been heard is not heard."""
        self.catch_up(self.now())
        self._operator.hush()

    async def listen(self, listener: Listener) -> None:
        """Have `listener` hear the person, beside the far end, until it has heard enough."""
        enough = self._listeners[listener] = asyncio.Event()
        try:
            await enough.wait()
        finally:
            del self._listeners[listener]

    def catch_up(self, until: float) -> None:
        """Bring the ear up to `until`, seconds on the line."""
        self._handset.hear(self._far_end.play(until - self._connected))

    async def run(self) -> None:
        while True:
            await self._pace.sleep_until(self._opened + self._frame * FRAME_INTERVAL)
            self._advance()

    def _advance(self) -> None:
        at = self._frame * FRAME_INTERVAL
        self.catch_up(at)
        spoken = self._handset.tick()
        self._frame += 1
        if at > self._connected - 1e-6:  # a far end begins with the next frame
            self._far_end.take(spoken, at - self._connected)
        for listener, enough in self._listeners.items():
            if not enough.is_set() and listener(spoken, at):
                enough.set()
