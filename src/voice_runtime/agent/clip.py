"""Ready audio as an utterance of an agent: paused and resumed like any other, at the sample where it was cut."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from voice_runtime.agent.reply import Reply
from voice_runtime.audio.frames import SAMPLE_RATE, ms_to_bytes
from voice_runtime.events import UtteranceFinished
from voice_runtime.session import BargeIn, VoiceSession
from voice_runtime.turns.heard import Segment, heard
from voice_runtime.turns.spoken import Spoken
from voice_runtime.turns.verbalise import language_for

__all__ = ["Clip"]


class Clip(Reply):
    """Mu-law audio, whose words are `text` if anybody knows them. What was taken from a stream is kept, to resume."""

    def __init__(self, audio: bytes | AsyncIterable[bytes], text: str = "") -> None:
        super().__init__(language_for(""))
        self.close()
        self._words = " ".join(text.split())
        self._audio = bytearray(audio if isinstance(audio, bytes) else b"")
        self._more = None if isinstance(audio, bytes) else aiter(audio)
        self._heard_bytes = 0

    @property
    def ready(self) -> bool:
        return True

    @property
    def unfinished(self) -> bool:
        return self._more is not None or self._heard_bytes < len(self._audio)

    async def utter(self, call: VoiceSession) -> None:
        await call.play(self._pieces(), barge_in=BargeIn.NEVER)

    def account(self, finished: UtteranceFinished) -> None:
        self._heard_bytes += ms_to_bytes(finished.heard_ms)
        if self._words:
            whole = Segment(Spoken(self._words), len(self._audio), complete=self._more is None)
            self.heard = heard([whole], self._heard_bytes).text

    async def _pieces(self) -> AsyncIterator[bytes]:
        at = self._heard_bytes
        while at < len(self._audio):
            piece = bytes(self._audio[at : at + SAMPLE_RATE])
            at += len(piece)
            yield piece
        while self._more is not None:
            try:
                piece = await anext(self._more)
            except StopAsyncIteration:
                self._more = None
                return
            self._audio += piece
            yield piece
