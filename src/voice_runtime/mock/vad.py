"""A voice detector that finds whatever is loud, at once and the same way each time."""

from __future__ import annotations

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.audio.voicing import Voicing
from voice_runtime.vad import VoiceListener

__all__ = ["MockVad"]


class MockVad:
    """Takes for a voice what is louder than `level_dbfs`, as spelled speech is.

    A voice has begun when `min_speech` seconds of it were heard, and has ended after `min_silence` seconds without.
    For fault tests: `fail_after` seconds of audio detection fails.
    """

    def __init__(
        self,
        *,
        level_dbfs: float = -45.0,
        min_speech: float = 0.06,
        min_silence: float = 0.25,
        fail_after: float | None = None,
    ) -> None:
        self._level, self._fail_after = level_dbfs, fail_after
        self._min_speech, self._min_silence = min_speech, min_silence

    async def start(self) -> None:
        """There is nothing to load."""

    def detector(self, listener: VoiceListener) -> _Detector:
        voicing = Voicing(start=1.0, stop=1.0, min_speech=self._min_speech, min_silence=self._min_silence)
        return _Detector(voicing, listener, self._level, self._fail_after)

    async def aclose(self) -> None:
        """Nothing is left."""


class _Detector:
    def __init__(self, voicing: Voicing, listener: VoiceListener, level: float, fail_after: float | None) -> None:
        self._voicing, self._listener, self._level = voicing, listener, level
        self._fail_at = None if fail_after is None else fail_after * SAMPLE_RATE
        self._buffer = bytearray()
        self._position = 0
        self._open = True

    def feed(self, audio: bytes) -> None:
        self._buffer += audio
        while self._open and len(self._buffer) >= FRAME_BYTES:
            frame = bytes(self._buffer[:FRAME_BYTES])
            del self._buffer[:FRAME_BYTES]
            self._hear(float(level_dbfs(frame) > self._level))

    def reset(self) -> None:
        self._voicing.reset()

    def close(self) -> None:
        self._open = False

    def _hear(self, probability: float) -> None:
        begin, self._position = self._position, self._position + FRAME_BYTES
        if self._fail_at is not None and self._position > self._fail_at:
            self.close()
            self._listener.detection_failed("as the test asked")
            return
        change = self._voicing.hear(probability, begin, self._position)
        if change is None:
            return
        ago = (self._position + len(self._buffer) - change.at) / SAMPLE_RATE
        if change.voiced:
            self._listener.voice_started(ago)
        else:
            self._listener.voice_stopped(ago)
