"""Moves a line forward on an absolute schedule: a frame every 20 ms, and none lost when one is late."""

from __future__ import annotations

from typing import Protocol

from voice_runtime.audio.frames import FRAME_INTERVAL, SAMPLE_RATE
from voice_runtime.simulator.handset import Handset, Spoken
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.playout import Playout

__all__ = ["FarEnd", "LineClock"]


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
        self._operator = _Operator()
        self._far_end: FarEnd = self._operator
        self._connected = 0.0

    def now(self) -> float:
        """Seconds since the line opened."""
        return self._pace.now() - self._opened

    def connect(self, far_end: FarEnd) -> float:
        """From now on the person hears `far_end`. Returns when that is, in seconds on the line."""
        self.catch_up(self.now())
        self._far_end = far_end
        self._connected = len(self._handset.ear) / SAMPLE_RATE
        return self._connected

    def disconnect(self) -> None:
        """The far end is gone; until there is another one it is quiet."""
        self.catch_up(self.now())
        self._operator = _Operator()
        self._far_end = self._operator
        self._connected = len(self._handset.ear) / SAMPLE_RATE

    def queue(self, audio: bytes) -> None:
        """TwiML plays `audio`: heard while no far end is connected."""
        self.catch_up(self.now())
        self._operator.queue(audio)

    def catch_up(self, until: float) -> None:
        """Bring the ear up to `until`, seconds on the line."""
        self._handset.hear(self._far_end.play(until - self._connected))

    async def run(self) -> None:
        frame = 0
        while True:
            at = frame * FRAME_INTERVAL
            await self._pace.sleep_until(self._opened + at)
            self.catch_up(at)
            self._far_end.take(self._handset.tick(), at - self._connected)
            frame += 1
