"""Recognisers in a chain: when one fails or goes deaf, the next one hears again what has no words yet, and goes on."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.errors import SttError
from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.fallback.breaker import BreakerPolicy
from voice_runtime.fallback.chain import Chain, Failure, Link, Providers, Tell
from voice_runtime.fallback.listener import Listener
from voice_runtime.fallback.unheard import Unheard
from voice_runtime.stt import SttFailure, SttFault, SttProvider
from voice_runtime.tasks import TaskOwner

__all__ = ["ChainedStt", "FallbackStt"]

log = logging.getLogger(__name__)

REPLAY_SECONDS = 15.0
"""How much audio without final words is kept for the next recogniser."""
_OVERLAP = SAMPLE_RATE // 5  # what is kept of the audio before final words: they come after a pause
_PIECE = 1600  # bytes at a time for a recogniser that hears it all again
_AGAIN_SECONDS = 10.0  # a recogniser that failed on this call is not tried again before


class FallbackStt:
    """`VoiceApp(stt=FallbackStt([first, second]))`, of factories: makes a recogniser for each call.

    A recogniser has failed when it does not start within `start` seconds, reports an error, or takes no audio. When
    somebody spoke, as far as loudness tells, and no words came `silent` seconds later, the next one is asked for a
    second opinion: if it finds words within `opinion` seconds, the first one is deaf, and the second goes on.
    """

    def __init__(
        self,
        factories: Providers[Callable[[], SttProvider]],
        *,
        start: float = 3.0,
        silent: float = 2.5,
        opinion: float = 2.0,
        breaker: BreakerPolicy | None = None,
    ) -> None:
        self.chain: Chain[Callable[[], SttProvider]] = Chain(factories, breaker)
        self.start, self.silent, self.opinion = start, silent, opinion

    def __call__(self) -> ChainedStt:
        return ChainedStt(self)


class ChainedStt:
    """The recogniser of one call (`SttProvider`)."""

    def __init__(self, fallback: FallbackStt) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self.on_end_of_turn: Callable[[], None] | None = None
        self.on_switched: Tell | None = None
        self._fallback = fallback
        self._listener: Listener | None = None
        self._second: Listener | None = None
        self._open: set[Listener] = set()  # every one that has a recogniser
        self._audio: deque[bytes] = deque()  # no final words cover it yet
        self._size = 0
        self._unheard = Unheard(fallback.silent)
        self._failed_at: dict[str, float] = {}
        self._news = 0.0  # when there was the last word
        self._tasks = TaskOwner("fallback_stt")

    # -- SttProvider ---------------------------------------------------------------------------------------------------

    def set_speaking(self, speaking: bool) -> None:
        if self._listener is not None:
            self._listener.set_speaking(speaking)

    def finalise(self) -> None:
        for listener in (self._listener, self._second):
            if listener is not None:
                listener.finalise()

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        """Raises `SttError` when none of the recognisers starts."""
        while not inbound_queue.empty():
            inbound_queue.get_nowait()  # left by an earlier call
        self._news = self._now()
        if (failure := await self._next(None)) is not None:
            raise SttError(failure.name, failure.reason, failure.detail)
        self._tasks.start("audio", self._listen(inbound_queue))

    async def stop(self) -> None:
        await self._tasks.close()
        for listener in (self._listener, self._second):
            if listener is not None and not listener.proven:
                listener.link.breaker.abandoned()
        self._listener = self._second = None
        for listener in tuple(self._open):  # those, too, whose start or end was under way
            await self._let_go(listener)

    # -- audio ---------------------------------------------------------------------------------------------------------

    async def _listen(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        while True:
            frame = await inbound_queue.get()
            if frame is not None:
                self._keep(frame)
            for listener in (self._listener, self._second):
                if listener is not None and listener.listens:
                    listener.hear(frame)
            if frame is not None and self._unheard.feed(frame):
                self._unheard.forgive()  # once for each sound
                if self._listener is not None and self._listener.listens and self._second is None:
                    self._tasks.start("second-opinion", self._ask_another(self._listener))

    def _keep(self, frame: bytes) -> None:
        self._audio.append(frame)
        self._size += len(frame)
        self._forget(int(REPLAY_SECONDS * SAMPLE_RATE))

    def _forget(self, keep: int) -> None:
        while self._size > keep:
            self._size -= len(self._audio.popleft())

    def _replay(self) -> list[bytes]:
        audio = b"".join(self._audio)
        return [audio[at : at + _PIECE] for at in range(0, len(audio), _PIECE)]

    # -- who listens ---------------------------------------------------------------------------------------------------

    async def _next(self, failure: Failure | None) -> Failure | None:
        """Have the next recogniser listen that starts, after that failure. The failure of the last, if none does."""
        for link in self._fallback.chain.order(unless=self._has_just_failed):
            listener = self._listener_of(link)
            try:
                async with asyncio.timeout(self._fallback.start):
                    await listener.start()
            except Exception as error:  # whatever a provider or a factory raises: the next one
                log.warning("the recogniser %s did not start: %s", link.name, error)
                self._lost(link)
                before, failure = failure, _start_failure(link.name, error)
                self._tasks.start("stop", self._let_go(listener))
                if before is not None:
                    failure = Failure(failure.name, failure.reason, f"{failure.detail}; before it {before}")
                continue
            self._listener = listener
            listener.listen(self._replay())
            if failure is not None:
                self._switched(failure, listener)
            return None
        return failure or Failure("stt", SttFailure.START_FAILED, "every recogniser has just failed")

    def _listener_of(self, link: Link[Callable[[], SttProvider]]) -> Listener:
        self._open.add(listener := Listener(link, self))
        return listener

    async def _let_go(self, listener: Listener) -> None:
        await listener.stop()
        self._open.discard(listener)

    def _switched(self, failure: Failure, listener: Listener) -> None:
        lost = (self._now() - self._news) * 1000
        self._report(
            ProviderSwitched(0.0, "stt", failure.name, listener.link.name, failure.reason, failure.detail, lost)
        )

    async def _replace(self, listener: Listener, fault: SttFault) -> None:
        self._tasks.start("stop", self._let_go(listener))
        failure = Failure(listener.link.name, fault.failure, str(fault))
        if (last := await self._next(failure)) is not None and self.on_error is not None:
            reason = SttFailure(last.reason) if last.reason in set(SttFailure) else SttFailure.CRASHED
            self.on_error(SttFault(f"{last.reason}: {last.detail}", reason, last.name))

    def _lost(self, link: Link[Callable[[], SttProvider]]) -> None:
        self._failed_at[link.name] = self._now()
        link.breaker.failed(self._now())

    async def _ask_another(self, first: Listener) -> None:
        """Let another recogniser hear what the first has no words for."""
        others = self._fallback.chain.order(unless=lambda link: link is first.link or self._has_just_failed(link))
        link = next(others, None)
        if link is None:
            return
        self._second = second = self._listener_of(link)
        try:
            async with asyncio.timeout(self._fallback.opinion):
                await second.start()
                second.listen(self._replay())
                await asyncio.Event().wait()
        except TimeoutError:
            pass  # neither has words for it: it was none
        except Exception as error:  # whatever a provider or a factory raises
            log.warning("the recogniser %s was to be asked, and did not start: %s", link.name, error)
            self._lost(link)
        finally:
            if self._second is second:
                self._second = None
                if not second.proven:
                    link.breaker.abandoned()
        if self._listener is not second:
            await self._let_go(second)

    def _has_just_failed(self, link: Link[Callable[[], SttProvider]]) -> bool:
        return self._now() - self._failed_at.get(link.name, -math.inf) < _AGAIN_SECONDS

    # -- what they say (`Heard`) ---------------------------------------------------------------------------------------

    def words(self, listener: Listener, text: str, *, final: bool) -> None:
        if listener is self._second and not self._convicts(listener, text, final=final):
            return
        if listener is not self._listener:
            return
        if text.strip():
            self._news = self._now()
            self._unheard.words(final=final)
            if listener.link.breaker.succeeded():
                self._report(ProviderRecovered(0.0, "stt", listener.link.name))
        if final:
            self._forget(_OVERLAP)
        callback = self.on_committed if final else self.on_recognizing
        if callback is not None:
            callback(text)

    def _convicts(self, second: Listener, text: str, *, final: bool) -> bool:
        """Whether the second opinion shows that the first recogniser is deaf. Then the second one goes on."""
        first = self._listener
        if first is None or not text.strip():
            return False
        known, found = len(first.text.split()), len(text.split())
        if found < known or (found == known and not final):
            return False
        self._lost(first.link)
        self._tasks.start("stop", self._let_go(first))
        fault = "no words for what another recogniser understood"
        self._goes_on(second, Failure(first.link.name, SttFailure.STALLED, fault))
        return True

    def _goes_on(self, second: Listener, failure: Failure) -> None:
        self._listener, self._second = second, None
        self._switched(failure, second)

    def speech_started(self, listener: Listener) -> None:
        if listener is self._listener and self.on_speech_started is not None:
            self.on_speech_started()

    def turn_ended(self, listener: Listener) -> None:
        if listener is self._listener and self.on_end_of_turn is not None:
            self.on_end_of_turn()

    def failed(self, listener: Listener, fault: SttFault) -> None:
        self._lost(listener.link)
        if listener is self._listener and self._second is not None and self._second.listens:
            self._tasks.start("stop", self._let_go(listener))
            self._goes_on(self._second, Failure(listener.link.name, fault.failure, str(fault)))
        elif listener is self._listener:
            self._listener = None
            self._tasks.start("replace", self._replace(listener, fault))
        else:
            self._tasks.start("stop", self._let_go(listener))

    # ------------------------------------------------------------------------------------------------------------------

    def _report(self, event: ProviderSwitched | ProviderRecovered) -> None:
        if self.on_switched is not None:
            self.on_switched(event)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _start_failure(name: str, error: Exception) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure(name, SttFailure.START_FAILED, "it did not start in time")
    return (
        Failure.of(name, error) if isinstance(error, SttError) else Failure(name, SttFailure.START_FAILED, str(error))
    )
