"""What a caller hears when there is no place for the call: VOICE_OVERFLOW, as TwiML."""

from __future__ import annotations

import logging
from typing import Final

from voice_runtime.settings import Settings
from voice_runtime.wire import twiml

__all__ = ["Overflow"]

log = logging.getLogger(__name__)

QUEUE_PAUSE_SECONDS: Final = 10
BUSY: Final = "All our lines are busy. Please call again later."
HOLD: Final = "All our lines are busy. Please hold the line."


class Overflow:
    """Answers for calls that get no place. Nothing is kept of those who wait: each try is a new request."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.voice_overflow
        self._message = settings.voice_overflow_message
        self._attempts = settings.voice_overflow_attempts

    def answer(self, *, again: str, attempt: int, called: str) -> str:
        """TwiML. `again`: where a queued call asks once more, for the `attempt`-th time; `called`: our number."""
        match self._wanted:
            case "busy":
                return twiml.reject("busy")
            case "message":
                return twiml.render([self._said(BUSY), twiml.Hangup()])
            case "queue":
                if attempt >= self._attempts:  # it was answered: there is no busy tone any more
                    return twiml.render([twiml.Say(BUSY), twiml.Hangup()])
                next_try = twiml.Redirect(f"{again}?attempt={attempt + 1}")
                return twiml.render([self._said(HOLD), twiml.Pause(QUEUE_PAUSE_SECONDS), next_try])
            case number if number == called:  # it would come back here, and be sent on again, for ever
                log.error("VOICE_OVERFLOW is the number that was called: the caller hears a busy tone instead")
                return twiml.reject("busy")
            case number:
                # Without a callerId the callee sees the caller's own number ("TwiML Dial", callerId).
                return twiml.dial(number)

    def _said(self, otherwise: str) -> twiml.Say | twiml.Play:
        message = self._message or otherwise
        return twiml.Play(message) if message.startswith(("https://", "http://")) else twiml.Say(message)
