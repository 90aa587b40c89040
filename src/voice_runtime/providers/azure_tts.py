"""Azure synthesis, over the vendor's own SDK: native mu-law at 8 kHz, no transcoding.

The environment is read at construction: AZURE_SPEECH_KEY, AZURE_SPEECH_REGION, AZURE_TTS_VOICE.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from typing import Any

import azure.cognitiveservices.speech as speechsdk

from voice_runtime.errors import TtsError
from voice_runtime.providers.blocking import speak_blocking
from voice_runtime.providers.threads import in_thread
from voice_runtime.providers.word_times import VendorWords
from voice_runtime.tasks import closing
from voice_runtime.tts import SpeechPart, SpeechSink

__all__ = ["AzureTTS"]

log = logging.getLogger(__name__)

_REASONS = {
    "AuthenticationFailure": "auth",
    "Forbidden": "quota",
    "TooManyRequests": "rate_limited",
    "BadRequest": "bad_request",
    "ConnectionFailure": "network",
    "ServiceTimeout": "timeout",
}
_IDLE_SYNTHESIZERS = 4
_LAST_EVENTS_S = 2.0
_LAST_WORDS_S = 0.1
_WORD = speechsdk.SpeechSynthesisBoundaryType.Word
_TICKS = 10_000_000  # in a second


class AzureTTS:
    """One voice. Synthesizers, each with its connection, are kept for later utterances; `aclose` lets them go.

    `endpoint` is a full service address in place of the region's: a private link, a container, a test server.
    `timeout` is how long the service may be silent, in seconds. `word_times`: ask for them too (`TimedTts`).
    """

    def __init__(
        self,
        subscription_key: str | None = None,
        region: str | None = None,
        voice_name: str | None = None,
        *,
        endpoint: str | None = None,
        timeout: float = 10.0,
        word_times: bool = True,
    ) -> None:
        self.on_error: Callable[[str], None] | None = None
        self._subscription_key = subscription_key or os.environ.get("AZURE_SPEECH_KEY", "")
        self._region = region or os.environ.get("AZURE_SPEECH_REGION") or "westeurope"
        self._voice_name = voice_name or os.environ.get("AZURE_TTS_VOICE") or "fi-FI-NooraNeural"
        self._endpoint = endpoint
        self._timeout = timeout
        self._word_times = word_times
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @property
    def sound_key(self) -> Hashable:
        return ("azure", self._endpoint or self._region, self._voice_name)

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        """0.1's blocking speech; see `TtsProvider`. An interruption stops the vendor and returns at once."""
        return speak_blocking(text, session, stop_event, lambda text: _Blocking(self, text), self._fail)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """The audio as the service makes it; see `StreamingTts`. Closing the iterator stops the vendor at once."""
        async with closing(self._synthesize(text, timed=False)) as parts:
            async for part in parts:
                if isinstance(part, bytes):
                    yield part

    def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        """The same, with the times of the words that the service tells; see `TimedTts`."""
        return self._synthesize(text, timed=self._word_times)

    async def _synthesize(self, text: str, *, timed: bool) -> AsyncIterator[SpeechPart]:
        if not text:
            return
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[SpeechPart | None] = asyncio.Queue()  # an utterance: the SDK cannot be held back

        def deliver(chunk: SpeechPart | None) -> None:
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:
                log.debug("azure: the event loop is closed, the rest of an utterance is dropped")

        speech = _Speech(self, text, deliver, timed=timed)
        work = in_thread("azure-tts", speech.run)
        try:
            while True:
                async with asyncio.timeout(self._timeout):
                    chunk = await chunks.get()
                if chunk is None:
                    break
                yield chunk
        except TimeoutError as error:
            raise TtsError("azure", "timeout", f"nothing came for {self._timeout:g} s") from error
        finally:
            speech.abort()
        await work
        speech.check()

    async def aclose(self) -> None:
        """Let the idle synthesizers and their connections go. The object stays usable: it makes new ones."""
        await in_thread("azure-tts-close", self._drop_idle)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        idle.clear()  # the SDK closes the connections here, and may take a second for it

    def _fail(self, error: Exception) -> str:
        reason = f"azure_synthesis_failed: {error}"
        log.error("%s", reason)
        if self.on_error is not None:
            self.on_error(reason)
        return reason

    # A synthesizer says one thing at a time, so that calls which speak at once need one each.

    def _take(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        if not self._subscription_key and self._endpoint is None:
            raise TtsError("azure", "auth", "AZURE_SPEECH_KEY is not set", remedy="Set it in the environment.")
        where = {"endpoint": self._endpoint} if self._endpoint is not None else {"region": self._region}
        config = speechsdk.SpeechConfig(subscription=self._subscription_key or None, **where)
        config.speech_synthesis_voice_name = self._voice_name
        config.set_speech_synthesis_output_format(speechsdk.SpeechSynthesisOutputFormat.Raw8Khz8BitMonoMULaw)
        return speechsdk.SpeechSynthesizer(speech_config=config, audio_config=None)

    def _give_back(self, synthesizer: Any) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_SYNTHESIZERS:
                self._idle.append(synthesizer)


class _Speech:
    """One utterance at the vendor. `run` blocks a thread until it is over, and `deliver`s chunks and then None; and,
    if it is `timed`, the words that the vendor tells of.
    """

    def __init__(
        self, voice: AzureTTS, text: str, deliver: Callable[[SpeechPart | None], None], *, timed: bool
    ) -> None:
        self._voice, self._text, self._deliver = voice, text, deliver
        self._words = VendorWords(text) if timed else None
        self._unwanted = threading.Event()
        self._news = threading.Condition()
        self._delivered = 0
        self._synthesizer: Any = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._synthesizer = self._voice._take()
            self._synthesizer.synthesizing.connect(self._on_audio)
            if self._words is not None:
                self._synthesizer.synthesis_word_boundary.connect(self._on_word)
            if not self._unwanted.is_set():
                self._finish(self._synthesizer.speak_text_async(self._text).get())
        except Exception as error:  # the SDK raises RuntimeError and ValueError with its own texts; `check` hands it on
            self._error = error.with_traceback(None)  # its frames hold the synthesizer, which must end in this thread
        finally:
            self._synthesizer = None
            self._deliver(None)

    def check(self) -> None:
        """Raise what went wrong."""
        if isinstance(self._error, TtsError):
            raise self._error
        if self._error is not None:
            raise TtsError("azure", "failed", str(self._error)) from self._error

    def abort(self) -> None:
        """Nobody wants more. Returns at once, from any thread; after the end it does nothing."""
        if self._unwanted.is_set():
            return
        self._unwanted.set()
        synthesizer = self._synthesizer
        if synthesizer is not None:
            synthesizer.stop_speaking_async()

    def _on_audio(self, event: Any) -> None:
        audio = event.result.audio_data
        if audio and not self._unwanted.is_set():
            self._deliver(audio)
        with self._news:
            self._delivered += len(audio)
            self._news.notify()

    def _on_word(self, event: Any) -> None:
        """From another thread than the audio, a moment before or after it. Without a duration, its end is not known."""
        seconds = event.audio_offset / _TICKS + event.duration.total_seconds()
        if self._words is None or not event.duration or event.boundary_type != _WORD or self._unwanted.is_set():
            return
        if (word := self._words.over(event.text, event.text_offset, seconds)) is not None:
            self._deliver(word)
        with self._news:
            self._news.notify()

    def _finish(self, result: Any) -> None:
        synthesizer, self._synthesizer = self._synthesizer, None
        if self._unwanted.is_set():
            return
        if result.reason == speechsdk.ResultReason.Canceled:
            details = result.cancellation_details
            code = details.error_code.name
            raise TtsError("azure", _REASONS.get(code, "failed"), f"{code}: {details.error_details}")
        # The SDK hands over the result while its last audio events are still on their way from another thread.
        whole = len(result.audio_data)
        with self._news:
            complete = self._news.wait_for(lambda: self._delivered >= whole, _LAST_EVENTS_S)
            if (words := self._words) is not None:
                self._news.wait_for(lambda: words.complete, _LAST_WORDS_S)
        synthesizer.synthesizing.disconnect_all()
        synthesizer.synthesis_word_boundary.disconnect_all()
        if not complete:
            raise TtsError("azure", "failed", f"{self._delivered} of {whole} bytes of audio arrived")
        self._voice._give_back(synthesizer)


class _Blocking:
    """A `_Speech` as something to iterate over in a thread, and to abort from another."""

    def __init__(self, voice: AzureTTS, text: str) -> None:
        self._chunks: queue.Queue[SpeechPart | None] = queue.Queue()
        self._timeout = voice._timeout
        self._speech = _Speech(voice, text, self._chunks.put, timed=False)

    def __iter__(self) -> Iterator[bytes]:
        threading.Thread(target=self._speech.run, name="azure-tts", daemon=True).start()
        while True:
            try:
                chunk = self._chunks.get(timeout=self._timeout)
            except queue.Empty:
                self._speech.abort()
                raise TtsError("azure", "timeout", f"nothing came for {self._timeout:g} s") from None
            if chunk is None:
                break
            if isinstance(chunk, bytes):
                yield chunk
        self._speech.check()

    def abort(self) -> None:
        self._speech.abort()
        self._chunks.put(None)
