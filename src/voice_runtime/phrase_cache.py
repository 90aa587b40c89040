"""Phrases that are said again and again, synthesised before they are needed: they can be said when the voice is dead.

Only phrases that somebody wants kept are made here, by tasks of the cache's own: what is said live is never diverted,
and an utterance that is interrupted cuts no phrase short. Whoever says a phrase that is just being made reads along.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import TypeAlias

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.errors import TtsError
from voice_runtime.tasks import TaskOwner, closing
from voice_runtime.tts import SpeechPart, sound_key, synthesis_of

__all__ = ["PhraseCache"]

log = logging.getLogger(__name__)

MAX_BYTES = 8_000_000
"""1000 s of speech: some 200 phrases."""
MAKING_SECONDS = 30.0
"""How long a voice may take for one phrase."""

_Key: TypeAlias = tuple[Hashable, str]


class PhraseCache:
    """Audio by voice and text, for all calls of a process. The loop's thread only.

    `max_bytes` of mu-law are kept; of more, what was not said for the longest time goes. Only a voice with a
    `sound_key` (`voice_runtime.tts`) is cached. A synthesis that fails, is cancelled or gives no audio is not kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[_Key, tuple[SpeechPart, ...]] = OrderedDict()
        self._size = 0
        self._making: dict[_Key, _Making] = {}
        self._queue: deque[_Making] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._tasks = TaskOwner("phrases")

    @property
    def size(self) -> int:
        """Bytes of audio that are kept."""
        return self._size

    def keep(self, tts: object, phrases: Iterable[str]) -> None:
        """Have these made in the background, one after the other, unless they are there. Returns at once."""
        tts = _preferred(tts) or tts
        voice = sound_key(tts)
        if voice is None:
            return
        for text in phrases:
            key = (voice, text)
            if text.strip() and key not in self._kept and key not in self._making:
                self._making[key] = _Making(key, tts)
                self._queue.append(self._making[key])
        if self._queue and self._worker is None:
            self._worker = self._tasks.start("maker", self._work())

    def stream(self, tts: object, text: str) -> AsyncIterator[SpeechPart] | None:
        """The audio of a phrase that is kept or is being made; None for any other text."""
        preferred = _preferred(tts)
        voice = sound_key(preferred or tts)
        if voice is None:
            return None
        key = (voice, text)
        if (parts := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return _replay(parts)
        if preferred is not None:
            return None  # another voice may have to take over, and here it could not
        if (making := self._making.get(key)) is not None:
            self._begin(making)
            return making.read()
        return None

    async def aclose(self) -> None:
        """Make no more. What is kept can be said still."""
        self._queue.clear()
        await self._tasks.close()
        self._making.clear()

    async def _work(self) -> None:
        try:
            while self._queue:
                making = self._queue.popleft()
                await asyncio.wait({self._begin(making)})
                if making.error is not None:  # the others would not fare better; the next call asks again
                    for other in self._queue:
                        self._making.pop(other.key, None)
                    self._queue.clear()
        finally:
            self._worker = None

    def _begin(self, making: _Making) -> asyncio.Task[None]:
        if making.task is None:
            making.task = self._tasks.start("phrase", self._make(making))
        return making.task

    async def _make(self, making: _Making) -> None:
        voice, text = making.key
        try:
            async with asyncio.timeout(MAKING_SECONDS), closing(synthesis_of(making.tts, text)) as made:
                async for part in made:
                    making.add(part)
                    if making.size > self._max_bytes:
                        raise TtsError(type(making.tts).__name__, "failed", "a phrase longer than the cache is large")
        except Exception as error:  # of the vendor's client: whoever reads along hears of it as if it spoke itself
            log.warning("a phrase could not be made beforehand: %s", error)
            making.end(error)
        except asyncio.CancelledError:
            making.end(TtsError(type(making.tts).__name__, "failed", "synthesis was cancelled"))
            raise
        else:
            making.end(None)
            if making.size:
                self._store(making)
        finally:
            self._making.pop(making.key, None)

    def _store(self, making: _Making) -> None:
        self._kept[making.key] = tuple(making.parts)
        self._size += making.size
        while self._size > self._max_bytes:
            _, parts = self._kept.popitem(last=False)
            self._size -= _size_of(parts)


class _Making:
    """A phrase while it is synthesised, and whoever reads along."""

    def __init__(self, key: _Key, tts: object) -> None:
        self.key, self.tts = key, tts
        self.parts: list[SpeechPart] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self._over = False
        self._news = asyncio.Event()

    def add(self, part: SpeechPart) -> None:
        self.parts.append(part)
        self.size += len(part) if isinstance(part, bytes) else 0
        self._tell()

    def end(self, error: Exception | None) -> None:
        self.error, self._over = error, True
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def read(self) -> AsyncIterator[SpeechPart]:
        at = 0
        while True:
            while at < len(self.parts):
                yield self.parts[at]
                at += 1
            if self.error is not None:
                raise self.error
            if self._over:
                return
            await self._news.wait()


def _preferred(tts: object) -> object | None:
    """The first voice of several (`TtsWithFallback`); None for one voice alone."""
    return getattr(tts, "preferred", None)


async def _replay(parts: tuple[SpeechPart, ...]) -> AsyncIterator[SpeechPart]:
    for part in parts:
        if not isinstance(part, bytes):
            yield part
            continue
        for at in range(0, len(part), SAMPLE_RATE):  # a second each: an interruption finds little left to hand over
            yield part[at : at + SAMPLE_RATE]


def _size_of(parts: tuple[SpeechPart, ...]) -> int:
    return sum(len(part) for part in parts if isinstance(part, bytes))
