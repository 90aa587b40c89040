"""Text to sound, for the person on the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import silence, tone
from voice_runtime.errors import ProviderLoadError
from voice_runtime.registry import TTS
from voice_runtime.tts import StreamingTts

__all__ = ["VOICES", "Voice", "choose_voice", "mumble"]

Voice: TypeAlias = Callable[[str], bytes]
VOICES = ("auto", "espeak", "spelled")

_SYLLABLES = ((118, 330, 820), (131, 290, 610), (108, 420, 990), (124, 250, 560))  # Hz: a voice, and no vowel


def choose_voice(name: str) -> tuple[str, Voice]:
    """The voice of that name, and which one it is: "auto" is eSpeak NG where it is installed, else spelled tones.

    Raises ValueError for another name, ProviderLoadError when it is not installed.
    """
    if name not in VOICES:
        raise ValueError(f"--voice {name}: it is one of {', '.join(VOICES)}")
    if name != "spelled":
        try:
            return "espeak", _espeak(TTS.load("espeak")())
        except ProviderLoadError:
            if name == "espeak":
                raise
    return "spelled", spell


def _espeak(tts: StreamingTts) -> Voice:
    async def whole(text: str) -> bytes:
        return b"".join([chunk async for chunk in tts.synthesize(text)])

    return lambda text: asyncio.run(whole(text))


def mumble(seconds: float) -> bytes:
    """Somebody speaks, and not a word can be understood."""
    said, wanted, number = b"", round(seconds * 8000), 0
    while len(said) < wanted:
        hz = _SYLLABLES[number % len(_SYLLABLES)]
        said += tone([(hz[0], 0.14), (hz[1], 0.1), (hz[2], 0.05)], 170) + silence(60)
        number += 1
    return said[:wanted]
