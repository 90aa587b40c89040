"""Speech recognition: what a provider is, what can go wrong with it, and how one is chosen by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.registry import STT

__all__ = [
    "SttFailure",
    "SttFault",
    "SttProvider",
    "SttWithEndOfTurn",
    "SttWithFallback",
    "SttWithFinalise",
    "SttWithSpeechStart",
    "create_stt",
    "get_stt_class",
]


class SttProvider(Protocol):
    """Turns a caller's audio into text.

    `start` reads mu-law frames (8 kHz, mono, bytes of any length) from the queue until it meets `None`; it returns once
    recognition runs, and raises `SttError` when it cannot. `stop` returns after everything the provider started has
    ended. Callbacks come from any thread, in the order of speech; they are set before `start`.
    """

    on_committed: Callable[[str], None] | None
    """What the caller said: one final piece."""
    on_recognizing: Callable[[str], None] | None
    """What the caller seems to be saying: may change."""
    on_error: Callable[[str], None] | None
    """Recognition is over and will not come back by itself; the argument is a `SttFault`. Called once per failure."""

    def set_speaking(self, speaking: bool) -> None:
        """0.1's echo guard: while True, and for a moment after, texts are dropped."""

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None: ...

    async def stop(self) -> None: ...


class SttWithSpeechStart(SttProvider, Protocol):
    """A provider that also says when the caller begins to speak, even while `set_speaking(True)`: for barge-in."""

    on_speech_started: Callable[[], None] | None


class SttWithFinalise(SttProvider, Protocol):
    """A provider that can be told that the caller has stopped speaking, by somebody who hears it sooner."""

    def finalise(self) -> None:
        """Say what is known as final now, and do not wait for a pause. Called on the loop; returns at once."""


class SttWithEndOfTurn(SttProvider, Protocol):
    """A provider that decides by itself when the caller is done, and says so after the final words of the turn."""

    on_end_of_turn: Callable[[], None] | None


class SttWithFallback(SttProvider, Protocol):
    """A provider made of several, that says when another one goes on. Called on the loop."""

    on_switched: Callable[[ProviderSwitched | ProviderRecovered], None] | None


class SttFailure(StrEnum):
    """Why recognition failed, in words that do not change between vendors."""

    START_FAILED = "start_failed"
    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"
    RECONNECT_EXHAUSTED = "reconnect_exhausted"
    STALLED = "stalled"
    CRASHED = "crashed"


class SttFault(str):
    """The argument of `on_error`: the text 0.1 programs compare with, plus a typed `failure` and the `provider`."""

    failure: SttFailure
    provider: str

    def __new__(cls, text: str, failure: SttFailure, provider: str) -> SttFault:
        self = super().__new__(cls, text)
        self.failure = failure
        self.provider = provider
        return self


def create_stt(provider: str = "elevenlabs", **options: object) -> SttProvider:
    """Make the provider of that name. `options` go to its constructor.

    Raises `UnknownProviderError` for a name nobody registered, `ProviderLoadError` when its extra is not installed.
    """
    made: SttProvider = get_stt_class(provider)(**options)
    return made


def get_stt_class(provider: str = "elevenlabs") -> Callable[..., SttProvider]:
    """The provider's class, for `session.stt_factory = lambda: SttClass(language_code="en")`."""
    found: Callable[..., SttProvider] = STT.load(provider)
    return found
