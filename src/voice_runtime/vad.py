"""Voice detection: what a detector of all calls' voices is, and how one is chosen by name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from voice_runtime.errors import ProviderLoadError
from voice_runtime.registry import VAD

__all__ = [
    "DEFAULT_VAD",
    "NO_VAD",
    "CallDetector",
    "Vad",
    "VadWithBatches",
    "VoiceListener",
    "configured_vad",
    "create_vad",
]

log = logging.getLogger(__name__)

DEFAULT_VAD = "silero"
"""What is used when nothing is configured, if its extra is installed."""
NO_VAD = "none"


class VoiceListener(Protocol):
    """What a detector tells of one call, on the loop."""

    def voice_started(self, voiced: float) -> None:
        """The caller's voice began, `voiced` seconds ago."""

    def voice_stopped(self, silence: float) -> None:
        """It ended, `silence` seconds ago."""

    def detection_failed(self, reason: str) -> None:
        """Nothing more will be told on this call. At most once."""


class CallDetector(Protocol):
    """The detector of one call. Everything on the loop."""

    def feed(self, audio: bytes) -> None:
        """The caller's next audio: mu-law, 8 kHz, of any length. Returns at once; what it tells comes now or later."""

    def reset(self) -> None:
        """There is no voice now, whatever was heard: the audio stopped in the middle of one."""

    def close(self) -> None:
        """The call is over: nothing more is told. May be called twice."""


class Vad(Protocol):
    """Finds the voices in the audio of all calls of a process; an application has one."""

    async def start(self) -> None:
        """Get ready, so that the first call does not wait. Raises what keeps it from working."""

    def detector(self, listener: VoiceListener) -> CallDetector:
        """For a call that begins. Never waits, never fails: `detection_failed` tells."""

    async def aclose(self) -> None:
        """All calls are over."""


class VadWithBatches(Vad, Protocol):
    """One that decides for many calls together, and tells how long that took."""

    on_batch: Callable[[float], None] | None
    """Called on the loop after each batch, with the seconds of work in it."""


def create_vad(provider: str = DEFAULT_VAD, **options: object) -> Vad:
    """Make the detector of that name. `options` go to its constructor.

    Raises `UnknownProviderError` for a name nobody registered, `ProviderLoadError` when its extra is not installed.
    """
    made: Vad = VAD.load(provider)(**options)
    return made


def configured_vad(name: str) -> Vad | None:
    """What the setting VOICE_VAD says: "none", a name, or "" for the default detector where it is installed."""
    name = name.strip().lower()
    if name == NO_VAD:
        return None
    if name:
        return create_vad(name)
    try:
        return create_vad()
    except ProviderLoadError as missing:
        log.debug("no voice detector: %s", missing)
        return None
