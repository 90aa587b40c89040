"""A call without sound: what the caller types goes in, what the caller would hear comes out. The same call, else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import assert_never

from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CallInfo, CallPort, OutboundAudio, OutboundClear, OutboundItem, OutboundMark
from voice_runtime.transports.text_speech import TextRecogniser, letters

__all__ = ["TextLine"]

_BYTES_PER_SECOND = 8000
_ROUNDING = 1e-6  # seconds: less than a byte


class TextLine:
    """A `MediaTransport` for a session that speaks with `TextVoice` and hears with this line's `recogniser`.

    Audio is played as a carrier does: in its time, with marks echoed when everything before them was heard. `on_heard`
    is called with each piece of text when the caller has heard it: sentences end in a line break, and so does
    "(1.5 s of sound)".
    """

    def __init__(self, info: CallInfo | None = None, on_heard: Callable[[str], None] | None = None) -> None:
        self.info = info or CallInfo(call_sid="CA-text", stream_sid="MZ-text")
        self.recogniser = TextRecogniser()
        self.heard = ""
        """Everything that was heard so far."""
        self._on_heard = on_heard
        self._call: CallPort | None = None
        self._playing: deque[tuple[float, OutboundAudio | OutboundMark]] = deque()  # and when each is over
        self._ends_at = 0.0
        self._sound = 0.0  # seconds of sound that were heard since the last text
        self._timer: asyncio.TimerHandle | None = None
        self._put_down = asyncio.Event()

    # -- the caller, on the loop. After the end of the call: CallHangupError -------------------------------------------

    def say(self, text: str) -> None:
        """A whole turn."""
        self._answered()
        self.recogniser.hear(text)

    def press(self, keys: str) -> None:
        """0-9 * # A-D."""
        call = self._answered()
        for key in keys:
            call.dtmf_received(key)

    def hang_up(self) -> None:
        """Put the phone down; also when it is down already."""
        self._put_down.set()

    @property
    def agent_speaks(self) -> bool:
        """Whether something is being played."""
        return any(isinstance(item, OutboundAudio) for _, item in self._playing)

    def _answered(self) -> CallPort:
        if self._call is None:
            raise CallHangupError()
        return self._call

    # -- the call ------------------------------------------------------------------------------------------------------

    async def run(self, call: CallPort) -> None:
        """Carry the call until one side hangs up."""
        self._call = call
        tasks = TaskOwner("text-line")
        end = CallEnd(EndReason.CONNECTION_LOST, "cancelled")
        try:
            call.on_outbound(self._take)
            sides = (tasks.start("agent", call.disconnect_requested()), tasks.start("caller", self._hung_up()))
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            end = CallEnd(EndReason.CALLER_HUNG_UP)
        finally:
            self._call = None
            self._cut()
            call.on_outbound(None)
            call.signal_disconnected(end)
            await tasks.close()

    async def _hung_up(self) -> None:
        await self._put_down.wait()

    def _take(self, item: OutboundItem) -> bool:
        now = asyncio.get_running_loop().time()
        match item:
            case OutboundAudio(payload=payload):
                self._ends_at = max(now, self._ends_at) + len(payload) / _BYTES_PER_SECOND
                self._playing.append((self._ends_at, item))
            case OutboundMark():
                self._playing.append((max(now, self._ends_at), item))
            case OutboundClear():
                self._cut()
            case _:
                assert_never(item)
        self._wait()
        return True

    def _wait(self) -> None:
        if self._timer is None and self._playing:
            self._timer = asyncio.get_running_loop().call_at(self._playing[0][0], self._play)

    def _play(self) -> None:
        """Some of it is over now."""
        self._timer = None
        now = asyncio.get_running_loop().time() + _ROUNDING
        while self._playing and self._playing[0][0] <= now:
            _, item = self._playing.popleft()
            if isinstance(item, OutboundAudio):
                self._hear(item.payload)
            elif self._call is not None:
                self._end_sound()
                self._call.signal_mark_received(item.name)
        self._wait()

    def _cut(self) -> None:
        """Nothing more is played. What has sounded of the piece that is being played was heard."""
        now = asyncio.get_running_loop().time()
        if self._playing and isinstance(item := self._playing[0][1], OutboundAudio):
            left = round((self._playing[0][0] - now) * _BYTES_PER_SECOND)
            played = max(len(item.payload) - max(left, 0), 0)
            self._hear(item.payload[: played - played % 4])
        self._playing.clear()
        self._ends_at = now
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hear(self, audio: bytes) -> None:
        text = letters(audio)
        if text is None:
            self._sound += len(audio) / _BYTES_PER_SECOND
        elif text:
            self._end_sound()
            self._tell(text)

    def _end_sound(self) -> None:
        if self._sound:
            sound, self._sound = self._sound, 0.0
            self._tell(f"({sound:.1f} s of sound)\n")

    def _tell(self, text: str) -> None:
        self.heard += text
        if self._on_heard is not None:
            self._on_heard(text)
