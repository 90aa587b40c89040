"""Providers by name, and several names for a chain: `elevenlabs,espeak`."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.registry import split_names
from voice_runtime.stt import SttProvider, get_stt_class
from voice_runtime.tts import StreamingTts, TtsProvider, create_tts

__all__ = ["stt_called", "tts_called"]


def stt_called(names: str) -> Callable[[], SttProvider]:
    """What makes the recogniser of each call. Raises what `get_stt_class` raises."""
    classes = {name: get_stt_class(name) for name in split_names(names)}
    return next(iter(classes.values())) if len(classes) == 1 else FallbackStt(classes)


def tts_called(names: str) -> StreamingTts | TtsProvider:
    """The voice for all calls. Raises what `create_tts` raises."""
    voices = {name: create_tts(name) for name in split_names(names)}
    # Every built-in voice is both. One with 0.1's `speak` only fails in a chain as soon as it is asked.
    return next(iter(voices.values())) if len(voices) == 1 else FallbackTts(cast(dict[str, StreamingTts], voices))
