"""The caller's sound: a tone in which each 20 ms frame carries its number, so that an echo tells which frame it is."""

from __future__ import annotations

from collections.abc import Iterator

from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.audio.tones import beep

__all__ = ["StampFinder", "stamped_frame"]

_MAGIC = b"\x00\x80\x00"
"""Three samples from end to end of the range: not in the tone, and not touched by mu-law to PCM and back."""
_STAMP_BYTES = 6
_DIGIT = 64
_LOWEST = 1  # of the 64 sample values of a digit: none is a zero, of which mu-law has two
_TONE = beep(400, 20)[_STAMP_BYTES:FRAME_BYTES]


def stamped_frame(number: int) -> bytes:
    """Frame `number` of a call, 160 bytes of mu-law. Numbers come round after 87 minutes."""
    digits = (number // _DIGIT**2 % _DIGIT, number // _DIGIT % _DIGIT, number % _DIGIT)
    return _MAGIC + bytes(_LOWEST + digit for digit in digits) + _TONE


class StampFinder:
    """Finds the numbers in a stream of mu-law, however it is cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, audio: bytes) -> Iterator[int]:
        """The numbers of the frames that begin in `audio`, or were begun before it."""
        if self._rest:
            audio = self._rest + audio
        at = audio.find(_MAGIC)
        end = 0
        while at >= 0 and at + _STAMP_BYTES <= len(audio):
            first, second, third = audio[at + 3 : at + _STAMP_BYTES]
            end = at + _STAMP_BYTES
            yield ((first - _LOWEST) * _DIGIT + second - _LOWEST) * _DIGIT + third - _LOWEST
            at = audio.find(_MAGIC, end)
        self._rest = audio[max(end, len(audio) - _STAMP_BYTES + 1) :] if at < 0 else audio[at:]
