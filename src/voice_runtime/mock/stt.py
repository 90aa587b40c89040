"""A recogniser that reads spelled speech, or hears what the test says when the test says it, and fails on request."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable

from voice_runtime.audio.frames import split_frames
from voice_runtime.audio.spelling import SpelledWord, SpellingReader
from voice_runtime.errors import SttError
from voice_runtime.stt import SttFailure, SttFault
from voice_runtime.tasks import TaskOwner

__all__ = ["MockStt"]

log = logging.getLogger(__name__)

_BYTES_PER_MS = 8
_BETWEEN_WORDS_S = 0.1


class _Reading:
    """Spelled speech as a recogniser reports it: `say(text so far, final)`, with no text yet when somebody begins."""

    def __init__(self, say: Callable[[str, bool], None], end_of_speech: float) -> None:
        self._say = say
        self._end_of_speech = end_of_speech
        self._reader = SpellingReader()
        self._words: list[str] = []
        self._speaking = False

    def feed(self, audio: bytes) -> None:
        for frame in split_frames(audio, pad=None):  # the end of speech can be in the middle of a larger piece
            self._feed(frame)

    def _feed(self, audio: bytes) -> None:
        reader, symbols = self._reader, self._reader.symbols
        words = reader.feed(audio)
        if reader.symbols != symbols and not self._speaking:
            self._speaking = True
            self._say("", False)
        self._add(words)
        if self._speaking and self.silent_s >= self._end_of_speech:
            self._end()

    @property
    def silent_s(self) -> float:
        """Audio since the last that was part of a word."""
        return self._reader.position_s - self._reader.heard_until_s

    def finish(self) -> None:
        self._add(self._reader.finish())
        if self._speaking:
            self._end()

    def _add(self, words: list[SpelledWord]) -> None:
        for word in words:
            self._words.append(word.text)
            self._say(" ".join(self._words), False)

    def _end(self) -> None:
        text = " ".join(self._words)
        self._words.clear()
        self._speaking = False
        self._say(text, True)


class MockStt:
    """Reads spelled speech: what `MockTts` says, and what simulated people say. Lower case; see `audio.spelling`.

    Every word makes an interim text, and `end_of_speech_ms` of audio without any, or the end of the audio, the final
    one. Time is that of the audio, however fast it comes: the same audio, the same texts.

    Or it is told what it hears, and then it does not read: by `inject`, from any thread, and by `script`, pairs of
    milliseconds of audio and a text that is committed when that much audio has arrived.

    For fault tests: `fail_start` (True, or the exception to raise) makes `start` fail; `die_after_ms` of audio
    ends recognition with one `on_error`; after `stall_after_ms` nothing is read or committed any more, and nothing is
    said about it; after `deaf_after_ms` it hears that somebody speaks, and finds no words. Other
    keywords are taken and ignored, so that it can stand in for any provider.
    """

    def __init__(
        self,
        *,
        script: Iterable[tuple[float, str]] = (),
        end_of_speech_ms: float = 600.0,
        fail_start: bool | Exception = False,
        die_after_ms: float | None = None,
        stall_after_ms: float | None = None,
        deaf_after_ms: float | None = None,
        **kwargs: object,
    ) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self.heard_bytes = 0
        self.speaking = False
        self._script = sorted(script, key=lambda line: line[0])
        self._end_of_speech = end_of_speech_ms / 1000
        self._fail_start = fail_start
        self._die_after = die_after_ms
        self._stall_after = stall_after_ms
        self._deaf_after = deaf_after_ms
        self._kwargs = kwargs
        self._injected: deque[tuple[str, bool]] = deque()
        self._told = bool(self._script)
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._utterance_begun = False
        self._reading: _Reading | None = None
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

    def finalise(self) -> None:
        """The caller is silent: what was read is final now. Ignored in the middle of a word."""
        if self._reading is not None and self._reading.silent_s >= _BETWEEN_WORDS_S:
            self._reading.finish()

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
        self._told = True
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
        self._begin_utterance()
        if final:
            self._utterance_begun = False
        self._call(self.on_committed if final else self.on_recognizing, text)

    async def _listen(self, inbound_queue: asyncio.Queue[bytes | None], script: deque[tuple[float, str]]) -> None:
        self.heard_bytes = 0
        reading = self._reading = _Reading(self._say_read, self._end_of_speech)
        while True:
            if self._die_after is not None and self.audio_ms >= self._die_after:
                self._call(self.on_error, SttFault("mock_died", SttFailure.CRASHED, "mock"))
                return
            if self._stall_after is not None and self.audio_ms >= self._stall_after:
                self._reading = None
                return
            frame = await inbound_queue.get()
            if frame is None:
                reading.finish()  # the end of the audio, or what an earlier call left: injected texts still count
                continue
            self.heard_bytes += len(frame)
            reading.feed(frame)
            while script and self.audio_ms >= script[0][0]:
                self._say(script.popleft()[1], final=True)

    def _say_read(self, text: str, final: bool) -> None:
        if self._told:
            return
        if self._deaf_after is not None and self.audio_ms >= self._deaf_after:
            if not text and not final:
                self._call(self.on_speech_started)
            return
        if text:
            self._say(text, final=final)
        elif final:
            self._utterance_begun = False  # it was cut off before anything could be understood
        else:
            self._begin_utterance()

    def _begin_utterance(self) -> None:
        if not self._utterance_begun:
            self._utterance_begun = True
            self._call(self.on_speech_started)

    def _call(self, callback: Callable[..., None] | None, *arguments: str) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception:  # the program's own code: the double goes on, as the vendors do
            log.exception("a speech recognition callback failed")
