"""Nobody waits in silence: a clock that runs while the caller waits for the agent and hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voice_runtime.session import VoiceSession

__all__ = ["SilenceWatch"]


class SilenceWatch:
    """Calls `on_silence` after `patience` seconds in which the caller waited and nothing sounded, and again, if nothing
    sounds, after as many as it returns.
    """

    def __init__(self, call: VoiceSession, patience: float, on_silence: Callable[[], float]) -> None:
        self._call = call
        self.patience = patience
        self._on_silence = on_silence
        self._left = patience  # of it, in this silence
        self._since = 0.0  # what was before does not count
        self._waits = asyncio.Event()
        self._pauses = 0

    def caller_waits(self, waits: bool) -> None:
        """Whether it is the agent who is to sound."""
        if not waits:
            self._waits.clear()
        elif not self._waits.is_set():
            self._since, self._left = self._call.clock.monotonic(), self.patience
            self._waits.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile it is the caller who is waited for."""
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            self._since, self._left = self._call.clock.monotonic(), self.patience

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._waits.wait()
            now = self._call.clock.monotonic()
            quiet, since = self._call.stream.quiet_seconds(), now - self._since
            if quiet < since:  # something has sounded
                self._left = self.patience
            left = self._left - min(quiet, since)
            if left > 0 or self._pauses:
                await asyncio.sleep(max(left, 0.1 if self._pauses else 0.01))
            else:
                self._since = now  # what is done about it takes its time, too
                self._left = self._on_silence()
