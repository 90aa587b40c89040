"""ElevenLabs Scribe realtime recognition, over the vendor's own SDK.

The environment is read when a session connects, never at import: ELEVENLABS_API_KEY, STT_MODEL_ID, STT_LANGUAGE_CODE
and ELEVENLABS_BASE_URL (for a proxy or a test server). Arguments win.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import logging
import os
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import InvalidStatus

from voice_runtime.clock import Clock
from voice_runtime.providers.persistent import Link, LinkError, PersistentStt
from voice_runtime.providers.reconnect import ReconnectPolicy
from voice_runtime.stt import SttFailure

__all__ = ["PersistentSttSession"]

log = logging.getLogger(__name__)

_PRODUCTION = "wss://api.elevenlabs.io"
_DEFAULTS = {"ELEVENLABS_API_KEY": "", "STT_MODEL_ID": "scribe_v2_realtime", "STT_LANGUAGE_CODE": "en"}
_READY_GRACE_S = 3.0
_CLOSE_TIMEOUT_S = 2.0
_COMMIT_TIMEOUT_S = 2.0

_TERMINAL = {
    "auth_error": SttFailure.AUTH,
    "unaccepted_terms": SttFailure.AUTH,
    "unaccepted_terms_error": SttFailure.AUTH,
    "quota_exceeded": SttFailure.QUOTA,
    "rate_limited": SttFailure.RATE_LIMITED,
    "input_error": SttFailure.BAD_REQUEST,
    "invalid_request": SttFailure.BAD_REQUEST,
}
_RECOVERABLE = frozenset(
    {
        "error",
        "queue_overflow",
        "resource_exhausted",
        "transcriber_error",
        "chunk_size_exceeded",
        "server_error",
        "insufficient_audio_activity",
    }
)
_EXPIRED = "session_time_limit_exceeded"


def __getattr__(name: str) -> str:
    """0.1's module constants, which were frozen at import and now follow the environment."""
    if name in _DEFAULTS:
        return os.environ.get(name) or _DEFAULTS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class PersistentSttSession(PersistentStt):
    """One recognition over as many Scribe connections as it takes; see `PersistentStt` for what the callbacks promise.

    `silence_ms` of silence commit a text; `vad_threshold` and `min_speech_ms` decide what counts as speech. With
    `manual_commit`, none of that: a text is committed at `finalise` only, so that a voice detector has to be there.
    """

    _FATAL_ERRORS = _RECOVERABLE

    def __init__(
        self,
        api_key: str | None = None,
        language_code: str | None = None,
        *,
        model_id: str | None = None,
        silence_ms: int = 1500,
        vad_threshold: float = 0.5,
        min_speech_ms: int = 300,
        manual_commit: bool = False,
        echo_discard_s: float = 0.4,
        base_url: str | None = None,
        reconnect: ReconnectPolicy | None = None,
        replay_s: float = 10.0,
        connect_timeout: float = 10.0,
        send_timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            "elevenlabs",
            echo_discard_s=echo_discard_s,
            reconnect=reconnect,
            replay_s=replay_s,
            connect_timeout=connect_timeout,
            send_timeout=send_timeout,
            clock=clock,
        )
        self._api_key = api_key
        self._language_code = language_code
        self._model_id = model_id
        self._base_url = base_url
        self._manual = manual_commit
        self._commit_due = False  # as soon as there is a text to commit
        self._vad = {
            "vad_silence_threshold_secs": silence_ms / 1000,
            "vad_threshold": vad_threshold,
            "min_speech_duration_ms": min_speech_ms,
        }

    async def _open(self, number: int) -> Link:
        api_key = self._api_key or os.environ.get("ELEVENLABS_API_KEY", "")
        if not api_key:
            raise LinkError("ELEVENLABS_API_KEY is not set", SttFailure.AUTH)
        scribe = await _import_scribe()
        realtime = scribe.ScribeRealtime(
            api_key=api_key, base_url=self._base_url or os.environ.get("ELEVENLABS_BASE_URL") or _PRODUCTION
        )
        options = {
            "model_id": self._model_id or __getattr__("STT_MODEL_ID"),
            "language_code": self._language_code or __getattr__("STT_LANGUAGE_CODE"),
            "audio_format": scribe.AudioFormat.ULAW_8000,
            "sample_rate": 8000,
            "commit_strategy": scribe.CommitStrategy.MANUAL if self._manual else scribe.CommitStrategy.VAD,
            **({} if self._manual else self._vad),
        }
        try:
            connection = await realtime.connect(options)
        except InvalidStatus as error:
            status = error.response.status_code
            failure = SttFailure.AUTH if status in (401, 403) else None
            raise LinkError("auth_error" if failure else f"connect_refused_with_http_{status}", failure) from error
        except Exception as error:  # sockets, TLS and the SDK raise many kinds; each means that there is no link
            raise LinkError(f"connect_failed: {error!r}") from error
        link = _ScribeLink(self, number, connection)
        try:
            await link.wait_until_ready()
        except BaseException:
            await link.close()
            raise
        return link

    def finalise(self) -> None:
        """Have what was said committed now, with `manual_commit`; otherwise Scribe itself decides when."""
        if self._manual:
            self._commit_due = True
            self._commit_if_due()

    def _commit_if_due(self) -> None:
        """Not before there is a text: Scribe ends a session that commits silence (insufficient_audio_activity)."""
        link = self._link
        if self._commit_due and self._caller_is_talking and isinstance(link, _ScribeLink):
            self._commit_due = False
            self._work.start("commit", link.commit())

    # -- what the vendor says (always on the loop's thread) -----------------------------------------------------------

    def _on_partial(self, data: Mapping[str, Any]) -> None:
        self._heard_partial(str(data.get("text") or ""))
        self._commit_if_due()

    def _on_committed(self, data: Mapping[str, Any]) -> None:
        self._commit_due = False
        self._heard_final(str(data.get("text") or ""))


