"""Text to sound, for the person on the line."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from voice_runtime.audio.spelling import spell
from voice_runtime.errors import ProviderLoadError
from voice_runtime.registry import TTS
from voice_runtime.simulator.person import Voice
from voice_runtime.tts import StreamingTts

__all__ = ["VOICES", "choose_voice"]

VOICES = ("auto", "espeak", "spelled")


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

    @lru_cache(maxsize=256)
    def voice(text: str) -> bytes:
        with ThreadPoolExecutor(1) as elsewhere:  # a script calls this on a loop, where no other one can run
            return elsewhere.submit(asyncio.run, whole(text)).result()

    return voice
