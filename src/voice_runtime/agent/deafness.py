"""A caller who speaks and is not understood: there was a voice, and no words came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_runtime.turns import events as on

__all__ = ["WORDS_SECONDS", "Deafness"]

WORDS_SECONDS = 2.5
"""How long after the end of a voice its words may take."""
SHORTEST_SECONDS = 0.4
"""Of a voice that a detector heard: less may be a cough."""


class Deafness:
    """Calls `on_unheard(times)` when a voice has ended and no words came of it in time; `times`: so often in a row."""

    def __init__(self, on_unheard: Callable[[int], None]) -> None:
        self._on_unheard = on_unheard
        self._times = 0
        self._voice = False  # somebody speaks, without a word so far
        self._detected = False  # by a voice detector, and not by the recogniser
        self._since = 0.0
        self._waiting: asyncio.TimerHandle | None = None

    def told(self, event: on.Event) -> None:
        """What the floor is told of, too."""
        match event:
            case on.VoiceStarted(voiced, detected):
                self.close()
                self._voice, self._detected = True, detected
                self._since = asyncio.get_running_loop().time() - voiced
            case on.VoiceStopped(silence):
                lasted = asyncio.get_running_loop().time() - self._since - silence
                if self._voice and (lasted >= SHORTEST_SECONDS or not self._detected):
                    left = max(WORDS_SECONDS - silence, 0.0)
                    self._waiting = asyncio.get_running_loop().call_later(left, self._unheard)
                self._voice = False
            case on.PartialHeard(text) | on.FinalHeard(text) if text.strip():
                self.close()
                self._times, self._voice = 0, False
            case on.KeyPressed():
                self.close()
                self._times = 0
            case _:
                pass

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _unheard(self) -> None:
        self._waiting = None
        self._times += 1
        self._on_unheard(self._times)