class _ScribeLink:
    """One SDK connection. What it says before `wait_until_ready` returns decides whether it becomes a link at all."""

    def __init__(self, session: PersistentSttSession, number: int, connection: Any) -> None:
        self._session, self._number, self._connection = session, number, connection
        self._answered = asyncio.Event()
        self._trouble: LinkError | None = None
        connection.on("session_started", self._on_started)
        connection.on("partial_transcript", self._on_partial)
        connection.on("committed_transcript", self._on_committed)
        connection.on("close", self._on_close)
        # The SDK says most errors twice, by name and as "error", and some only by name. The machine counts them once.
        for name in sorted({"error", _EXPIRED, *_TERMINAL, *_RECOVERABLE}):
            connection.on(name, self._on_error)

    async def wait_until_ready(self) -> None:
        """Wait for `session_started`. A service that does not say it in time is taken at its handshake's word."""
        try:
            async with asyncio.timeout(_READY_GRACE_S):
                await self._answered.wait()
        except TimeoutError:
            log.warning("elevenlabs: link %d: no session_started within %g s", self._number, _READY_GRACE_S)
        if self._trouble is not None:
            raise self._trouble

    def _on_started(self, _data: Mapping[str, Any]) -> None:
        self._answered.set()

    def _in_trouble(self, text: str, failure: SttFailure | None = None) -> None:
        self._trouble = self._trouble or LinkError(text, failure)
        self._answered.set()

    def _on_partial(self, data: Mapping[str, Any]) -> None:
        self._session._link_heard(self._number, self._session._on_partial, data)

    def _on_committed(self, data: Mapping[str, Any]) -> None:
        self._session._link_heard(self._number, self._session._on_committed, data)

    def _on_error(self, data: Mapping[str, Any]) -> None:
        kind = str(data.get("message_type") or "")
        failure = _TERMINAL.get(kind)
        if failure is None and kind not in _RECOVERABLE and kind != _EXPIRED:
            log.warning("elevenlabs: link %d: %s", self._number, data.get("error") or kind)
            return
        self._in_trouble(kind, failure)
        if kind == _EXPIRED:
            self._session._link_expired(self._number)
        else:
            self._session._link_errored(self._number, kind, failure)

    def _on_close(self, info: Mapping[str, Any]) -> None:
        self._in_trouble(f"closed_with_{info.get('code')}")
        self._session._link_closed(self._number)

    async def send(self, audio: bytes) -> None:
        await self._connection.send({"audio_base_64": base64.b64encode(audio).decode("ascii")})

    async def commit(self) -> None:
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await self._connection.commit()
        except Exception as error:  # the link is lost, which is noticed where audio is sent
            log.warning("elevenlabs: link %d: not committed: %r", self._number, error)

    async def finish(self) -> None:
        """Scribe commits by its own voice activity detection; there is nothing to say."""

    async def close(self) -> None:
        for _ in range(2):
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._connection.close()
                return
            except Exception as error:  # a peer that does not answer the closing handshake is cut off instead
                log.debug("elevenlabs: link %d: closing failed: %r", self._number, error)
                self._connection.websocket.transport.abort()


async def _import_scribe() -> Any:
    """The SDK, imported in a thread: the first import takes long enough to be heard on other calls."""
    try:
        return await asyncio.to_thread(importlib.import_module, "elevenlabs.realtime.scribe")
    except ImportError as error:
        remedy = "install it with: pip install 'voice-runtime[elevenlabs]'"
        raise LinkError(f"elevenlabs is not installed, {remedy}", SttFailure.START_FAILED) from error
