"""What a line says, frame by frame: a tone in which frames are numbered, or speech again and again."""

from __future__ import annotations

from typing import Protocol

from voice_runtime.audio.frames import FRAME_BYTES, ms_to_bytes
from voice_runtime.simulator.load.stamps import stamped_frame

__all__ = ["Caller", "Speaker", "Tone"]

_SILENCE = b"\xff" * FRAME_BYTES


class Caller(Protocol):
    """20 ms of mu-law for each frame of a call, by its number from 0."""

    def frame(self, number: int) -> bytes: ...

    def is_last_of_speech(self, number: int) -> bool:
        """Whether an answer is due after this frame."""
        ...


class Tone:
    """Never done, so never answered. Frames carry their numbers."""

    def frame(self, number: int) -> bytes:
        return stamped_frame(number)

    def is_last_of_speech(self, number: int) -> bool:
        return False


class Speaker:
    """`speech` (mu-law) after `pause` seconds of silence, again and again; `shift` frames later."""

    def __init__(self, speech: bytes, pause: float, shift: int = 0) -> None:
        speech += _SILENCE[: -len(speech) % FRAME_BYTES]
        self._spoken = [speech[at : at + FRAME_BYTES] for at in range(0, len(speech), FRAME_BYTES)]
        self._silent = ms_to_bytes(pause * 1000) // FRAME_BYTES
        self._shift = shift

    def frame(self, number: int) -> bytes:
        place = self._place(number)
        return _SILENCE if place < 0 else self._spoken[place]

    def is_last_of_speech(self, number: int) -> bool:
        return self._place(number) == len(self._spoken) - 1

    def _place(self, number: int) -> int:
        """Which frame of the speech; negative before it."""
        since = number - self._shift
        return since % (self._silent + len(self._spoken)) - self._silent if since >= 0 else -1
