"""What a program sees when a vendor's SDK is not installed."""

from __future__ import annotations

import asyncio
import sys

import pytest

from fakes.line import Line
from voice_runtime.errors import ProviderLoadError, SttError, TtsError
from voice_runtime.stt import create_stt
from voice_runtime.tts import create_tts


@pytest.fixture
def no_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in ("azure", "elevenlabs") or name.startswith("voice_runtime.providers.azure"):
            monkeypatch.delitem(sys.modules, name)
    for name in ("azure.cognitiveservices.speech", "elevenlabs", "elevenlabs.realtime.scribe", "elevenlabs.client"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("no_sdks")
@pytest.mark.parametrize("create", [create_stt, create_tts])
def test_azure_is_an_import_error_that_names_the_extra(create: object) -> None:
    with pytest.raises(ProviderLoadError, match=r"voice-runtime\[azure\]") as raised:
        create("azure")  # type: ignore[operator]
    assert isinstance(raised.value, ImportError)


@pytest.mark.usefixtures("no_sdks")
async def test_elevenlabs_recognition_fails_when_it_starts() -> None:
    with pytest.raises(SttError, match=r"voice-runtime\[elevenlabs\]"):
        await create_stt("elevenlabs", api_key="key").start(asyncio.Queue())


@pytest.mark.usefixtures("no_sdks")
async def test_elevenlabs_synthesis_fails_when_it_speaks() -> None:
    tts = create_tts("elevenlabs", api_key="key")
    errors: list[str] = []
    tts.on_error = errors.append
    result = await asyncio.to_thread(tts.speak, "hi", Line())
    assert result["error"] == errors[0]
    with pytest.raises(TtsError, match="not_installed"):
        await anext(tts.synthesize("hi"))  # type: ignore[attr-defined]
