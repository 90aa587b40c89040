"""Speech in text: a voice whose audio is the letters themselves, and a recogniser that is handed what was typed.

Each letter is as many bytes as its sound would be long, so that everything that counts bytes (pacing, marks, what was
heard of a sentence that was cut) is right to the letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

__all__ = ["AT_ONCE", "SPEAKING_PACE", "TextRecogniser", "TextVoice", "letters"]

SPEAKING_PACE: Final = 15.0
"""Letters a second, of a voice of usual speed."""
AT_ONCE: Final = 2000.0
"""Letters a second: a sentence in a few hundredths of a second, and the most that there can be."""

_BYTES_PER_SECOND: Final = 8000
_CODE_BYTES: Final = 4  # of a letter in UTF-32; bytes that are sound do not happen to be any: mu-law is rarely near 0
_SILENCE: Final = b"\0" * _CODE_BYTES


def letters(audio: bytes) -> str | None:
    """What a `TextVoice` said in this piece of its audio; None for sound."""
    try:
        return audio.decode("utf-32-be").replace("\0", "")
    except UnicodeDecodeError:
        return None


class TextVoice:
    """A `StreamingTts` for a `TextLine`, `pace` letters a second. Every piece of text ends in a line break."""

    def __init__(self, pace: float = AT_ONCE) -> None:
        if not 0 < pace <= AT_ONCE:
            raise ValueError(f"pace must be more than 0, and at most {AT_ONCE:g} letters a second")
        self._pad = _SILENCE * (round(_BYTES_PER_SECOND / pace / _CODE_BYTES) - 1)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        coded = f"{text}\n".encode("utf-32-be", "replace")
        if self._pad:  # first, for a letter is heard when its sound is over
            starts = range(0, len(coded), _CODE_BYTES)
            coded = b"".join(self._pad + coded[at : at + _CODE_BYTES] for at in starts)
        yield coded


class TextRecogniser:
    """Understands what it is handed, at once. Each text is a turn of its own: whoever types ends it with Enter."""

    def __init__(self) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self.on_end_of_turn: Callable[[], None] | None = None
        self._early: list[str] = []  # what was typed before recognition was started
        self._started = False

    def hear(self, text: str) -> None:
        """The caller says this. On the call's loop."""
        if not self._started:
            self._early.append(text)
            return
        if self.on_speech_started is not None:
            self.on_speech_started()
        if self.on_committed is not None:
            self.on_committed(text)
        if self.on_end_of_turn is not None:
            self.on_end_of_turn()

    def set_speaking(self, speaking: bool) -> None:
        """Nothing: typed words are no echo."""

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        self._started = True
        early, self._early = self._early, []
        for text in early:  # not before the call's handler, which begins now too, can hear it
            asyncio.get_running_loop().call_soon(self.hear, text)

    async def stop(self) -> None:
        self._started = False
