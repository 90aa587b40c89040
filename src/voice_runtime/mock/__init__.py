"""Doubles of the speech vendors, for programs' own tests: they ship with the package and keep the real contracts."""

from __future__ import annotations

from voice_runtime.mock.stt import MockStt
from voice_runtime.mock.tts import MockTts
from voice_runtime.mock.vad import MockVad

__all__ = ["MockStt", "MockTts", "MockVad"]
