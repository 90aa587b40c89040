"""ElevenLabs synthesis, over the vendor's own SDK: native mu-law at 8 kHz, no transcoding.

The environment is read when something is said, never at import: ELEVENLABS_API_KEY, ELEVENLABS_VOICE_ID,
ELEVENLABS_MODEL and ELEVENLABS_BASE_URL (for a proxy or a test server). Arguments win.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import logging
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Iterable
from contextlib import aclosing
from typing import Any

import httpx

from voice_runtime.errors import TtsError
from voice_runtime.providers.blocking import speak_blocking
from voice_runtime.providers.word_times import CharacterTimes
from voice_runtime.tasks import closing
from voice_runtime.tts import SpeechPart, SpeechSink

__all__ = ["ElevenLabsTTS"]

log = logging.getLogger(__name__)

_PRODUCTION = "https://api.elevenlabs.io"
_DEFAULTS = {
    "ELEVENLABS_API_KEY": "",
    "ELEVENLABS_VOICE_ID": "21m00Tcm4TlvDq8ikWAM",
    "ELEVENLABS_MODEL": "eleven_multilingual_v2",
}
_FORMAT = "ulaw_8000"


def __getattr__(name: str) -> str:
    """0.1's module constants, which were frozen at import and now follow the environment."""
    if name in _DEFAULTS:
        return os.environ.get(name) or _DEFAULTS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class ElevenLabsTTS:
    """One voice. Its connections are kept open between utterances; `aclose` closes those of `synthesize`.

    `timeout` is how long the service may be silent, in seconds: while connecting, before the audio and within it.
    `word_times`: ask for them too (`TimedTts`); off for a service in ElevenLabs' place that has no "with-timestamps".
    """

    def __init__(
        self,
        api_key: str | None = None,
        voice_id: str | None = None,
        model_id: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 10.0,
        word_times: bool = True,
    ) -> None:
        self.on_error: Callable[[str], None] | None = None
        self._api_key, self._voice_id, self._model_id = api_key, voice_id, model_id
        self._base_url, self._timeout = base_url, timeout
        self._word_times = word_times
        self._lock = threading.Lock()
        self._client: Any = None
        self._async_client: Any = None
        self._async_http: httpx.AsyncClient | None = None
        self._async_loop: asyncio.AbstractEventLoop | None = None

    @property
    def sound_key(self) -> Hashable:
        """What changes the sound, as it is now: the environment may be another one later."""
        return ("elevenlabs", self._account()["base_url"], *sorted(self._request("").items()))

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        """0.1's blocking speech; see `TtsProvider`."""
        return speak_blocking(text, session, stop_event, self._convert, self._fail)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """The audio as the service makes it; see `StreamingTts`. Closing the iterator closes the connection."""
        async with aclosing(self._answer("stream", text)) as chunks:
            async for chunk in chunks:
                if chunk:
                    yield chunk

    async def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        """The same, with the times of the words that the service tells; see `TimedTts`."""
        if not self._word_times:
            async with closing(self.synthesize(text)) as audio:
                async for piece in audio:
                    yield piece
            return
        words = CharacterTimes(text)
        async with aclosing(self._answer("stream_with_timestamps", text)) as chunks:
            async for chunk in chunks:
                if (told := chunk.alignment) is not None:  # of the text as it was given, not as it was normalised
                    for word in words.over(told.characters, told.character_end_times_seconds):
                        yield word
                if chunk.audio_base_64:
                    yield base64.b64decode(chunk.audio_base_64)

    async def _answer(self, method: str, text: str) -> AsyncGenerator[Any]:
        """What that method of the SDK streams. Raises `TtsError`."""
        if not text:
            return
        try:
            client = await self._async()
            async with aclosing(getattr(client.text_to_speech, method)(**self._request(text))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:  # the SDK, httpx and the network raise many kinds: all mean that this was not said
            log.warning("elevenlabs: synthesis failed: %s", _describe(error))
            raise TtsError("elevenlabs", _reason(error), _describe(error)) from error

    async def aclose(self) -> None:
        """Close the connections `synthesize` kept open. The object stays usable: it opens new ones."""
        http, self._async_http, self._async_client = self._async_http, None, None
        if http is not None and self._async_loop is asyncio.get_running_loop():
            await http.aclose()

    def _request(self, text: str) -> dict[str, Any]:
        return {
            "voice_id": self._voice_id or __getattr__("ELEVENLABS_VOICE_ID"),
            "text": text,
            "model_id": self._model_id or __getattr__("ELEVENLABS_MODEL"),
            "output_format": _FORMAT,
        }

    def _account(self) -> dict[str, Any]:
        return {
            "api_key": self._api_key or __getattr__("ELEVENLABS_API_KEY"),
            "base_url": self._base_url or os.environ.get("ELEVENLABS_BASE_URL") or _PRODUCTION,
            "timeout": self._timeout,
        }

    def _convert(self, text: str) -> Iterable[bytes]:
        with self._lock:
            if self._client is None:
                from elevenlabs import ElevenLabs

                self._client = ElevenLabs(**self._account())
        chunks: Iterable[bytes] = self._client.text_to_speech.convert(**self._request(text))
        return chunks

    async def _async(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._async_client is not None and self._async_loop is loop:
            return self._async_client
        sdk = await asyncio.to_thread(importlib.import_module, "elevenlabs.client")  # long enough to be heard elsewhere
        if self._async_client is None or self._async_loop is not loop:  # another utterance may have been quicker
            http = httpx.AsyncClient(timeout=self._timeout, follow_redirects=True)
            self._async_client = sdk.AsyncElevenLabs(httpx_client=http, **self._account())
            self._async_http, self._async_loop = http, loop
        return self._async_client

    def _fail(self, error: Exception) -> str:
        reason = f"elevenlabs_tts_failed: {_describe(error)}"
        log.error("%s", reason)
        if self.on_error is not None:
            self.on_error(reason)
        return reason


def _describe(error: Exception) -> str:
    """One line. The SDK's own errors print every header of the response."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    return f"HTTP {status}: {body}" if status is not None else str(error) or repr(error)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "not_installed"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout"
    if isinstance(error, httpx.TransportError):
        return "network"
    match getattr(error, "status_code", None):
        case 401 | 403:
            return "auth"
        case 402:
            return "quota"
        case 429:
            return "rate_limited"
        case int(status) if 400 <= status < 500:
            return "bad_request"
    return "failed"
