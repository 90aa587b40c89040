"""From text to audio: what an utterance says, piece by piece, and how far each piece reaches in the audio of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from voice_runtime.audio.ledger import Playout
from voice_runtime.errors import TtsError
from voice_runtime.events import PlaybackOutcome, ProviderRecovered, ProviderSwitched
from voice_runtime.phrase_cache import PhraseCache
from voice_runtime.tasks import closing
from voice_runtime.tts import SpeechPart, synthesis_of
from voice_runtime.turns.heard import Segment, VoicePart, WordTime, heard, spoken_by
from voice_runtime.turns.spoken import Spoken

__all__ = ["Sound", "Speech", "closing"]


class Speech:
    """One utterance: its pieces become audio in their order, each as soon as it exists. Without a voice, it is silent.

    `pieces`: whole sentences as a rule; synthesis gives each a melody of its own. One that `phrases` has is not made
    again.
    """

    def __init__(
        self,
        tts: Any,
        text: str | AsyncIterable[str | Spoken],
        tell: Callable[[ProviderSwitched | ProviderRecovered], None] = lambda event: None,
        phrases: PhraseCache | None = None,
    ) -> None:
        self._tts = tts
        self._tell = tell
        self._phrases = phrases
        self._voices: list[VoicePart] = []  # of the piece that is being made
        self._words: list[WordTime] = []  # of the same, where the voice tells them
        self._pieces = _one(text) if isinstance(text, str) else aiter(text)
        self._segments: list[Segment] = []
        self.characters = 0
        """Given to synthesis: what vendors bill."""
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
                self._voices, self._words = [VoicePart(0, 0)], []
                async with closing(self._synthesis(spoken.text)) as made:
                    async for part in made:
                        if isinstance(part, bytes):
                            self._made(len(part))
                            yield part
                        else:
                            self._words.append(part)
                            self._made(0)
                self._made(0, complete=True)

    def _made(self, more: int, *, complete: bool = False) -> None:
        last = self._segments[-1]
        made = Segment(last.spoken, last.size + more, complete, tuple(self._words))
        self._segments[-1] = spoken_by(self._voices, made) if len(self._voices) > 1 else made

    def _changed(self, event: ProviderSwitched | ProviderRecovered) -> None:
        """Of the voice."""
        if isinstance(event, ProviderSwitched):
            self._voices.append(VoicePart(len(event.said), self._segments[-1].size))
            self._words = [word for word in self._words if word.end <= len(event.said)]
        self._tell(event)

    async def _synthesis(self, text: str) -> AsyncIterator[SpeechPart]:
        """The audio of `text`. Whatever a provider raises, also while it is being closed, is a `TtsError` here."""
        tts = self._tts
        try:
            made: AsyncIterator[SpeechPart] | None = self._phrases.stream(tts, text) if self._phrases else None
            self.characters += len(text) if made is None else 0
            if made is not None:
                pass
            elif hasattr(tts, "synthesize_told"):  # optional part of the contract: TtsWithFallback
                made = tts.synthesize_told(text, self._changed)
            elif hasattr(tts, "synthesize"):
                made = synthesis_of(tts, text)
            else:  # a provider written for 0.1 has `speak` only
                made = _from_blocking_speak(tts, text)
            async with closing(made) as parts:
                async for part in parts:
                    yield part
        except TtsError:
            raise
        except Exception as error:  # a provider from elsewhere lets its client's own exceptions out
            raise TtsError(type(tts).__name__, "failed", str(error) or repr(error)) from error

    def heard_text(self, playout: Playout, outcome: PlaybackOutcome) -> str:
        """What the caller heard of it, in whole words."""
        if not playout.queued:
            return ""  # also when it "was played": the vendor made no audio of it
        return self.text if outcome is PlaybackOutcome.PLAYED else heard(self._segments, playout.heard).text


class Sound:
    """One utterance of ready mu-law audio. Nobody knows its words."""

    known = text = ""
    characters = 0

    def __init__(self, audio: AsyncIterator[bytes]) -> None:
        self._audio = audio

    def audio(self) -> AsyncIterator[bytes]:
        return self._audio

    def heard_text(self, playout: Playout, outcome: PlaybackOutcome) -> str:
        return ""


async def _one(text: str) -> AsyncIterator[str]:
    yield text


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
