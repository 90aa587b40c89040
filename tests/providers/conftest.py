"""The vendors on loopback, and a clean environment: no test here reads a developer's keys."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # `fakes` is shared by several test directories

from fakes.azure import FakeAzure
from fakes.elevenlabs import FakeScribe, FakeSpeech

_KEYS = (
    "ELEVENLABS_API_KEY",
    "ELEVENLABS_BASE_URL",
    "ELEVENLABS_VOICE_ID",
    "ELEVENLABS_MODEL",
    "STT_MODEL_ID",
    "STT_LANGUAGE_CODE",
    "AZURE_SPEECH_KEY",
    "AZURE_SPEECH_REGION",
    "AZURE_TTS_VOICE",
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def scribe() -> AsyncIterator[FakeScribe]:
    async with FakeScribe() as service:
        yield service


@pytest.fixture
async def speech() -> AsyncIterator[FakeSpeech]:
    async with FakeSpeech() as service:
        yield service


@pytest.fixture
async def azure() -> AsyncIterator[FakeAzure]:
    async with FakeAzure() as service:
        yield service
