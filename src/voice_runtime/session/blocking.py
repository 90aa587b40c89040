"""A call for plain `def` handlers: the same names, blocking, from a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from voice_runtime.audio import Wav
from voice_runtime.clock import StandingTime, time_lent
from voice_runtime.errors import CallHangupError
from voice_runtime.events import AnsweredBy, CallEnd, CallEvent, Direction, MarkOutcome
from voice_runtime.session.hearing import Transcript
from voice_runtime.session.loops import is_running_here
from voice_runtime.session.speaking import BargeIn, Utterance
from voice_runtime.session.voice_session import VoiceSession
from voice_runtime.turns.digits import Digits

__all__ = ["BlockingSession"]

T = TypeVar("T")

LOOP_LOOK_SECONDS = 5.0
"""How often a blocked thread looks whether the loop it waits for is still there."""


class BlockingSession:
    """What a plain `def` handler is given. Every call of a method blocks its thread until it is done.

    When the call ends, whatever is being waited for raises `CallHangupError`. `session` is the call itself.
    """

    def __init__(self, session: VoiceSession) -> None:
        self.session = session

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self.session.loop
        if loop is None or loop.is_closed():
            work.close()
            raise CallHangupError()
        if is_running_here(loop):
            work.close()
            raise RuntimeError("This blocks, and this is the event loop: call it from the handler, not a listener.")
        if isinstance(loop, StandingTime):
            work = _on_its_time(work, loop)
        waiting = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            while True:
                try:
                    return waiting.result(timeout=LOOP_LOOK_SECONDS)
                except TimeoutError:
                    # Either the verb's own (NothingHeardError is one), or the time to see whether anybody still works.
                    if waiting.done():
                        raise
                    if not loop.is_running():
                        raise CallHangupError() from None
        except concurrent.futures.CancelledError:  # the loop is being torn down around us
            raise CallHangupError() from None
        finally:
            waiting.cancel()

    # -- the call ------------------------------------------------------------------------------------------------------

    @property
    def call_sid(self) -> str | None:
        return self.session.call_sid

    @property
    def stream_sid(self) -> str | None:
        return self.session.stream_sid

    @property
    def caller_number(self) -> str | None:
        return self.session.caller_number

    @property
    def called_number(self) -> str | None:
        return self.session.called_number

    @property
    def direction(self) -> Direction:
        return self.session.direction

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self.session.answered_by

    @property
    def custom_parameters(self) -> Mapping[str, str]:
        return self.session.custom_parameters

    @property
    def is_disconnected(self) -> bool:
        return self.session.is_disconnected

    @property
    def end(self) -> CallEnd | None:
        return self.session.end

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def say(self, text: str, *, barge_in: BargeIn | str = BargeIn.WORDS) -> Utterance:
        return self._wait(self.session.say(text, barge_in=barge_in))

    def play(self, audio: bytes | str | Path | Wav, *, barge_in: BargeIn | str = BargeIn.KEYS) -> Utterance:
        return self._wait(self.session.play(audio, barge_in=barge_in))

    def send_digits(self, digits: str) -> Utterance:
        return self._wait(self.session.send_digits(digits))

    def listen(self, timeout: float | None = 30.0) -> Transcript:
        return self._wait(self.session.listen(timeout))

    def forget_heard(self) -> None:
        self.session.forget_heard()

    def collect_digits(
        self, max_digits: int | None = None, *, terminator: str = "#", timeout: float = 10.0, between: float = 4.0
    ) -> Digits:
        return self._wait(
            self.session.collect_digits(max_digits, terminator=terminator, timeout=timeout, between=between)
        )

    def listen_or_collect(
        self, max_digits: int | None = None, *, terminator: str = "#", timeout: float = 10.0, between: float = 4.0
    ) -> Transcript | Digits:
        return self._wait(
            self.session.listen_or_collect(max_digits, terminator=terminator, timeout=timeout, between=between)
        )

    def mark(self, name: str, timeout: float = 10.0) -> MarkOutcome:
        return self._wait(self.session.mark(name, timeout))

    def hangup(self, detail: str = "") -> None:
        self._wait(self.session.hangup(detail))

    def wait_ended(self) -> CallEnd:
        return self._wait(self.session.wait_ended())

    def recording_paused(self) -> AbstractContextManager[None]:
        return self.session.recording_paused()

    def interrupt(self) -> None:
        self.session.interrupt()

    def audio(self) -> Iterator[bytes]:
        """The caller's audio from now on, until the call ends."""
        frames = self._wait(self._subscribe())
        while True:
            try:
                yield self._wait(anext(frames))
            except StopAsyncIteration:
                return

    async def _subscribe(self) -> Any:
        return self.session.audio()

    def send_audio(self, data: bytes) -> None:
        self.session.send_audio(data)

    def on_event(self, listener: Callable[[CallEvent], None]) -> Callable[[], None]:
        return self.session.on_event(listener)


async def _on_its_time(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Simulated time passes while a handler waits, and only then."""
    with time_lent(loop, "a blocking handler"):
        return await work
