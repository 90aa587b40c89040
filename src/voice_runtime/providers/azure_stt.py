"""Azure continuous recognition, over the vendor's own SDK.

The SDK calls back on threads of its own and waits in blocking calls; here every callback of the program comes on the
event loop's thread (0.1's came on SDK threads) and every call that waits runs in a thread. The environment is read at
construction: AZURE_SPEECH_KEY, AZURE_SPEECH_REGION.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import azure.cognitiveservices.speech as speechsdk

from voice_runtime.clock import Clock
from voice_runtime.providers.persistent import Link, LinkError, PersistentStt
from voice_runtime.providers.reconnect import ReconnectPolicy
from voice_runtime.providers.threads import in_thread
from voice_runtime.stt import SttFailure

__all__ = ["AzurePersistentStt"]

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 5.0
_TERMINAL = {
    "AuthenticationFailure": SttFailure.AUTH,
    "Forbidden": SttFailure.QUOTA,  # "the free subscription used by the request ran out of quota"
    "BadRequest": SttFailure.BAD_REQUEST,
}


class AzurePersistentStt(PersistentStt):
    """One recognition over as many Azure connections as it takes; see `PersistentStt` for what the callbacks promise.

    `endpoint` is a full service address in place of the region's: a private link, a container, a test server.
    """

    def __init__(
        self,
        subscription_key: str | None = None,
        region: str | None = None,
        language_code: str = "fi-FI",
        silence_timeout_ms: int = 1500,
        *,
        endpoint: str | None = None,
        echo_discard_s: float = 0.4,
        reconnect: ReconnectPolicy | None = None,
        replay_s: float = 10.0,
        connect_timeout: float = 10.0,
        send_timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            "azure",
            echo_discard_s=echo_discard_s,
            reconnect=reconnect,
            replay_s=replay_s,
            connect_timeout=connect_timeout,
            send_timeout=send_timeout,
            clock=clock,
        )
        self._subscription_key = subscription_key or os.environ.get("AZURE_SPEECH_KEY", "")
        self._region = region or os.environ.get("AZURE_SPEECH_REGION") or "westeurope"
        self._language_code = language_code
        self._silence_timeout_ms = silence_timeout_ms
        self._endpoint = endpoint

    async def _open(self, number: int) -> Link:
        if not self._subscription_key and self._endpoint is None:
            raise LinkError("AZURE_SPEECH_KEY is not set", SttFailure.AUTH)
        link = _AzureLink(self, number)
        try:
            await link.open()
        except BaseException:
            await link.close()
            raise
        return link

    def _config(self) -> Any:
        where = {"endpoint": self._endpoint} if self._endpoint is not None else {"region": self._region}
        config = speechsdk.SpeechConfig(subscription=self._subscription_key or None, **where)
        config.speech_recognition_language = self._language_code
        config.set_property(
            speechsdk.PropertyId.SpeechServiceConnection_EndSilenceTimeoutMs, str(self._silence_timeout_ms)
        )
        config.set_property(speechsdk.PropertyId.Speech_SegmentationSilenceTimeoutMs, str(self._silence_timeout_ms))
        return config

    # -- what the vendor says (always on the loop's thread) -----------------------------------------------------------

    def _on_recognizing(self, event: Any) -> None:
        self._heard_partial(event.result.text)

    def _on_committed(self, event: Any) -> None:
        self._heard_final(event.result.text)


class _AzureLink:
    """One recogniser with its push stream. The SDK's threads reach the session through the event loop only."""

    def __init__(self, session: AzurePersistentStt, number: int) -> None:
        self._session, self._number = session, number
        self._answered = asyncio.Event()
        self._trouble: LinkError | None = None
        self._recognizer: Any = None
        self._connection: Any = None
        self._stream: Any = None
        self._opening: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Build the recogniser, start it, and wait until the service has accepted the connection."""
        self._opening = in_thread("azure-stt-start", self._start)
        try:
            await asyncio.shield(self._opening)
        except Exception as error:  # the SDK raises RuntimeError and ValueError with its own texts
            raise LinkError(f"start_failed: {error}") from error
        await self._answered.wait()
        if self._trouble is not None:
            raise self._trouble

    def _start(self) -> None:
        audio = speechsdk.audio
        mulaw = audio.AudioStreamFormat(
            samples_per_second=8000,
            bits_per_sample=8,
            channels=1,
            wave_stream_format=speechsdk.AudioStreamWaveFormat.MULAW,
        )
        self._stream = audio.PushAudioInputStream(stream_format=mulaw)
        self._recognizer = speechsdk.SpeechRecognizer(
            speech_config=self._session._config(), audio_config=audio.AudioConfig(stream=self._stream)
        )
        self._recognizer.recognizing.connect(self._hear(self._session._on_recognizing))
        self._recognizer.recognized.connect(self._hear(self._session._on_committed))
        self._recognizer.canceled.connect(self._tell(self._on_canceled))
        self._recognizer.session_stopped.connect(self._tell(self._on_stopped))
        if isinstance(self._recognizer, speechsdk.Recognizer):
            self._connection = speechsdk.Connection.from_recognizer(self._recognizer)
            self._connection.connected.connect(self._tell(self._on_connected))
        else:  # a stand-in: 0.1 programs put one in the SDK's place in their tests, and it has no connection to watch
            self._session._from_any_thread(self._answered.set)
        self._recognizer.start_continuous_recognition_async().get()

    def _tell(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda event: self._session._from_any_thread(call, event)

    def _hear(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        return self._tell(lambda event: self._session._link_heard(self._number, call, event))

    def _on_connected(self, _event: Any) -> None:
        self._answered.set()

    def _on_canceled(self, event: Any) -> None:
        details = event.cancellation_details
        if details.reason == speechsdk.CancellationReason.EndOfStream:
            log.debug("azure: link %d: end of the audio", self._number)
            self._session._link_ended(self._number)
            return
        failure = _TERMINAL.get(details.code.name)
        text = f"{details.code.name}: {details.error_details}"
        self._trouble = self._trouble or LinkError(text, failure)
        self._answered.set()
        self._session._link_errored(self._number, text, failure)

    def _on_stopped(self, _event: Any) -> None:
        self._trouble = self._trouble or LinkError("session_stopped")
        self._answered.set()
        self._session._link_closed(self._number)

    async def send(self, audio: bytes) -> None:
        self._stream.write(audio)  # copies into the SDK's own buffer and returns

    async def finish(self) -> None:
        self._stream.close()

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                if self._opening is not None:
                    await asyncio.wait([self._opening])
                await in_thread("azure-stt-stop", self._stop)
        except Exception as error:  # a recogniser that does not stop in time is left to the SDK's own threads
            log.warning("azure: link %d: closing failed: %r", self._number, error)
        finally:
            self._recognizer = self._connection = self._stream = None  # the SDK closes the socket with the last of them

    def _stop(self) -> None:
        recognizer, connection = self._recognizer, self._connection
        if recognizer is None:
            return
        self._stream.close()
        recognizer.stop_continuous_recognition_async().get()
        for signal in (recognizer.recognizing, recognizer.recognized, recognizer.canceled, recognizer.session_stopped):
            signal.disconnect_all()
        if connection is not None:
            connection.connected.disconnect_all()
            connection.close()
