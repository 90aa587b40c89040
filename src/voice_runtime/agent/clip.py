"""Ready audio as an utterance of an agent: paused and resumed like any other, at the sample where it was cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator

from voice_runtime.agent.reply import Reply
from voice_runtime.audio.frames import SAMPLE_RATE, ms_to_bytes
from voice_runtime.events import PlaybackOutcome, UtteranceFinished
from voice_runtime.session import BargeIn, VoiceSession
from voice_runtime.turns.heard import Segment, heard
from voice_runtime.turns.spoken import Spoken
from voice_runtime.turns.verbalise import language_for

__all__ = ["Clip"]

log = logging.getLogger(__name__)


class Clip(Reply):
    """Mu-law audio, whose words are `text` if anybody knows them. What was taken from a stream is kept, to resume."""

    def __init__(self, audio: bytes | AsyncIterable[bytes], text: str = "") -> None:
        super().__init__(language_for(""))
        self.close()
        self._words = " ".join(text.split())
        self._audio = bytearray(audio if isinstance(audio, bytes) else b"")
        self._more = None if isinstance(audio, bytes) else aiter(audio)
        self._next: asyncio.Task[bytes] | None = None  # the next piece of the stream
        self._heard_bytes = 0

    @property
    def ready(self) -> bool:
        return True

    @property
    def unfinished(self) -> bool:
        return self._more is not None or self._heard_bytes < len(self._audio)

    async def utter(self, call: VoiceSession) -> None:
        await call.play(self._pieces(call), barge_in=BargeIn.NEVER)

    def account(self, finished: UtteranceFinished) -> None:
        self._heard_bytes += ms_to_bytes(finished.heard_ms)
        if self._words:
            whole = Segment(Spoken(self._words), len(self._audio), complete=self._more is None)
            self.heard = heard([whole], self._heard_bytes).text

    def over(self, outcome: PlaybackOutcome) -> None:
        if self._next is not None:
            self._next.cancel()
        super().over(outcome)

    async def _pieces(self, call: VoiceSession) -> AsyncIterator[bytes]:
        at = self._heard_bytes
        while at < len(self._audio):
            piece = bytes(self._audio[at : at + SAMPLE_RATE])
            at += len(piece)
            yield piece
        while self._more is not None:
            if self._next is None:
                self._next = call.tasks.start("clip", self._taken(self._more))
            piece = await asyncio.shield(self._next)  # a pause of the agent's does not end the stream
            self._next = None
            self._audio += piece
            yield piece

    async def _taken(self, more: AsyncIterator[bytes]) -> bytes:
        """The next piece; none at the end."""
        try:
            return await anext(more)
        except StopAsyncIteration:
            self._more = None
        except Exception:  # the program's own: what there is of it is heard, and it has failed
            log.exception("a stream of audio broke off")
            self._more = None
            self.give_up()
        return b""
