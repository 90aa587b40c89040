"""What is heard under an agent's voice: a background that goes on through speech and silence, and a thinking sound.

Looped, at a volume, with fades. The thinking sound is never under speech: it is faded out before. Pure: bytes are asked
for, and time is their number.
"""

from __future__ import annotations

from typing import Final

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.mixing import gain

__all__ = ["Background", "Loop", "looped"]

FADE_IN_MS: Final = 200
FADE_OUT_MS: Final = 100
_STEP: Final = 8  # samples at one level while it fades: 1 ms
_SHORTEST: Final = 2 * SAMPLE_RATE  # bytes of PCM16: no piece that is asked for goes around a loop twice


def looped(ulaw: bytes, volume: float = 1.0) -> bytes:
    """Mu-law as a loop of PCM16 for any number of calls. `volume` 0.1 is 20 dB quieter, more than 1 is louder.

    Raises ValueError for no audio and for a negative volume.
    """
    if not ulaw or volume < 0:
        raise ValueError("a loop needs audio, and a volume of 0 or more")
    pcm = gain(decode_ulaw(ulaw), volume)
    return pcm * -(-_SHORTEST // len(pcm))


class Loop:
    """One sound of one call, over PCM16 of at least a second. Silent until it is wanted."""

    __slots__ = ("_at", "_level", "_pcm", "_step")

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm
        self._at = 0
        self._level = 0.0
        self._step = 0.0  # of the level in each millisecond

    @property
    def sounds(self) -> bool:
        """Whether it is heard, or about to be."""
        return self._level > 0 or self._step > 0

    def fade(self, ms: float, *, out: bool) -> None:
        """Become silent, or as loud as it is, within so long."""
        self._step = (-1 if out else 1) / max(ms, 1)

    def take(self, samples: int) -> bytes:
        """The next PCM16 of it."""
        size = 2 * samples
        piece = self._pcm[self._at : self._at + size]
        if len(piece) < size:
            piece += self._pcm[: size - len(piece)]
        self._at = (self._at + size) % len(self._pcm)
        if self._step:
            return self._faded(piece)
        return piece if self._level else bytes(size)

    def rewind(self, samples: int) -> None:
        """So much was not heard."""
        self._at = (self._at - 2 * samples) % len(self._pcm)

    def _faded(self, piece: bytes) -> bytes:
        steps = []
        for at in range(0, len(piece), 2 * _STEP):
            self._level = min(max(self._level + self._step, 0.0), 1.0)
            steps.append(gain(piece[at : at + 2 * _STEP], self._level))
        if self._level in (0.0, 1.0):
            self._step = 0.0
        return b"".join(steps)


class Background:
    """The sounds of one call. All audio is mu-law."""

    def __init__(self, ambience: bytes | None = None, thinking: bytes | None = None) -> None:
        """Each is a `looped` sound. The ambience fades in at once."""
        self._ambience = Loop(ambience) if ambience else None
        self._thinking = Loop(thinking) if thinking else None
        if self._ambience is not None:
            self._ambience.fade(FADE_IN_MS, out=False)

    @property
    def sounds(self) -> bool:
        """Whether there is anything to be heard in the agent's silence."""
        return self._ambience is not None or self.thinks

    @property
    def thinks(self) -> bool:
        """Whether the thinking sound is heard."""
        return self._thinking is not None and self._thinking.sounds

    def think(self, on: bool) -> None:
        """Begin, or fade out, the thinking sound."""
        if self._thinking is not None and (on or self._thinking.sounds):
            self._thinking.fade(FADE_IN_MS if on else FADE_OUT_MS, out=not on)

    def under(self, speech: bytes) -> bytes:
        """The speech with what goes on under it."""
        if self._ambience is None:
            return speech
        mixed = audioop.add(decode_ulaw(speech), self._ambience.take(len(speech)), 2)  # stops at the limits
        return audioop.lin2ulaw(mixed, 2)

    def alone(self, samples: int, *, speech_follows: bool = False) -> bytes:
        """What is heard without speech; when that follows, the thinking sound is gone at the end."""
        if speech_follows and self._thinking is not None:
            self._thinking.fade(samples * 1000 / SAMPLE_RATE, out=True)
        pcm = bytes(2 * samples)
        for loop in (self._ambience, self._thinking):
            if loop is not None and loop.sounds:
                pcm = audioop.add(pcm, loop.take(samples), 2)
        return audioop.lin2ulaw(pcm, 2)

    def rewind(self, samples: int) -> None:
        """The last of what was taken was not heard: it is played again."""
        for loop in (self._ambience, self._thinking):
            if loop is not None:
                loop.rewind(samples)
