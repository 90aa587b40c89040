"""A raw-audio client that sends a whole WAV file per message, and gets one back for each: what is said until then.

Nobody plays the agent's audio while it is made. So it counts as heard as soon as it is here, and the file goes out when
the agent has said something and is done. What the agent says of its own accord is at the beginning of the next file.
"""

from __future__ import annotations

import asyncio
from typing import Final, assert_never

from voice_runtime.audio import read_wav, to_ulaw_8k
from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_BYTE
from voice_runtime.clock import time_held
from voice_runtime.errors import AudioFormatError
from voice_runtime.events import CallEnded, CallEvent, ConversationState, StateChanged
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CallPort, OutboundAudio, OutboundClear, OutboundItem, OutboundMark
from voice_runtime.transports.raw_audio import wav_of
from voice_runtime.transports.raw_line import Microphone
from voice_runtime.transports.raw_outgoing import Outgoing
from voice_runtime.wire.raw import encode

__all__ = ["FilesLine"]

MAX_WAITING: Final = 4
"""Files that wait for their answers: a client that sends more does not wait for any."""
MAX_SECONDS: Final = 120.0
"""Longest file, and longest answer."""
MIN_RATE: Final = 4000
MAX_RATE: Final = 96_000
"""Hz. The answer has the rate of the question: with any rate that a header can name, it would fill the memory."""
SPEED: Final = 8
"""So many times as fast as it was spoken a file is handed to the recogniser."""
STEP_SECONDS: Final = 0.02
SILENCE_SECONDS: Final = 1.0
"""Behind each file: by that, recognisers know that it is over."""
OPENING_SECONDS: Final = 0.5
DONE_SECONDS: Final = 0.4
"""After so long without a sound an agent that is not busy is done."""
ANSWER_SECONDS: Final = 60.0
"""After so long without an answer it is an empty file."""
BUSY: Final = (ConversationState.THINKING, ConversationState.SPEAKING)


class FilesLine:
    """One client."""

    def __init__(self, call: CallPort, out: Outgoing) -> None:
        self._call = call
        self._out = out
        self._loop = asyncio.get_running_loop()
        self._microphone = Microphone(call)
        self._files: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._said = bytearray()  # by the agent, since the last answer
        self._proven = 0  # so much of it is before a mark
        self._state = ConversationState.IDLE
        self._news = asyncio.Event()
        self._awaited = False
        self._rate = SAMPLE_RATE  # of the file that is being answered

    # -- what comes in ---------------------------------------------------------------------------------------------

    def heard(self, data: bytes) -> None:
        try:
            self._files.put_nowait(data)
        except asyncio.QueueFull:
            self._complain("too many files wait for their answers")

    def mark_played(self, name: str) -> None:
        self._complain("files have no marks")

    def _complain(self, message: str) -> None:
        self._out.put(encode("error", code="bad_audio", message=message))

    # -- what the call says ----------------------------------------------------------------------------------------

    def outbound(self, item: OutboundItem) -> bool:
        match item:
            case OutboundAudio(payload=payload):
                if len(self._said) < MAX_SECONDS * SAMPLE_RATE:
                    self._said += payload
            case OutboundMark(name=name):
                self._proven = len(self._said)
                self._loop.call_soon(self._call.signal_mark_received, name)  # not from within its own sending
            case OutboundClear():
                del self._said[self._proven :]
            case _:
                assert_never(item)
        self._news.set()
        return True

    def told(self, event: CallEvent) -> None:
        if isinstance(event, StateChanged):
            self._state = event.state
            self._news.set()
        elif isinstance(event, CallEnded) and self._awaited:  # before it was done: this is all there is
            self._answer(len(self._said), wav_of(bytes(self._said), self._rate))

    # -- one file after the other ----------------------------------------------------------------------------------

    async def run(self) -> None:
        tasks = TaskOwner("raw-files")
        tasks.start("microphone", self._microphone.run())
        try:
            await self._quiet(OPENING_SECONDS)  # a greeting is not to be talked over
            while True:
                await self._converse(await self._files.get())
        finally:
            await tasks.close()

    async def _converse(self, file: bytes) -> None:
        try:
            with time_held(self._loop, "reading a file"):
                self._rate, ulaw = await asyncio.to_thread(_read, file)
        except AudioFormatError as error:
            self._complain(str(error))
            return
        self._awaited = True
        before = len(self._said)
        await self._say(ulaw)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while len(self._said) <= before or self._state in BUSY:
                    await self._next()
                    await self._quiet(DONE_SECONDS)
        except TimeoutError:
            pass  # nothing was understood, or nothing is to be said
        said = bytes(self._said)
        with time_held(self._loop, "writing a file"):
            answer = await asyncio.to_thread(wav_of, said, self._rate)
        if self._awaited:
            self._answer(len(said), answer)

    async def _say(self, ulaw: bytes) -> None:
        ulaw += bytes([SILENCE_BYTE]) * int(SILENCE_SECONDS * SAMPLE_RATE)
        step = int(SPEED * STEP_SECONDS * SAMPLE_RATE)
        for start in range(0, len(ulaw), step):
            self._microphone.hear(ulaw[start : start + step])
            await asyncio.sleep(STEP_SECONDS)

    def _answer(self, size: int, file: bytes) -> None:
        """`size`: so much of what was said is in the file."""
        self._awaited = False
        del self._said[:size]
        self._proven = max(self._proven - size, 0)
        self._out.put(file)

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _quiet(self, seconds: float) -> None:
        """Wait until nothing has happened for so long."""
        while True:
            try:
                async with asyncio.timeout(seconds):
                    await self._next()
            except TimeoutError:
                return

    def close(self) -> None:
        pass


def _read(file: bytes) -> tuple[int, bytes]:
    """The rate of a WAV file, and its audio as mu-law. Raises `AudioFormatError`."""
    wav = read_wav(file)
    if not MIN_RATE <= wav.rate <= MAX_RATE:
        raise AudioFormatError(f"a file has {MIN_RATE} to {MAX_RATE} Hz")
    if wav.duration > MAX_SECONDS:
        raise AudioFormatError(f"a file lasts at most {MAX_SECONDS:g} s")
    return wav.rate, to_ulaw_8k(wav)
