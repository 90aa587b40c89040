"""The voice of an agent on one call: it has deadlines, and what is wrong with it is known."""

from __future__ import annotations

from typing import cast

from voice_runtime.events import CallEvent, ProviderFailed, UtteranceAudible
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.session import VoiceSession
from voice_runtime.tts import StreamingTts

__all__ = ["HURRY_SECONDS", "Voice"]

HURRY_SECONDS = 0.8
"""While the voice makes no sound: how long until that is looked at again, and what is tried gets until it is over."""
_LOOKS = 4


class Voice:
    """Gives the call's voice deadlines: one that hangs fails, and says so (`ProviderFailed`)."""

    def __init__(self, call: VoiceSession) -> None:
        self._call = call
        self._fault = ""
        self._failed_at = 0.0
        self._looks = 0
        tts = call.tts
        if hasattr(tts, "synthesize") and not hasattr(tts, "preferred"):  # a chain has deadlines
            call.tts = FallbackTts([cast(StreamingTts, tts)])

    @property
    def fault(self) -> str:
        """What was wrong when it failed last."""
        return self._fault or "tts: no audio in time"

    def happened(self, event: CallEvent) -> None:
        match event:
            case ProviderFailed(kind="tts"):
                self._fault, self._failed_at = fault_of(event), self._call.clock.monotonic()
            case UtteranceAudible():
                self._fault, self._looks = "", 0
            case _:
                pass

    def is_gone(self) -> bool:
        """Asked while it makes no sound: whether it has failed, and what was tried since makes no sound either."""
        self._looks += 1
        failed = self._fault and self._call.clock.monotonic() - self._failed_at >= HURRY_SECONDS
        return bool(failed) or self._looks >= _LOOKS

    def has_ready(self, phrase: str) -> bool:
        """Whether that can be said whatever the voice does."""
        phrases = self._call.phrase_cache
        return phrases is not None and phrases.stream(self._call.tts, phrase) is not None


def fault_of(event: ProviderFailed) -> str:
    """For the end of the call: which provider it was, and how it failed."""
    return f"{event.kind} {event.provider}: {event.reason} {event.detail}".strip()
