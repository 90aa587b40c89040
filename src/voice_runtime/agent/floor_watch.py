"""Who has the floor of a call, for whoever talks to its agent and wants to know when that is done."""

from __future__ import annotations

import asyncio

from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEnded, CallEvent, FinalTranscript, FloorChanged, FloorState, UtteranceAudible
from voice_runtime.session import VoiceSession

__all__ = ["FloorWatch"]


class FloorWatch:
    """`state` is None before the first: of a handler that is no agent, always. On the call's loop."""

    def __init__(self, call: VoiceSession) -> None:
        self.state: FloorState | None = None
        self.finals = 0
        """How many final pieces of the caller's speech were understood."""
        self.audible_at: float | None = None
        """When the last utterance that sounded began, in seconds of the call."""
        self._call = call
        self._news = asyncio.Event()
        call.on_event(self._happened)

    def _happened(self, event: CallEvent) -> None:
        match event:
            case FloorChanged(state=state):
                self.state = state
            case FinalTranscript():
                self.finals += 1
            case UtteranceAudible(at=at):
                self.audible_at = at
            case CallEnded():
                self.state = FloorState.ENDED
            case _:
                return
        self._news.set()

    async def next(self, seconds: float) -> None:
        """Wait until something has changed. Raises TimeoutError."""
        self._news.clear()
        async with asyncio.timeout(seconds):
            await self._news.wait()

    async def until_understood(self, finals: int, seconds: float) -> bool:
        """Wait until more than `finals` pieces were understood; False when that does not happen."""
        try:
            async with asyncio.timeout(seconds):
                while self.finals <= finals and self.state is not FloorState.ENDED:
                    await self.next(seconds)
        except TimeoutError:
            return False
        return self.finals > finals

    async def until_speaking(self, seconds: float) -> None:
        """Wait until the agent speaks. Raises TimeoutError, and CallHangupError when the call ends first."""
        await self._until(FloorState.SPEAKING, seconds)
        if self.state is FloorState.ENDED:
            raise CallHangupError()

    async def until_settled(self, seconds: float) -> None:
        """Wait until it is the caller's turn, or the call has ended. Raises TimeoutError."""
        await self._until(FloorState.LISTENING, seconds)
        if self.state is FloorState.ENDED:  # the conversation is: an apology of the runtime's may be under way
            async with asyncio.timeout(seconds):
                await self._call.wait_ended()

    async def _until(self, wanted: FloorState, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self.state not in (wanted, FloorState.ENDED):
                    await self.next(seconds)
        except TimeoutError:
            now = "silent from the beginning" if self.state is None else self.state.value
            raise TimeoutError(f"the agent is still {now} after {seconds:g} s, and not {wanted.value}") from None
