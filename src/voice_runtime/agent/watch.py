"""Nobody waits in silence: a clock that runs while the caller waits for the agent and hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_runtime.session import VoiceSession

__all__ = ["SilenceWatch"]


class SilenceWatch:
    """Calls `on_silence` after each `patience` seconds in which the caller waited and nothing sounded."""

    def __init__(self, call: VoiceSession, patience: float, on_silence: Callable[[], None]) -> None:
        self._call = call
        self._patience = patience
        self._on_silence = on_silence
        self._since = 0.0  # what was before does not count
        self._waits = asyncio.Event()

    def caller_waits(self, waits: bool) -> None:
        """Whether it is the agent who is to sound."""
        if not waits:
            self._waits.clear()
        elif not self._waits.is_set():
            self._since = self._call.clock.monotonic()
            self._waits.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._waits.wait()
            now = self._call.clock.monotonic()
            left = self._patience - min(self._call.stream.quiet_seconds(), now - self._since)
            if left > 0:
                await asyncio.sleep(max(left, 0.01))
            else:
                self._since = now  # what is done about it takes its time, too
                self._on_silence()
