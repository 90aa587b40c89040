"""From text to audio: what an utterance says, piece by piece, and how far each piece reaches in the audio of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from voice_runtime.audio.ledger import Playout
from voice_runtime.errors import TtsError
from voice_runtime.events import PlaybackOutcome
from voice_runtime.turns.heard import Segment, heard
from voice_runtime.turns.spoken import Spoken

__all__ = ["Sound", "Speech", "closing"]


class Speech:
    """One utterance: its pieces become audio in their order, each as soon as it exists. Without a voice, it is silent.

    `pieces`: whole sentences as a rule; synthesis gives each a melody of its own.
    """

    def __init__(self, tts: Any, text: str | AsyncIterable[str | Spoken]) -> None:
        self._tts = tts
        self._pieces = _one(text) if isinstance(text, str) else aiter(text)
        self._segments: list[Segment] = []
        self.known = text if isinstance(text, str) else ""
        """The text, as far as it is known before anything is said."""

    @property
    def text(self) -> str:
        """What was to be said, as far as it exists."""
        return self.known or " ".join(" ".join(segment.spoken.source for segment in self._segments).split())

    async def audio(self) -> AsyncIterator[bytes]:
        """Mu-law. Raises `TtsError`."""
        async with closing(self._pieces):
            async for piece in self._pieces:
                spoken = Spoken(piece) if isinstance(piece, str) else piece
                self._segments.append(Segment(spoken, 0, complete=False))
                async with closing(_synthesis(self._tts, spoken.text)) as made:
                    async for chunk in made:
                        size = self._segments[-1].size + len(chunk)
                        self._segments[-1] = Segment(spoken, size, complete=False)
                        yield chunk
                self._segments[-1] = Segment(spoken, self._segments[-1].size)

    def heard_text(self, playout: Playout, outcome: PlaybackOutcome) -> str:
        """What the caller heard of it, in whole words."""
        if not playout.queued:
            return ""  # also when it "was played": the vendor made no audio of it
        return self.text if outcome is PlaybackOutcome.PLAYED else heard(self._segments, playout.heard).text


class Sound:
    """One utterance of ready mu-law audio. Nobody knows its words."""

    known = text = ""

    def __init__(self, audio: AsyncIterator[bytes]) -> None:
        self._audio = audio

    def audio(self) -> AsyncIterator[bytes]:
        return self._audio

    def heard_text(self, playout: Playout, outcome: PlaybackOutcome) -> str:
        return ""


async def _one(text: str) -> AsyncIterator[str]:
    yield text


@asynccontextmanager
async def closing(stream: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close the maker of a stream as soon as nobody wants the rest: at a vendor, every second costs."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)  # generators have it, a plain iterator need not
        if close is not None:
            await close()


async def _synthesis(tts: Any, text: str) -> AsyncIterator[bytes]:
    """The audio of `text`. Whatever a provider raises, also while it is being closed, is a `TtsError` here."""
    try:
        # A provider written for 0.1 has `speak` only.
        made = tts.synthesize(text) if hasattr(tts, "synthesize") else _from_blocking_speak(tts, text)
        async with closing(made):
            async for chunk in made:
                yield chunk
    except TtsError:
        raise
    except Exception as error:  # a provider from elsewhere lets its client's own exceptions out
        raise TtsError(type(tts).__name__, "failed", str(error) or repr(error)) from error


async def _from_blocking_speak(tts: Any, text: str) -> AsyncIterator[bytes]:
    """A provider that only knows 0.1's `speak`, in a thread of its own, as a stream."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
    stop = threading.Event()

    def deliver(item: bytes | BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(chunks.put_nowait, item)
        except RuntimeError:
            stop.set()  # the loop is gone

    def work() -> None:
        try:
            result = tts.speak(text, _Sink(deliver, stop), stop)
            error = result.get("error") if isinstance(result, dict) else None
            deliver(TtsError(type(tts).__name__, "failed", str(error)) if error else None)
        except BaseException as error:  # whatever it was belongs to the one who reads the stream
            deliver(error)

    threading.Thread(target=work, name="speak", daemon=True).start()
    try:
        while True:
            item = await chunks.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                if isinstance(item, TtsError):
                    raise item
                raise TtsError(type(tts).__name__, "failed", str(item)) from item
            yield item
    finally:
        stop.set()


class _Sink:
    """What a blocking `speak` takes for its session."""

    def __init__(self, deliver: Any, stop: threading.Event) -> None:
        self._deliver, self._stop = deliver, stop

    @property
    def is_disconnected(self) -> bool:
        return self._stop.is_set()

    @property
    def loop(self) -> None:
        return None

    def put_outbound_sync(self, data: bytes) -> None:
        self._deliver(data)

    def tap_agent(self, data: bytes) -> None:
        pass

    def send_mark_and_wait(self, name: str, timeout: float = 10.0) -> None:
        """The stream's reader sets the mark."""
