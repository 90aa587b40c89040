"""Synthesis over OpenAI's API (`/audio/speech`), by OpenAI or any service that has it: 24 kHz PCM, made mu-law here.

OPENAI_TTS_MODEL and OPENAI_TTS_VOICE name the model and the voice; see `openai_account` for key and address.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from typing import Any

from voice_runtime.audio.g711 import encode_ulaw
from voice_runtime.audio.resample import Resampler
from voice_runtime.errors import TtsError
from voice_runtime.providers.blocking import speak_blocking
from voice_runtime.providers.openai_account import Account, describe, model_name, reason
from voice_runtime.tts import SpeechSink

__all__ = ["OpenAiTTS"]

log = logging.getLogger(__name__)

_CHUNK_BYTES = 4800  # 0.1 s of the vendor's PCM
_VOICE = "alloy"


class OpenAiTTS:
    """One voice. `instructions`: how to speak, for models that take them; `sample_rate`: of the service's PCM, in Hz.

    `timeout`: how long the service may be silent, in seconds. `options`: anything else for the request (`speed`, ...).
    """

    def __init__(
        self,
        model: str | None = None,
        voice: str | None = None,
        *,
        instructions: str = "",
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 10.0,
        sample_rate: int = 24000,
        **options: Any,
    ) -> None:
        self.on_error: Callable[[str], None] | None = None
        self._model, self._voice = model, voice
        self._options = {**options, **({"instructions": instructions} if instructions else {})}
        self._sample_rate = sample_rate
        self._account = Account(api_key, base_url, timeout=timeout)

    @property
    def sound_key(self) -> Hashable | None:
        """What changes the sound, as it is now: the environment may be another one later. None without a model."""
        try:
            request = self._request("")
        except ValueError:
            return None
        return ("openai", self._account.base_url, self._sample_rate, repr(sorted(request.items())))

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        """0.1's blocking speech; see `TtsProvider`."""
        return speak_blocking(text, session, stop_event, self._chunks, self._fail)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """The audio as the service makes it; see `StreamingTts`. Closing the iterator closes the connection."""
        if not text:
            return
        resampler = Resampler(self._sample_rate, 8000)
        try:
            client = await self._account.client()
            async with client.audio.speech.with_streaming_response.create(**self._request(text)) as response:
                async for chunk in response.iter_bytes(_CHUNK_BYTES):
                    if audio := encode_ulaw(resampler.process(chunk)):
                        yield audio
            if audio := encode_ulaw(resampler.flush()):
                yield audio
        except Exception as error:  # the SDK and its HTTP library raise many kinds: all mean that this was not said
            log.warning("openai: synthesis failed: %s", describe(error))
            raise TtsError("openai", reason(error), describe(error)) from error

    async def aclose(self) -> None:
        """Close the connections `synthesize` kept open. The object stays usable."""
        await self._account.aclose()

    def _request(self, text: str) -> dict[str, Any]:
        return {
            "model": model_name(self._model, "OPENAI_TTS_MODEL"),
            "voice": self._voice or os.environ.get("OPENAI_TTS_VOICE") or _VOICE,
            "input": text,
            "response_format": "pcm",
            **self._options,
        }

    def _chunks(self, text: str) -> Iterator[bytes]:
        resampler = Resampler(self._sample_rate, 8000)
        with (
            self._account.blocking_client() as client,
            client.audio.speech.with_streaming_response.create(**self._request(text)) as response,
        ):
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                yield encode_ulaw(resampler.process(chunk))
            yield encode_ulaw(resampler.flush())

    def _fail(self, error: Exception) -> str:
        text = f"openai_tts_failed: {describe(error)}"
        log.error("%s", text)
        if self.on_error is not None:
            self.on_error(text)
        return text
