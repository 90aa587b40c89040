"""The person's end of a line: a mouth and an ear, both recorded, moved forward 20 ms at a time by the network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE, SILENCE_FRAME
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.errors import CallHangupError
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["AUDIBLE_DBFS", "Handset", "Spoken"]

AUDIBLE_DBFS = -45.0
_KEY_FRAMES = 10  # 200 ms from one key to the next: 100 ms down, 100 ms up
_PAUSE_FRAMES = {"w": 25, "W": 50}


@dataclass(frozen=True, slots=True)
class Spoken:
    """What 20 ms of the person sound like: 160 bytes of mu-law, and the key pressed in them, or ""."""

    audio: bytes
    digit: str


@dataclass(slots=True)
class _Utterance:
    audio: bytes
    text: str
    spoken: int = 0


@dataclass(frozen=True, slots=True)
class _Waiter:
    condition: Callable[[], bool]
    deadline: float
    what: str | Callable[[], str]
    future: asyncio.Future[None]


class Handset:
    """`ear` and `mouth` hold everything heard and said so far, on one clock that starts when the line opens."""

    def __init__(self, *, on_hang_up: Callable[[], None]) -> None:
        self.ear = bytearray()
        self.mouth = bytearray()
        self.notes: list[Annotation] = []
        self.hang_up = on_hang_up
        self._utterances: deque[_Utterance] = deque()
        self._keys: deque[str] = deque()
        self._key_wait = 0
        self._examined = 0  # bytes of the ear that were looked at for sound
        self._last_sound: float | None = None
        self._waiters: list[_Waiter] = []
        self._closed = False

    @property
    def time(self) -> float:
        """Seconds since the line opened."""
        return len(self.mouth) / SAMPLE_RATE

    @property
    def quiet_for(self) -> float:
        """Seconds since the last sound at the ear; all of the time when there was none."""
        return self.time - self._last_sound if self._last_sound is not None else self.time

    @property
    def heard_anything(self) -> bool:
        return self._last_sound is not None

    @property
    def speaking(self) -> bool:
        return bool(self._utterances)

    @property
    def dialling(self) -> bool:
        """Keys are still to be pressed."""
        return bool(self._keys)

    # -- the person ---------------------------------------------------------------------------------------------------

    def speak(self, audio: bytes, text: str = "") -> Callable[[], bool]:
        """Say `audio` after what is being said already. Returns a function that tells whether it has been said."""
        utterance = _Utterance(audio, text)
        self._utterances.append(utterance)
        return lambda: utterance.spoken >= len(utterance.audio)

    def fall_silent(self) -> None:
        """What is being said ends here, and what was to be said after it is not said."""
        for utterance in self._utterances:
            if 0 < utterance.spoken < len(utterance.audio):
                last = max(n for n, note in enumerate(self.notes) if note.kind is NoteKind.CALLER)
                self.notes[last] = replace(self.notes[last], until=self.time)
            utterance.audio = utterance.audio[: utterance.spoken]

    def press(self, digits: str) -> None:
        self._keys.extend(digits)

    async def until(self, condition: Callable[[], bool], timeout: float, what: str | Callable[[], str]) -> None:
        """Wait for `condition`, looked at every 20 ms. `what` says what did not happen, asked at the end if need be.

        Raises TimeoutError after `timeout` seconds, CallHangupError when the call ends.
        """
        if self._closed:
            raise CallHangupError
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(condition, self.time + timeout, what, future))
        await future

    # -- the network --------------------------------------------------------------------------------------------------

    def tick(self) -> Spoken:
        """The next 20 ms of the person. Everybody who waits for something is looked after first."""
        if self._closed:
            return Spoken(SILENCE_FRAME, "")
        self._look_after_waiters()
        at, digit = self.time, self._next_digit()
        audio = SILENCE_FRAME
        while self._utterances and self._utterances[0].spoken >= len(self._utterances[0].audio):
            self._utterances.popleft()
        if self._utterances:
            utterance = self._utterances[0]
            if utterance.spoken == 0:
                self.notes.append(
                    Annotation(NoteKind.CALLER, at, at + len(utterance.audio) / SAMPLE_RATE, utterance.text)
                )
            audio = utterance.audio[utterance.spoken : utterance.spoken + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff")
            utterance.spoken += FRAME_BYTES
        self.mouth += audio
        return Spoken(audio, digit)

    def hear(self, audio: bytes) -> None:
        """`audio` reaches the ear, until the call is over."""
        if self._closed:
            return
        self.ear += audio
        while len(self.ear) - self._examined >= FRAME_BYTES:
            window = bytes(self.ear[self._examined : self._examined + FRAME_BYTES])
            self._examined += FRAME_BYTES
            if window != SILENCE_FRAME and level_dbfs(window) > AUDIBLE_DBFS:
                self._last_sound = self._examined / SAMPLE_RATE

    def close(self) -> None:
        """The call is over: whoever waits gets CallHangupError; ear and mouth are made equally long."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_exception(CallHangupError())
        self._waiters.clear()
        length = max(len(self.ear), len(self.mouth))
        for lane in (self.ear, self.mouth):
            lane += b"\xff" * (length - len(lane))

    def _next_digit(self) -> str:
        if self._key_wait:
            self._key_wait -= 1
            return ""
        if not self._keys:
            return ""
        digit = self._keys.popleft()
        self._key_wait = _PAUSE_FRAMES.get(digit, _KEY_FRAMES) - 1
        if digit in _PAUSE_FRAMES:
            return ""
        self.notes.append(Annotation(NoteKind.DTMF, self.time, self.time, digit))
        return digit

    def _look_after_waiters(self) -> None:
        still_waiting = []
        for waiter in self._waiters:
            if waiter.future.done():
                continue
            if waiter.condition():
                waiter.future.set_result(None)
            elif self.time >= waiter.deadline:
                what = waiter.what if isinstance(waiter.what, str) else waiter.what()
                waiter.future.set_exception(TimeoutError(f"{what}, after {self.time:.1f} s on the line"))
            else:
                still_waiting.append(waiter)
        self._waiters = still_waiting
