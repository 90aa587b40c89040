"""Recognition over OpenAI's API (`/audio/transcriptions`), by OpenAI or any service that has it (whisper servers).

The API takes whole utterances: they are cut out here, at the end of the voice when the call has a detector of voices
(`finalise`), else at a pause. There are no partial texts, so that only a voice detector can tell early that the caller
interrupts. OPENAI_STT_MODEL names the model; see `openai_account` for key and address.
"""

from __future__ import annotations

import asyncio
import io
import logging
import wave
from typing import Any

from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.utterances import Utterances
from voice_runtime.clock import Clock
from voice_runtime.errors import SttError
from voice_runtime.providers.hearing import Hearing
from voice_runtime.providers.openai_account import Account, describe, model_name, reason
from voice_runtime.stt import SttFailure, SttFault
from voice_runtime.tasks import TaskOwner

__all__ = ["OpenAiStt"]

log = logging.getLogger(__name__)

_WAITING_UTTERANCES = 16  # half a minute of a talkative caller; a service that is so late is of no use
_FAILURES = {
    "auth": SttFailure.AUTH,
    "quota": SttFailure.QUOTA,
    "rate_limited": SttFailure.RATE_LIMITED,
    "bad_request": SttFailure.BAD_REQUEST,
    "timeout": SttFailure.STALLED,
    "network": SttFailure.RECONNECT_EXHAUSTED,
}


class OpenAiStt(Hearing):
    """One recognition. `language`: ISO 639-1 ("en"), or "" to have it guessed; `prompt`: names and words to expect.

    `timeout`: seconds that one utterance may take, tried `retries` times more. `options`: anything else to ask with.
    """

    def __init__(
        self,
        model: str | None = None,
        language: str = "",
        *,
        prompt: str = "",
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 10.0,
        retries: int = 1,
        silence_ms: float = 600,
        echo_discard_s: float = 0.4,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        super().__init__(echo_discard_s=echo_discard_s, clock=clock)
        self._model = model
        self._options = {**options, **{name: v for name, v in (("language", language), ("prompt", prompt)) if v}}
        self._account = Account(api_key, base_url, timeout=timeout, retries=retries)
        self._silence_ms = silence_ms
        self._utterances = Utterances(silence_ms=silence_ms)
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_UTTERANCES)
        self._tasks = TaskOwner("openai_stt")

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        """Raises `SttError` without a key or a model; whether they are good shows with the first utterance."""
        await self.stop()
        try:
            request = {"model": model_name(self._model, "OPENAI_STT_MODEL"), **self._options}
            client = await self._account.client()
        except (ImportError, ValueError) as error:
            raise SttError("openai", reason(error), str(error)) from error
        self._utterances, self._waiting = Utterances(silence_ms=self._silence_ms), asyncio.Queue(_WAITING_UTTERANCES)
        self._tasks.start("transcribe", self._transcribe(client, request))
        self._tasks.start("listen", self._listen(inbound_queue))

    async def stop(self) -> None:
        await self._tasks.close()
        await self._account.aclose()

    def finalise(self) -> None:
        """The caller has stopped speaking; see `SttWithFinalise`."""
        self._hand_on(self._utterances.cut())

    async def _listen(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        while (frame := await inbound_queue.get()) is not None:
            for audio in self._utterances.feed(frame):
                self._hand_on(audio)
            if self._utterances.open:
                self._speech_started()
        self.finalise()

    def _hand_on(self, audio: bytes) -> None:
        if not audio:
            return
        try:
            self._waiting.put_nowait(audio)
        except asyncio.QueueFull:
            self._failed(f"{_WAITING_UTTERANCES} utterances wait for a text", SttFailure.STALLED)

    async def _transcribe(self, client: Any, request: dict[str, Any]) -> None:
        """One after the other: texts come in the order of speech."""
        while True:
            file = ("utterance.wav", _wav(await self._waiting.get()), "audio/wav")
            try:
                result = await client.audio.transcriptions.create(file=file, response_format="json", **request)
                text = str(result.text)
            except Exception as error:  # the SDK and its HTTP library raise many kinds, after trying again themselves
                self._failed(describe(error), _FAILURES.get(reason(error), SttFailure.CRASHED))
                return
            self._heard_final(text)

    def _failed(self, detail: str, failure: SttFailure) -> None:
        log.error("openai: recognition failed: %s", detail)
        callback, self.on_error = self.on_error, None  # once
        self._call(callback, SttFault(f"openai_stt_failed: {detail}", failure, "openai"))


def _wav(ulaw: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(decode_ulaw(ulaw))
    return file.getvalue()
