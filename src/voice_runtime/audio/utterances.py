"""Cutting a caller's audio into utterances by its loudness, for recognisers that want whole ones.

Energy is a poor judge of what is speech. With a voice detector on the call, `cut` is called at the end of the voice and
this only holds the audio; without, a pause is the end.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from voice_runtime.audio.frames import ms_to_bytes
from voice_runtime.audio.measure import level_dbfs

__all__ = ["Utterances"]

_WINDOW: Final = ms_to_bytes(20)
_ONSET_WINDOWS: Final = 3  # so many loud windows of the last five begin an utterance
_QUIETEST_DBFS: Final = -50.0
_ABOVE_FLOOR_DB: Final = 10.0


class Utterances:
    """Takes mu-law (8 kHz) of any chunking, gives whole utterances with `pre_roll_ms` of what was before.

    One ends `silence_ms` after its last loud 20 ms, or when it is `longest_ms` long. What is louder than the noise by
    10 dB is loud; the noise is what is heard between utterances.
    """

    def __init__(self, *, silence_ms: float = 600, pre_roll_ms: float = 300, longest_ms: float = 30_000) -> None:
        self._silence = round(silence_ms / 20)
        self._longest = ms_to_bytes(longest_ms)
        self._before: deque[bytes] = deque(maxlen=max(1, round(pre_roll_ms / 20)))
        self._recent: deque[bool] = deque(maxlen=5)
        self._noise = -70.0
        self._odd = b""  # less than a window
        self._audio = bytearray()
        self._quiet = 0  # windows since the last loud one
        self.open = False

    def feed(self, ulaw: bytes) -> list[bytes]:
        """The utterances that ended in it."""
        data = self._odd + ulaw
        whole = len(data) - len(data) % _WINDOW
        self._odd = data[whole:]
        ended = (self._window(data[at : at + _WINDOW]) for at in range(0, whole, _WINDOW))
        return [audio for audio in ended if audio]

    def cut(self) -> bytes:
        """End the utterance here. Empty when there is none."""
        if not self.open:
            return b""
        audio = bytes(self._audio) + self._odd
        self._odd, self.open = b"", False
        self._audio.clear()
        self._recent.clear()
        return audio

    def _window(self, window: bytes) -> bytes:
        level = level_dbfs(window)
        loud = level > max(_QUIETEST_DBFS, self._noise + _ABOVE_FLOOR_DB)
        self._recent.append(loud)
        if not self.open:
            # It falls at once and rises slowly, so that a voice does not become the noise it is compared with.
            self._noise = level if level < self._noise else self._noise + 0.02 * (level - self._noise)
            self._before.append(window)
            if sum(self._recent) >= _ONSET_WINDOWS:
                self.open, self._quiet = True, 0
                self._audio += b"".join(self._before)
                self._before.clear()
            return b""
        self._audio += window
        self._quiet = 0 if loud else self._quiet + 1
        return self.cut() if self._quiet >= self._silence or len(self._audio) >= self._longest else b""
