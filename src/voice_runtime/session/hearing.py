"""The caller's side of a call: recognition is started and watched here, and its words wait here to be asked for."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from voice_runtime.errors import CallHangupError, NothingHeardError, SttError
from voice_runtime.events import (
    FinalTranscript,
    PartialTranscript,
    ProviderFailed,
    ProviderRecovered,
    ProviderSwitched,
    SpeechStarted,
    TurnDeclared,
)
from voice_runtime.session.loops import run_on_loop
from voice_runtime.stt import SttFailure, SttFault, SttProvider
from voice_runtime.stt_tee import SttTee
from voice_runtime.turns.digits import DigitCollector, Digits, DigitsEnd

if TYPE_CHECKING:
    from voice_runtime.session.lifecycle import CallLife

__all__ = ["Hearing", "Transcript"]

log = logging.getLogger(__name__)

START_ATTEMPTS = 3
START_TIMEOUT = 15.0
RETRY_SECONDS = 1.0
STOP_TIMEOUT = 5.0
SLOW_CALLBACK_SECONDS = 0.1
STALLED_FRAMES = 50
STALLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """Something the caller said. `at`: seconds since the call was connected, when recognition was sure of it."""

    text: str
    at: float

    def __str__(self) -> str:
        return self.text


class Hearing:
    """Recognition of one call. Words that nobody asked for yet are kept: the last `limit` pieces of speech."""

    def __init__(self, session: CallLife, limit: int = 100) -> None:
        self._session = session
        self._heard: deque[Transcript] = deque(maxlen=limit)
        self._keys: deque[str] = deque(maxlen=limit)
        self._spent_key = ""
        self._waiters: list[asyncio.Future[None]] = []
        self._provider = ""
        self._starting = False
        self._started: SttProvider | None = None
        self._dropped_before: int | None = None  # of the inbound queue, when recognition began to read it

    # -- words ---------------------------------------------------------------------------------------------------------

    async def next(self, timeout: float | None) -> Transcript:
        """The oldest piece of speech not handed out yet. Raises `NothingHeardError` or `CallHangupError`."""
        now = asyncio.get_running_loop().time
        deadline = math.inf if timeout is None else now() + timeout
        while not self._heard:
            if self._session.is_disconnected:
                raise CallHangupError()
            if now() >= deadline:
                raise NothingHeardError(timeout or 0.0)
            await self._news(deadline - now())
        return self._heard.popleft()

    async def collect(self, collector: DigitCollector, *, words: bool) -> Digits | Transcript:
        """Feed keys to `collector` until it is done; with `words`, until speech comes before any key."""
        now = self._session.clock.monotonic
        while True:
            while self._keys and collector.result is None:
                collector.press(self._keys.popleft(), now())
            if (result := collector.wakeup(now())) is not None:
                # Many press # after the last digit too: that one belongs to this number, and not to the next prompt.
                self._spent_key = collector.terminator if result.end is DigitsEnd.COMPLETE else ""
                return result
            if words and self._heard and not collector.keys:
                return self._heard.popleft()
            if self._session.is_disconnected:
                raise CallHangupError()
            await self._news(collector.deadline - now())

    async def _news(self, seconds: float) -> None:
        """Wait until something arrived or changed, at most so long."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(None if seconds == math.inf else max(0.0, seconds)):
                await waiter
        except TimeoutError:
            pass
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def pressed(self, key: str) -> bool:
        """The caller pressed a key. False when it only ends a number that is complete already: it means nothing."""
        spent, self._spent_key = self._spent_key, ""
        if key and key in spent:
            return False
        self._keys.append(key)
        self.wake()
        return True

    def prompted(self) -> None:
        """The agent begins to say something: keys from before it are no answer to it."""
        self._keys.clear()

    def forget(self) -> None:
        """Drop the words and keys that nobody asked for."""
        self._heard.clear()
        self._keys.clear()

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for words or keys."""
        return bool(self._waiters)

    def wake(self) -> None:
        """Something changed that a waiting `next` must look at."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- recognition ---------------------------------------------------------------------------------------------------

    async def start_unless_started(self) -> None:
        """`start`, for a factory that came while the call was up."""
        if self._session.stt is None and not self._session.is_disconnected:
            await self.start()

    async def start(self) -> None:
        """Build recognition and start it. Failing is survived: it is reported, tried again, and reported for good."""
        session = self._session
        if self._starting or (session.stt is None and session.stt_factory is None):
            return
        if session.stt is not None and session.stt is self._started:
            return  # by a factory that came in the moment of connection
        self._starting = session.frames.awaited = True
        try:
            await self._start()
        finally:
            self._starting = False

    async def _start(self) -> None:
        session = self._session
        for attempt in range(1, START_ATTEMPTS + 1):
            if self._too_late():
                return
            stt: SttProvider | None = None
            try:
                stt = session.stt if session.stt is not None else self._build()
                self._provider = type(stt).__name__
                session.stt = stt
                self._wire(stt)
                async with asyncio.timeout(START_TIMEOUT):
                    await stt.start(session.inbound)
                if self._too_late():
                    await self._stop(stt)  # the end of the call came first, and stopped what was not there yet
                    return
                self._dropped_before = session.frames.dropped
                session.frames.on_backlog = self._piled_up
                session.frames.on_drop = self._dropped  # not before: a call that nobody listens to drops all the time
                self._started = stt
                return
            except Exception as error:  # whatever a provider or a factory raises must not end the call
                log.error("speech recognition did not start (attempt %d of %d): %s", attempt, START_ATTEMPTS, error)
                if stt is not None and session.stt_factory is not None:
                    await self._stop(stt)
                    session.stt = None
                if attempt == START_ATTEMPTS or session.stt_factory is None:
                    self._report_start_failure(stt, error)
                    return
            await asyncio.sleep(RETRY_SECONDS * attempt)

    def _too_late(self) -> bool:
        return self._session.is_disconnected

    def _build(self) -> SttProvider:
        session = self._session
        assert session.stt_factory is not None
        stt = session.stt_factory()
        if session.stt_secondary_factory is not None:
            stt = SttTee(primary=stt, secondary=session.stt_secondary_factory())
        return stt

    def _report_start_failure(self, stt: SttProvider | None, error: Exception) -> None:
        reason = error.reason if isinstance(error, SttError) else SttFailure.START_FAILED
        fault = SttFault(f"stt_start_failed: {error}", SttFailure.START_FAILED, self._provider)
        program = getattr(stt, "on_error", None)  # a foreign object, perhaps never built
        if callable(program):
            program(fault)  # wired to `_failed` as well
        else:
            self._failed(fault)
        log.error("this call is deaf: %s", reason)

    def _dropped(self) -> None:
        """Audio was lost since nobody took it in time. A second of that while recognition runs means that it hangs."""
        stt, frames = self._session.stt, self._session.frames
        if stt is None or self._dropped_before is None or frames.dropped - self._dropped_before < STALLED_FRAMES:
            return
        self._stalled(stt)

    def _piled_up(self) -> None:
        """Audio waits. If none is taken for a moment more, recognition hangs: after a loop that stood still, it is."""
        self._session.frames.on_backlog = None
        frames, stt = self._session.frames, self._started
        asyncio.get_running_loop().call_later(STALLED_SECONDS, self._still_piled_up, frames.taken, stt)

    def _still_piled_up(self, taken: int, stt: SttProvider | None) -> None:
        frames = self._session.frames
        if stt is None or stt is not self._started or self._dropped_before is None:
            return
        if frames.taken == taken:
            self._stalled(stt)
        else:
            frames.on_backlog = self._piled_up

    def _stalled(self, stt: SttProvider) -> None:
        self._dropped_before = None
        log.error("speech recognition takes no audio any more: this call is deaf")
        if stt.on_error is not None:
            stt.on_error(SttFault("stt_stalled", SttFailure.STALLED, self._provider))

    def _wire(self, stt: SttProvider) -> None:
        """Let the program set its callbacks, then listen in on them."""
        if self._session.on_stt_ready is not None:
            try:
                self._session.on_stt_ready(stt)
            except Exception:  # the program's hook is broken; the caller is still to be heard
                log.exception("on_stt_ready failed; the call goes on")
        stt.on_committed = self._both(self._final, stt.on_committed, "on_committed")
        stt.on_recognizing = self._both(self._partial, stt.on_recognizing, "on_recognizing")
        stt.on_error = self._both(self._failed, stt.on_error, "on_error")
        if hasattr(stt, "on_speech_started"):  # optional part of the contract: SttWithSpeechStart
            stt.on_speech_started = lambda: run_on_loop(self._session.loop, self._speech_started)
        if hasattr(stt, "on_switched"):  # likewise: SttWithFallback
            stt.on_switched = lambda event: run_on_loop(self._session.loop, self._switched, event)
        if hasattr(stt, "on_end_of_turn"):  # likewise: SttWithEndOfTurn
            stt.on_end_of_turn = lambda: run_on_loop(self._session.loop, self._turn_declared)

    def _both(
        self, ours: Callable[[str], None], programs: Callable[[str], None] | None, name: str
    ) -> Callable[[str], None]:
        if isinstance(programs, _Wired):
            return programs  # the same object is started a second time
        return _Wired(self._session, ours, programs, name)

    async def stop(self) -> None:
        """End recognition; returns when it has ended. Never raises: teardown goes on."""
        self._dropped_before = None
        stt = self.let_go()
        if stt is not None:
            await self._stop(stt)

    def let_go(self) -> SttProvider | None:
        """Recognition as it is, no longer ours: whoever calls this stops it."""
        self._started = None
        stt, self._session.stt = self._session.stt, None
        return stt

    def finalise(self) -> None:
        """Have recognition say what it knows, if it is up and has that part of the contract: `SttWithFinalise`."""
        finalise = getattr(self._started, "finalise", None)
        if finalise is None:
            return
        try:
            finalise()
        except Exception:  # it will say its final words when it likes
            log.exception("speech recognition %s did not finalise", self._provider)

    async def _stop(self, stt: SttProvider) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await stt.stop()
        except Exception:  # a provider that cannot stop must not keep the call
            log.exception("speech recognition %s did not stop cleanly", type(stt).__name__)

    # -- what recognition says, on the loop ----------------------------------------------------------------------------

    def _final(self, text: str) -> None:
        now = self._session.elapsed()
        self._heard.append(Transcript(text, now))
        self._session.hub.publish(FinalTranscript(now, text))
        self.wake()

    def _partial(self, text: str) -> None:
        self._session.hub.publish(PartialTranscript(self._session.elapsed(), text))

    def _speech_started(self) -> None:
        self._session.hub.publish(SpeechStarted(self._session.elapsed()))

    def _turn_declared(self) -> None:
        self._session.hub.publish(TurnDeclared(self._session.elapsed()))

    def _switched(self, event: ProviderSwitched | ProviderRecovered) -> None:
        self._session.hub.publish(replace(event, at=self._session.elapsed()))

    def _failed(self, text: str) -> None:
        fault = text if isinstance(text, SttFault) else SttFault(text, SttFailure.CRASHED, self._provider)
        self._session.hub.publish(
            ProviderFailed(self._session.elapsed(), "stt", fault.provider or self._provider, fault.failure, str(fault))
        )


class _Wired:
    """One callback of a provider: ours on the loop, then the program's own, wherever the provider calls from."""

    def __init__(
        self,
        session: CallLife,
        ours: Callable[[str], None],
        programs: Callable[[str], None] | None,
        name: str,
    ) -> None:
        self._session, self._ours, self._programs, self._name = session, ours, programs, name

    def __call__(self, text: str) -> None:
        run_on_loop(self._session.loop, self._ours, text)
        if self._programs is None:
            return
        began = self._session.clock.monotonic()
        try:
            self._programs(text)
        except Exception:  # the program's callback is broken; recognition goes on
            log.exception("%s failed", self._name)
        took = self._session.clock.monotonic() - began
        if took > SLOW_CALLBACK_SECONDS:
            log.warning("%s took %.0f ms; it must not block: hand the work to a thread", self._name, took * 1000)
