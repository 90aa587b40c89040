"""A brain that pauses in mid-sentence: what there is of it is said when the caller would hear nothing otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from voice_runtime.session import VoiceSession

__all__ = ["Pauses"]

IDLE_SECONDS = 0.3
"""A brain that writes nothing for so long pauses."""
AHEAD_SECONDS = 0.3
"""With less than this left to be played, the next words are made: a voice takes a while."""


class Pauses:
    """Calls `speak_up` once in each pause of the text, as soon as the caller has nothing left to hear.

    A context manager: when it is left, there will be no more text.
    """

    def __init__(self, call: VoiceSession, speak_up: Callable[[], None]) -> None:
        self._call = call
        self._speak_up = speak_up
        self._fed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def fed(self) -> None:
        """There is more text."""
        self._fed_at = self._call.clock.monotonic()
        if self._timer is None:
            self._wait(IDLE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.01), self._due)

    def _due(self) -> None:
        self._timer = None
        idle_left = IDLE_SECONDS - (self._call.clock.monotonic() - self._fed_at)
        left = max(idle_left, self._call.stream.unplayed_seconds() - AHEAD_SECONDS)
        if left > 0.001:
            self._wait(left)
        else:
            self._speak_up()
