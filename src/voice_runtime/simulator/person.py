"""What a person on the line can do, for scripts that read like a description of the call."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from voice_runtime.audio.mumble import mumble
from voice_runtime.audio.spelling import spell
from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.errors import CallHangupError
from voice_runtime.simulator.handset import Handset
from voice_runtime.simulator.hearing import Hearing, plain_words
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["TELEPHONE_KEYS", "Audio", "Line", "Voice"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

Audio: TypeAlias = bytes | Path
"""mu-law bytes at 8 kHz, or the path of a WAV file of any kind."""

Voice: TypeAlias = Callable[[str], bytes]
"""Makes mu-law speech at 8 kHz of words. `spell` is one that mock recognisers understand."""

TELEPHONE_KEYS = frozenset("0123456789*#ABCDabcdwW")
"""And `w` and `W`, which are pauses."""

_SPEAKING_SECONDS = 0.2  # a pause between words is shorter: the agent still speaks


class Line:
    """A person's telephone. Times are seconds of the call, whatever the speed of the simulation.

    Words are said in `voice`, and understood when they are spelled, as `MockTts` and `spell` do.

    What waits raises TimeoutError when it takes too long, and CallHangupError when the call ends meanwhile.
    """

    def __init__(self, handset: Handset, voice: Voice = spell) -> None:
        self._handset = handset
        self._voice = voice
        self._hearing = Hearing(handset.ear)

    @property
    def time(self) -> float:
        """Seconds since the line opened."""
        return self._handset.time

    @property
    def ear(self) -> bytearray:
        """What was heard so far, mu-law; it grows."""
        return self._handset.ear

    @property
    def agent_speaks(self) -> bool:
        return self._handset.heard_anything and self._handset.quiet_for < _SPEAKING_SECONDS

    @property
    def heard(self) -> str:
        """The agent's words so far, in lower case; not the word that it is saying."""
        return self._hearing.heard.text

    async def say(self, words: str | Audio, text: str = "") -> None:
        """Say it, to its end: words, or audio, whose words `text` are for transcripts and pictures."""
        await self._speak(*self._rendered(words, text))

    async def play(self, audio: str | Audio, text: str = "") -> None:
        """Let the agent hear audio, to its end. Here a string is a path."""
        await self.say(Path(audio) if isinstance(audio, str) else audio, text)

    async def mumble(self, seconds: float) -> None:
        """Say something that nobody can understand: a voice, and no words."""
        await self.say(mumble(seconds), "(mumbling)")

    async def interrupt_after(
        self, seconds: float, words: str | Audio, text: str = "", *, timeout: float = 20.0
    ) -> None:
        """Wait until the agent speaks, let it speak for `seconds`, then talk over it, as `say` does."""
        spoken = self._rendered(words, text)
        await self.wait_until_agent_speaks(timeout)
        await self.pause(seconds)
        await self._speak(*spoken)

    def _rendered(self, words: str | Audio, text: str) -> tuple[bytes, str]:
        if isinstance(words, Path):
            return to_ulaw_8k(read_wav(words)), text
        if isinstance(words, bytes):
            return words, text
        if words.lower().endswith(".wav"):
            raise ValueError(f"a string is words to say: the audio of a file is Path({words!r})")
        return self._voice(words), text or words

    def begin_to_say(self, words: str | Audio, text: str = "") -> Callable[[], bool]:
        """`say`, without waiting: returns a function that tells whether it has been said."""
        return self._handset.speak(*self._rendered(words, text))

    async def _speak(self, audio: bytes, text: str) -> None:
        await self._handset.until(self._handset.speak(audio, text), math.inf, "still speaking")

    async def hears(self, text: str, timeout: float = 10.0) -> None:
        """Wait until the agent has said these words, one after the other, since those that were waited for before.

        Case and punctuation do not matter. What the agent said since then may have been said already. Raises
        TimeoutError, which says what was heard instead: also when the call ends without these words.
        """
        words = plain_words(text)
        if not words:
            raise ValueError(f"there is no word to hear in {text!r}")

        def what() -> str:
            return f"did not hear {text!r} within {timeout:g} s, but {self._hearing.since_taken!r}"

        try:
            await self._handset.until(lambda: self._hearing.take(words), timeout, what)
        except CallHangupError:
            if not self._hearing.take(words):
                raise TimeoutError(f"the call ended before {text!r}; heard: {self._hearing.since_taken!r}") from None

    def press(self, digits: str) -> None:
        """Press keys, five a second: 0-9 * # A-D; w and W are pauses of 0.5 and 1 s."""
        if wrong := set(digits) - TELEPHONE_KEYS:
            raise ValueError(f"a telephone has no key {min(wrong)!r}")
        self._handset.press(digits)

    async def wait_until_keys_pressed(self, timeout: float = 20.0) -> None:
        await self._handset.until(lambda: not self._handset.dialling, timeout, "keys are still being pressed")

    async def wait_until_agent_speaks(self, timeout: float = 10.0) -> None:
        """Returns at once when the agent speaks already."""
        await self._handset.until(lambda: self.agent_speaks, timeout, f"the agent said nothing within {timeout} s")

    async def wait_until_agent_stops(self, quiet_ms: float = 700.0, timeout: float = 30.0) -> None:
        """Returns when the agent has been quiet for `quiet_ms`, which may have been so before."""
        await self._handset.until(
            lambda: self._handset.quiet_for * 1000 >= quiet_ms, timeout, f"the agent still speaks after {timeout} s"
        )

    async def hear_out(self, quiet_ms: float = 700.0, timeout: float = 30.0) -> None:
        """Wait until the agent has said something and then stopped."""
        await self.wait_until_agent_speaks(timeout)
        await self.wait_until_agent_stops(quiet_ms, timeout)

    async def pause(self, seconds: float) -> None:
        end = self.time + seconds - 1e-9
        await self._handset.until(lambda: self.time >= end, math.inf, "pausing")

    async def stay(self, timeout: float = 60.0) -> None:
        """Stay on the line until the other side hangs up, which raises CallHangupError like everywhere else."""
        await self._handset.until(lambda: False, timeout, f"nobody hung up within {timeout} s")

    def hang_up(self) -> None:
        self._handset.hang_up()

    async def until(self, condition: Callable[[], bool], timeout: float = math.inf, what: str = "waiting") -> None:
        """Wait for anything: `condition` is looked at every 20 ms. `what` did not happen, says the TimeoutError."""
        await self._handset.until(condition, timeout, what)

    def fall_silent(self) -> None:
        """Stop in the middle of the word, and say nothing of what was still to be said."""
        self._handset.fall_silent()

    def note(self, text: str, kind: NoteKind = NoteKind.NOTE) -> None:
        """Leave a note in the transcript of the call."""
        self._handset.notes.append(Annotation(kind, self.time, self.time, text))
