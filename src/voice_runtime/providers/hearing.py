"""From the vendor's texts to the program's callbacks: 0.1's echo guard, and the first sign that the caller speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

from voice_runtime.clock import Clock, SystemClock

__all__ = ["LONG_SPEECH_S", "Hearing"]

log = logging.getLogger(__name__)

LONG_SPEECH_S = 10.0
"""A recogniser that had to listen to the agent for longer than this may have gone stale (0.1 saw Scribe do it)."""


class _Caller(Enum):
    QUIET = "quiet"
    TALKING = "talking"


class Hearing:
    """The callbacks of a recogniser and the rules for calling them.

    While `set_speaking(True)` texts are dropped, and so are committed texts until `echo_discard_s` after
    `set_speaking(False)`: what is heard then is mostly the agent's own voice coming back. `on_speech_started` is not
    held back, because a caller who talks over the agent is what a program wants to know; it is called with the first
    sign of an utterance. Programs that judge for themselves never call `set_speaking`, or pass `echo_discard_s=0`.
    """

    def __init__(self, *, echo_discard_s: float = 0.4, clock: Clock | None = None) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self._clock: Clock = clock or SystemClock()
        self._echo_discard_s = echo_discard_s
        self._speaking = False
        self._speaking_since = 0.0
        self._discard_until = 0.0
        self._caller = _Caller.QUIET

    def set_speaking(self, speaking: bool) -> None:
        """The agent's voice is (not) being played. From any thread."""
        now = self._clock.monotonic()
        was_speaking, self._speaking = self._speaking, speaking
        if speaking:
            if not was_speaking:
                self._speaking_since = now
            return
        self._discard_until = now + self._echo_discard_s
        if was_speaking and now - self._speaking_since > LONG_SPEECH_S:
            self._spoke_for_long()

    def _spoke_for_long(self) -> None:
        """The agent has just ended a long speech."""

    def _heard_partial(self, text: str) -> None:
        text = text.strip()
        if not text:
            return
        self._speech_started()
        if not self._speaking:
            self._call(self.on_recognizing, text)

    def _heard_final(self, text: str) -> None:
        text = text.strip()
        if text:
            self._speech_started()
        self._caller = _Caller.QUIET
        if text and not self._speaking and self._clock.monotonic() >= self._discard_until:
            self._call(self.on_committed, text)

    def _speech_started(self) -> None:
        if self._caller is _Caller.QUIET:
            self._caller = _Caller.TALKING
            self._call(self.on_speech_started)

    @property
    def _caller_is_talking(self) -> bool:
        return self._caller is _Caller.TALKING

    def _forget_utterance(self) -> None:
        """The connection that heard the beginning is gone."""
        self._caller = _Caller.QUIET

    def _call(self, callback: Callable[..., None] | None, *arguments: str) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception:  # the program's own code: its failure must not end the recognition
            log.exception("a speech recognition callback failed")
