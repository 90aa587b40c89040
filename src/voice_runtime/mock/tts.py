"""A voice that can be recorded, measured, compared and read: it spells its text in tones, the same bytes every time."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Sequence

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.spelling import CHARACTERS_PER_SECOND, spell
from voice_runtime.audio.tones import silence
from voice_runtime.errors import TtsError
from voice_runtime.tasks import closing
from voice_runtime.tts import SpeechPart, SpeechSink
from voice_runtime.turns.heard import WordTime

__all__ = ["MockTts"]

log = logging.getLogger(__name__)

_CHUNK_BYTES = 800
_READABLE_BYTES = 120  # of the symbol that ends a word: as much as an ear needs
_SYMBOL_BYTES = round(SAMPLE_RATE / CHARACTERS_PER_SECOND)


class MockTts:
    """Spells what it says, 15 characters a second (`voice_runtime.audio.spelling`): `MockStt` and simulated people read
    it, at the other end of a real call.

    `spoken` holds what was said, `on_spoken` is called with it. For fault tests: after `fail_after_ms` of audio
    synthesis fails, after `stall_after_ms` it goes silent and never ends. `pauses_ms`: silence behind the first word
    of a text, behind the second, ... `word_times`: it tells when each word is over (`TimedTts`). Other keywords are
    taken and ignored, so that it can stand in for any provider.
    """

    def __init__(
        self,
        on_spoken: Callable[[str], None] | None = None,
        *,
        fail_after_ms: float | None = None,
        stall_after_ms: float | None = None,
        pauses_ms: Sequence[float] = (),
        word_times: bool = False,
        **kwargs: object,
    ) -> None:
        self.on_error: Callable[[str], None] | None = None
        self.on_spoken = on_spoken
        self.spoken: list[str] = []
        self._fail_after = fail_after_ms
        self._stall_after = stall_after_ms
        self._pauses = pauses_ms
        self._tells = word_times
        self._kwargs = kwargs

    @property
    def sound_key(self) -> Hashable:
        return ("mock", *self._pauses) if self._pauses else "mock"

    @staticmethod
    def render(text: str) -> bytes:
        """The audio of `text`, without pauses: mu-law at 8 kHz, the same bytes every time."""
        return spell(text)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """`render(text)` and the pauses, in chunks of 100 ms; see `StreamingTts`."""
        if not text:
            return
        self._say(text)
        audio, _ = self._spoken(text)
        for start in range(0, len(audio), _CHUNK_BYTES):
            if self._fail_after is not None and start >= self._fail_after * 8:
                raise TtsError("mock", "failed", "as the test asked")
            if self._stall_after is not None and start >= self._stall_after * 8:
                await asyncio.Event().wait()
            yield audio[start : start + _CHUNK_BYTES]

    async def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        """The same, with the times of its words if they are to be told."""
        words = self._spoken(text)[1] if self._tells else []
        size = 0
        async with closing(self.synthesize(text)) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                while words and words[0].seconds * SAMPLE_RATE <= size:
                    yield words.pop(0)
                yield chunk

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        """0.1's blocking speech. Unlike the vendors' it lets the mark's `TimeoutError` out, so that a test sees it."""
        self._say(text)
        if session.is_disconnected is True:
            return {"last_spoken": "", "interrupted": False, "call_disconnected": True}
        audio, _ = self._spoken(text)
        for start in range(0, len(audio), _CHUNK_BYTES):
            if stop_event is not None and stop_event.is_set():
                return {"last_spoken": text, "interrupted": True}
            if self._fail_after is not None and start >= self._fail_after * 8:
                return {"last_spoken": text, "interrupted": False, "error": self._fail()}
            chunk = audio[start : start + _CHUNK_BYTES]
            session.put_outbound_sync(chunk)
            session.tap_agent(chunk)
        session.send_mark_and_wait("tts_complete", timeout=10.0)
        return {"last_spoken": text, "interrupted": stop_event is not None and stop_event.is_set()}

    def _spoken(self, text: str) -> tuple[bytes, list[WordTime]]:
        """The audio, and when its words are over: a word is, when the symbol that ends it can be read."""
        rest, spoken, words = self.render(text), b"", []
        for word in re.finditer(r"\S+", text) if self._pauses or self._tells else ():
            symbols = len(spell(word[0])) - (_SYMBOL_BYTES if spoken else 0)  # the first symbol begins an utterance
            if symbols <= 0:
                continue  # a sign that is not spelled
            spoken, rest = spoken + rest[:symbols], rest[symbols:]
            over = len(spoken) - _SYMBOL_BYTES + _READABLE_BYTES
            words.append(WordTime(word.end(), over / SAMPLE_RATE))
            spoken += silence(self._pauses[len(words) - 1]) if len(words) <= len(self._pauses) else b""
        return spoken + rest, words

    def _say(self, text: str) -> None:
        self.spoken.append(text)
        if self.on_spoken is None:
            return
        try:
            self.on_spoken(text)
        except Exception:  # the program's own code: the double goes on, as 0.1's did
            log.exception("on_spoken failed")

    def _fail(self) -> str:
        reason = "mock_tts_failed: as the test asked"
        if self.on_error is not None:
            self.on_error(reason)
        return reason
