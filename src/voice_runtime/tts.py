"""Speech synthesis: what a provider is, and how one is chosen by name."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any, Protocol, TypeAlias

from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.registry import TTS
from voice_runtime.turns.heard import WordTime

__all__ = [
    "SpeechPart",
    "SpeechSink",
    "StreamingTts",
    "TimedTts",
    "TtsProvider",
    "TtsWithFallback",
    "create_tts",
    "sound_key",
    "synthesis_of",
]

SpeechPart: TypeAlias = bytes | WordTime
"""Mu-law audio, or when a word of it is over."""


class SpeechSink(Protocol):
    """The part of a session that blocking synthesis speaks into; all of it may be called from any thread."""

    @property
    def is_disconnected(self) -> bool: ...
    def put_outbound_sync(self, data: bytes) -> None: ...
    def tap_agent(self, data: bytes) -> None: ...
    def send_mark_and_wait(self, name: str, timeout: float = ...) -> object: ...


class TtsProvider(Protocol):
    """0.1's synthesis: `speak` blocks until the caller has heard it, and is called from a thread, never from the loop.

    Returns {"last_spoken": text} and, where they apply, "interrupted", "call_disconnected" or "error".
    """

    on_error: Callable[[str], None] | None

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]: ...


class StreamingTts(Protocol):
    """Synthesis as a stream: what `VoiceSession.say` uses. Every provider of this package is both.

    `synthesize` yields mu-law audio (8 kHz, mono, bytes of any length), the first chunk as soon as there is one, and
    raises `TtsError` when synthesis fails. Closing the iterator (`aclose`) stops the work at the vendor at once.

    A voice whose phrases may be kept (`PhraseCache`) also has a `sound_key`: hashable, and made of everything but the
    text that changes the sound: provider, model, voice, rate, ...
    """

    def synthesize(self, text: str) -> AsyncIterator[bytes]: ...


class TtsWithFallback(StreamingTts, Protocol):
    """Synthesis that goes on with another voice when one fails, and can say so."""

    @property
    def preferred(self) -> StreamingTts:
        """The voice that speaks when nothing fails: phrases are kept in it."""
        ...

    def synthesize_told(
        self, text: str, tell: Callable[[ProviderSwitched | ProviderRecovered], None]
    ) -> AsyncIterator[SpeechPart]:
        """The same; `tell` is told of a switch between the last audio of the one voice and the first of the next.

        With word times of those voices that tell them, counted from the beginning of `text`. Those of words that a
        switch says anew are void.
        """
        ...


class TimedTts(StreamingTts, Protocol):
    """A voice that tells when each word is over: then the words that the caller heard need no estimate."""

    def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        """As `synthesize`, with a `WordTime` for each word, in order, and before it can have been heard."""
        ...


def sound_key(tts: object) -> Hashable | None:
    """What makes this voice sound as it does; None for one that does not say, as others' may not."""
    key: Hashable | None = getattr(tts, "sound_key", None)
    return key


def synthesis_of(tts: Any, text: str) -> AsyncIterator[SpeechPart]:
    """The audio of `text`, with the times of its words if the voice tells them."""
    timed: Callable[[str], AsyncIterator[SpeechPart]] = getattr(tts, "synthesize_timed", tts.synthesize)
    return timed(text)


def create_tts(provider: str = "elevenlabs", **options: object) -> TtsProvider:
    """Make the provider of that name. `options` go to its constructor.

    Raises `UnknownProviderError` for a name nobody registered, `ProviderLoadError` when its extra is not installed.
    """
    made: TtsProvider = TTS.load(provider)(**options)
    return made
