"""One recogniser of a chain, on one call: its queue, and what it says until somebody else is listened to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from voice_runtime.fallback.chain import Link
from voice_runtime.stt import SttFailure, SttFault, SttProvider

__all__ = ["Heard", "Listener"]

log = logging.getLogger(__name__)

_QUEUE_PIECES = 150  # 3 s of frames
_STOP_SECONDS = 5.0


class Heard(Protocol):
    """Takes what listeners say, on the loop."""

    def words(self, listener: Listener, text: str, *, final: bool) -> None: ...
    def speech_started(self, listener: Listener) -> None: ...
    def turn_ended(self, listener: Listener) -> None: ...
    def failed(self, listener: Listener, fault: SttFault) -> None: ...


class Listener:
    """Starts a recogniser, hands it audio, and passes on what it says, until `stop`."""

    def __init__(self, link: Link[Callable[[], SttProvider]], heard: Heard) -> None:
        self.link = link
        self.proven = False
        """Whether words came of it."""
        self.text = ""
        """What it said last, if that was not final."""
        self.listens = False
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_PIECES)
        self._stt: SttProvider | None = None
        self._over = False

    async def start(self) -> None:
        """Return when it can take audio. Raises what the recogniser raises."""
        self._stt = stt = self.link.provider()
        stt.on_committed = lambda text: self._on_loop(lambda: self._words(text, final=True))
        stt.on_recognizing = lambda text: self._on_loop(lambda: self._words(text, final=False))
        stt.on_error = lambda text: self._on_loop(lambda: self._failed(text))
        if hasattr(stt, "on_speech_started"):  # optional part of the contract: SttWithSpeechStart
            stt.on_speech_started = lambda: self._on_loop(lambda: self._heard.speech_started(self))
        if hasattr(stt, "on_end_of_turn"):  # likewise: SttWithEndOfTurn
            stt.on_end_of_turn = lambda: self._on_loop(lambda: self._heard.turn_ended(self))
        await stt.start(self._queue)

    def listen(self, before: Iterable[bytes]) -> None:
        """From now on; it gets the audio from `before` first."""
        self.listens = True
        for audio in before:
            self.hear(audio)

    def hear(self, audio: bytes | None) -> None:
        """More audio. `None`: that was all."""
        if self._queue.full():
            self._failed(SttFault("stt_stalled: it takes no audio", SttFailure.STALLED, self.link.name))
            return
        self._queue.put_nowait(audio)

    def set_speaking(self, speaking: bool) -> None:
        if self._stt is not None:
            self._stt.set_speaking(speaking)

    def finalise(self) -> None:
        finalise = getattr(self._stt, "finalise", None)  # optional part of the contract: SttWithFinalise
        if finalise is not None:
            finalise()

    async def stop(self) -> None:
        """Nothing it says counts any more. Returns when it has ended, or has had its time to."""
        self._over, self.listens = True, False
        if self._stt is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._stt.stop()
        except Exception:  # one that cannot stop must not keep the next one, or the call
            log.warning("the recogniser %s failed to stop", self.link.name, exc_info=True)

    def _on_loop(self, tell: Callable[[], None]) -> None:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._tell(tell)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, tell)

    def _tell(self, tell: Callable[[], None]) -> None:
        if not self._over:
            tell()

    def _words(self, text: str, *, final: bool) -> None:
        self.proven = self.proven or bool(text.strip())
        self.text = "" if final else text
        self._heard.words(self, text, final=final)

    def _failed(self, text: str) -> None:
        if self._over:
            return
        self._over = True
        fault = text if isinstance(text, SttFault) else SttFault(text, SttFailure.CRASHED, self.link.name)
        self._heard.failed(self, fault)
