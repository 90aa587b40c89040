"""Whether a recogniser that says nothing should: somebody spoke, as far as loudness tells, and no words came of it.

Loudness is a poor judge of what is speech, so this is a suspicion and no proof. Time is that of the audio.
"""

from __future__ import annotations

from typing import Final

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.utterances import Utterances

__all__ = ["Unheard"]

_SILENCE_MS: Final = 300
_PRE_ROLL_MS: Final = 100
_LONGEST_MS: Final = 5000
_SHORTEST: Final = SAMPLE_RATE // 4  # of a sound that should have words in it


class Unheard:
    """Is fed the caller's audio, and told of words. It suspects when no final words came `silent` seconds after a sound
    that ended; or, of a recogniser that also reports words before they are final, none in `talking` seconds of sound.
    """

    def __init__(self, silent: float = 2.5, talking: float = 2.0) -> None:
        self._silent, self._talking = int(silent * SAMPLE_RATE), int(talking * SAMPLE_RATE)
        self._sounds = Utterances(silence_ms=_SILENCE_MS, pre_roll_ms=_PRE_ROLL_MS, longest_ms=_LONGEST_MS)
        self._at = 0  # bytes of audio
        self._began: int | None = None  # the sound that is on
        self._ended: int | None = None  # the sound that waits for its words
        self._covered = 0  # words came up to here
        self._news = 0  # the last words of any kind came here
        self._partials = False

    def feed(self, audio: bytes) -> bool:
        """More audio. Whether there should have been words by now."""
        self._at += len(audio)
        ended = self._sounds.feed(audio)
        if self._sounds.open and self._began is None:
            self._began = self._at
        if self._began is not None and not self._sounds.open and ended:
            end = self._at - _SILENCE_MS * SAMPLE_RATE // 1000
            if end - max(self._began, self._covered) >= _SHORTEST:
                self._ended = end
            self._began = None
        if self._ended is not None and self._began is None and self._at - max(self._ended, self._news) >= self._silent:
            return True
        return self._partials and self._began is not None and self._at - max(self._began, self._news) >= self._talking

    def words(self, *, final: bool) -> None:
        """They came."""
        self._news = self._at
        if final:
            self._ended, self._covered = None, self._at
        else:
            self._partials = True

    def forgive(self) -> None:
        """There was nothing to hear in it."""
        self.words(final=True)
