"""Two recognisers on one call: the primary is listened to, the secondary is along for comparison and may fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from voice_runtime.stt import SttProvider, SttWithSpeechStart
from voice_runtime.tasks import TaskOwner

__all__ = ["SttTee"]

log = logging.getLogger(__name__)

_QUEUE_FRAMES = 1500  # 30 s of 20 ms frames
_WARN_EVERY = 500
_END_GRACE_S = 0.05  # at 50 frames a second, a `None` that nothing follows for this long is the end
_STOP_TIMEOUT_S = 10.0


class SttTee:
    """Gives the caller's audio to both; callbacks are the primary's.

    The secondary never touches the primary: it starts after it and on its own, its failures are logged, and when it
    does not keep up its oldest audio goes (`_secondary_drops` counts). Each has a bounded queue of its own.
    """

    def __init__(self, primary: SttProvider, secondary: SttProvider) -> None:
        self.primary = primary
        self.secondary = secondary
        self._primary_queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_FRAMES)
        self._secondary_queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_FRAMES)
        self._primary_drops = 0
        self._secondary_drops = 0
        self._secondary_listens = True
        self._tasks = TaskOwner("stt_tee")

    @property
    def on_committed(self) -> Callable[[str], None] | None:
        return self.primary.on_committed

    @on_committed.setter
    def on_committed(self, callback: Callable[[str], None] | None) -> None:
        self.primary.on_committed = callback

    @property
    def on_recognizing(self) -> Callable[[str], None] | None:
        return self.primary.on_recognizing

    @on_recognizing.setter
    def on_recognizing(self, callback: Callable[[str], None] | None) -> None:
        self.primary.on_recognizing = callback

    @property
    def on_error(self) -> Callable[[str], None] | None:
        return self.primary.on_error

    @on_error.setter
    def on_error(self, callback: Callable[[str], None] | None) -> None:
        self.primary.on_error = callback

    @property
    def on_speech_started(self) -> Callable[[], None] | None:
        """The primary's, when it has one (`SttWithSpeechStart`)."""
        return getattr(self.primary, "on_speech_started", None)

    @on_speech_started.setter
    def on_speech_started(self, callback: Callable[[], None] | None) -> None:
        cast(SttWithSpeechStart, self.primary).on_speech_started = callback

    def set_speaking(self, speaking: bool) -> None:
        self.primary.set_speaking(speaking)
        try:
            self.secondary.set_speaking(speaking)
        except Exception:  # the secondary is for comparison: nothing it does may reach the call
            log.warning("the secondary recogniser failed in set_speaking", exc_info=True)

    def finalise(self) -> None:
        """Both are told, as far as they have that part of the contract (`SttWithFinalise`)."""
        for name, recogniser in (("primary", self.primary), ("secondary", self.secondary)):
            finalise = getattr(recogniser, "finalise", None)
            if finalise is None:
                continue
            try:
                finalise()
            except Exception:  # the secondary is for comparison, and the primary says its final words when it likes
                log.warning("the %s recogniser failed in finalise", name, exc_info=True)

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        """Start the primary, which must succeed, then the secondary in the background, then share out the audio.

        What is in `inbound_queue` now was left by an earlier call and is thrown away.
        """
        while not inbound_queue.empty():
            inbound_queue.get_nowait()
        self._primary_queue = asyncio.Queue(_QUEUE_FRAMES)
        self._secondary_queue = asyncio.Queue(_QUEUE_FRAMES)
        self._secondary_listens = True
        await self.primary.start(self._primary_queue)
        self._tasks.start("secondary", self._start_secondary())
        self._tasks.start("fan-out", self._fan_out(inbound_queue))
        await asyncio.sleep(0)  # both have begun when this returns

    async def stop(self) -> None:
        """Stop both. Returns when everything has ended, or has had its chance to."""
        await self._tasks.close()
        self._share(None)
        await asyncio.gather(self._stop("primary", self.primary), self._stop("secondary", self.secondary))

    async def _start_secondary(self) -> None:
        try:
            await self.secondary.start(self._secondary_queue)
        except Exception:  # the secondary is for comparison: nothing it does may reach the call
            self._secondary_listens = False
            log.warning("the secondary recogniser did not start", exc_info=True)

    async def _stop(self, name: str, recogniser: SttProvider) -> None:
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await recogniser.stop()
        except Exception:  # one that cannot stop must not keep the other, or the call, from ending
            log.warning("the %s recogniser failed to stop", name, exc_info=True)

    async def _fan_out(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        heard = False
        while True:
            frame = await inbound_queue.get()
            if frame is not None:
                heard = True
                self._share(frame)
            elif heard and await self._is_the_end(inbound_queue):
                self._share(None)

    async def _is_the_end(self, inbound_queue: asyncio.Queue[bytes | None]) -> bool:
        """Nothing follows. A sentinel before or between the frames was left by an earlier call, and ends nothing."""
        try:
            async with asyncio.timeout(_END_GRACE_S):
                frame = await inbound_queue.get()
        except TimeoutError:
            return True
        if frame is None:
            return True
        self._share(frame)
        return False

    def _share(self, frame: bytes | None) -> None:
        if _put(self._primary_queue, frame):
            self._primary_drops += 1
            _warn("primary", self._primary_drops)
        if self._secondary_listens and _put(self._secondary_queue, frame):
            self._secondary_drops += 1
            _warn("secondary", self._secondary_drops)


def _put(queue: asyncio.Queue[bytes | None], frame: bytes | None) -> bool:
    """Whether the oldest frame had to go for `frame`."""
    full = queue.full()
    if full:
        queue.get_nowait()
    queue.put_nowait(frame)
    return full


def _warn(name: str, drops: int) -> None:
    if drops == 1 or drops % _WARN_EVERY == 0:
        log.warning("queue overflow: the %s recogniser does not keep up, %d frames dropped so far", name, drops)
