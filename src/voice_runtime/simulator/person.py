"""What a person on the line can do, for scripts that read like a description of the call."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeAlias

from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.simulator.handset import Handset
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["Audio", "Line", "ulaw_of"]

Audio: TypeAlias = bytes | str | Path
"""mu-law bytes at 8 kHz, or the path of a WAV file of any kind."""

_KEYS = frozenset("0123456789*#ABCDabcdwW")
_SPEAKING_SECONDS = 0.2  # a pause between words is shorter: the agent still speaks


def ulaw_of(audio: Audio) -> bytes:
    return audio if isinstance(audio, bytes) else to_ulaw_8k(read_wav(audio))


class Line:
    """A person's telephone. Times are seconds of the call, whatever the speed of the simulation.

    What waits raises TimeoutError when it takes too long, and CallHangupError when the call ends meanwhile.
    """

    def __init__(self, handset: Handset) -> None:
        self._handset = handset

    @property
    def time(self) -> float:
        """Seconds since the line opened."""
        return self._handset.time

    @property
    def agent_speaks(self) -> bool:
        return self._handset.heard_anything and self._handset.quiet_for < _SPEAKING_SECONDS

    async def say(self, audio: Audio, text: str = "") -> None:
        """Say it, to its end. `text`: the words, for transcripts and pictures."""
        said = self._handset.speak(ulaw_of(audio), text)
        await self._handset.until(said, math.inf, "still speaking")

    async def interrupt_after(self, seconds: float, audio: Audio, text: str = "", *, timeout: float = 20.0) -> None:
        """Wait until the agent speaks, let it speak for `seconds`, then talk over it."""
        spoken = ulaw_of(audio)
        await self.wait_until_agent_speaks(timeout)
        await self.pause(seconds)
        said = self._handset.speak(spoken, text)
        await self._handset.until(said, math.inf, "still speaking")

    def press(self, digits: str) -> None:
        """Press keys, five a second: 0-9 * # A-D; w and W are pauses of 0.5 and 1 s."""
        if wrong := set(digits) - _KEYS:
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

    def note(self, text: str) -> None:
        """Leave a note in the transcript of the call."""
        self._handset.notes.append(Annotation(NoteKind.NOTE, self.time, self.time, text))
