"""A recogniser that hears what the test says, when the test says it, and fails on request."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable

from voice_runtime.errors import SttError
from voice_runtime.stt import SttFailure, SttFault
from voice_runtime.tasks import TaskOwner

__all__ = ["MockStt"]

log = logging.getLogger(__name__)

_BYTES_PER_MS = 8


class MockStt:
    """Commits texts from `inject`, from any thread, and from `script`: pairs of milliseconds of audio and a text.

    A scripted text is committed when that much audio has arrived, however fast it came: the same audio, the same
    texts. For fault tests: `fail_start` (True, or the exception to raise) makes `start` fail; `die_after_ms` of audio
    ends recognition with one `on_error`; after `stall_after_ms` nothing is read or committed any more, and nothing is
    said about it. Other keywords are taken and ignored, so that it can stand in for any provider.
    """

    def __init__(
        self,
        *,
        script: Iterable[tuple[float, str]] = (),
        fail_start: bool | Exception = False,
        die_after_ms: float | None = None,
        stall_after_ms: float | None = None,
        **kwargs: object,
    ) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self.heard_bytes = 0
        self.speaking = False
        self._script = sorted(script, key=lambda line: line[0])
        self._fail_start = fail_start
        self._die_after = die_after_ms
        self._stall_after = stall_after_ms
        self._kwargs = kwargs
        self._injected: deque[tuple[str, bool]] = deque()
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._utterance_begun = False
        self._tasks = TaskOwner("mock_stt")

    @property
    def audio_ms(self) -> float:
        """How much audio has arrived."""
        return self.heard_bytes / _BYTES_PER_MS

    def inject(self, text: str) -> None:
        """The caller said this. From any thread, also before `start`."""
        self._inject(text, final=True)

    def inject_partial(self, text: str) -> None:
        """The caller seems to be saying this. From any thread."""
        self._inject(text, final=False)

    def set_speaking(self, speaking: bool) -> None:
        """Noted in `speaking`. Nothing is dropped: a test says what is heard."""
        self.speaking = speaking

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        if isinstance(self._fail_start, Exception):
            raise self._fail_start
        if self._fail_start:
            raise SttError("mock", SttFailure.START_FAILED.value, "as the test asked")
        await self.stop()
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        self._wake.set()
        self._tasks.start("injected", self._say_injected(self._wake))
        self._tasks.start("audio", self._listen(inbound_queue, deque(self._script)))

    async def stop(self) -> None:
        await self._tasks.close()
        self._wake = None

    def _inject(self, text: str, *, final: bool) -> None:
        self._injected.append((text, final))
        loop, wake = self._loop, self._wake
        if loop is None or wake is None:
            return
        try:
            loop.call_soon_threadsafe(wake.set)
        except RuntimeError:
            log.debug("mock stt: the event loop is closed, an injected text waits for the next start")

    async def _say_injected(self, wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            while self._injected:
                text, final = self._injected.popleft()
                self._say(text, final=final)

    def _say(self, text: str, *, final: bool) -> None:
        if not self._utterance_begun:
            self._utterance_begun = True
            self._call(self.on_speech_started)
        if final:
            self._utterance_begun = False
        self._call(self.on_committed if final else self.on_recognizing, text)

    async def _listen(self, inbound_queue: asyncio.Queue[bytes | None], script: deque[tuple[float, str]]) -> None:
        self.heard_bytes = 0
        while True:
            if self._die_after is not None and self.audio_ms >= self._die_after:
                self._call(self.on_error, SttFault("mock_died", SttFailure.CRASHED, "mock"))
                return
            if self._stall_after is not None and self.audio_ms >= self._stall_after:
                return
            frame = await inbound_queue.get()
            if frame is None:
                continue  # the end of the audio, or what an earlier call left: injected texts still count
            self.heard_bytes += len(frame)
            while script and self.audio_ms >= script[0][0]:
                self._say(script.popleft()[1], final=True)

    def _call(self, callback: Callable[..., None] | None, *arguments: str) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception:  # the program's own code: the double goes on, as the vendors do
            log.exception("a speech recognition callback failed")
