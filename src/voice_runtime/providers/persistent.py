"""One recognition for a whole call over connections that come and go: the shell around the reconnect machine."""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from voice_runtime.clock import Clock
from voice_runtime.errors import SttError
from voice_runtime.providers.hearing import Hearing
from voice_runtime.providers.reconnect import (
    AudioEnded,
    Closed,
    Command,
    Connect,
    Connected,
    ConnectFailed,
    Disconnect,
    Errored,
    Event,
    Proven,
    Reconnect,
    ReconnectPolicy,
    ReportFailure,
    ScheduleWakeup,
    SendFailed,
    SessionExpired,
    SpokeForLong,
    StartRequested,
    State,
    StopRequested,
    Wakeup,
)
from voice_runtime.providers.replay import ReplayBuffer
from voice_runtime.stt import SttFailure, SttFault
from voice_runtime.tasks import TaskOwner

__all__ = ["Link", "LinkError", "PersistentStt"]

log = logging.getLogger(__name__)

_BURST_BYTES = 1600  # 0.2 s a message while catching up, one frame a message otherwise
_COMMIT_TAIL_BYTES = 4000  # what was sent in the last 0.5 s before a commit may begin the next utterance

_WARN_EVERY_BYTES = 80_000
_END_GRACE_S = 0.2


class Link(Protocol):
    """One open connection to the vendor."""

    async def send(self, audio: bytes) -> None: ...
    async def finish(self) -> None:
        """There is no more audio."""

    async def close(self) -> None:
        """End the connection and everything it started. Returns in bounded time, and never raises."""


class LinkError(Exception):
    """A connection could not be opened. With a `failure`, trying again is useless. `text` is what 0.1 reports."""

    def __init__(self, text: str, failure: SttFailure | None = None) -> None:
        super().__init__(text)
        self.text, self.failure = text, failure


class PersistentStt(Hearing, ABC):
    """What the streaming vendors share. A vendor opens links and calls the `_link_...` methods on the loop's thread.

    Every callback of the program is called on the event loop's thread. Audio is kept until a committed text covers
    it, up to `replay_s` seconds, and told again to a new connection: a reconnect loses no words.
    """

    def __init__(
        self,
        provider: str,
        *,
        echo_discard_s: float,
        reconnect: ReconnectPolicy | None,
        replay_s: float,
        connect_timeout: float,
        send_timeout: float,
        clock: Clock | None,
    ) -> None:
        super().__init__(echo_discard_s=echo_discard_s, clock=clock)
        self._provider = provider
        self._policy = reconnect or ReconnectPolicy()
        self._connect_timeout = connect_timeout
        self._send_timeout = send_timeout
        self._replay = ReplayBuffer(replay_s)
        self._machine = Reconnect(self._policy)
        self._machine_timers: set[asyncio.TimerHandle] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._arrived: dict[int, Link] = {}
        self._work = TaskOwner(f"{provider}_stt")
        self._closers = TaskOwner(f"{provider}_stt.closing")
        self._closing: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._audio_over = asyncio.Event()

    @property
    def lost_audio_bytes(self) -> int:
        """Audio of this recognition that was dropped before any connection took it."""
        return self._replay.lost

    # -- the program's side -------------------------------------------------------------------------------------------

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        """Connect, then recognise what comes out of `inbound_queue` until `None`. What is in it now is thrown away.

        Raises `SttError` when the vendor cannot be reached or refuses; nothing is left behind then.
        """
        if self._machine.state not in (State.IDLE, State.OVER):
            raise SttError(self._provider, "already_started", remedy="Await stop() first.")
        await self.stop()
        while not inbound_queue.empty():
            inbound_queue.get_nowait()
        self._loop = asyncio.get_running_loop()
        self._machine, self._replay = Reconnect(self._policy), ReplayBuffer(self._replay.seconds)
        self._wake, self._audio_over = asyncio.Event(), asyncio.Event()
        self._forget_utterance()
        self._machine.handle(StartRequested())  # to `Connect(1)`, which is the next line
        try:
            self._arrived[1] = await self._open_in_time(1)
        except LinkError as error:
            self._machine.handle(ConnectFailed(1, error.text, error.failure))
            reason = (error.failure or SttFailure.START_FAILED).value
            raise SttError(self._provider, reason, error.text) from error.__cause__ or error
        except BaseException:  # cancelled: the caller is gone, and `start` may be called again
            self._machine.handle(StopRequested())
            raise
        self._post(Connected(1))
        self._work.start("feed", self._feed(inbound_queue))
        self._work.start("send", self._send())

    async def stop(self) -> None:
        """End everything. Returns when it has ended; safe to call twice, and without `start`."""
        self._post(StopRequested())
        for timer in self._machine_timers:
            timer.cancel()
        self._machine_timers.clear()
        await self._work.close()
        while self._closing:
            await asyncio.wait(set(self._closing))
        self._replay.clear()

    def _spoke_for_long(self) -> None:
        # A caller who is being understood proves that the link has not gone stale; redialling would cut into the words.
        if not self._caller_is_talking:
            self._from_any_thread(self._renew)

    def _renew(self) -> None:
        # What was sent so far is the time of the agent's speech, whose texts are dropped: it is not told again.
        self._replay.forget_sent()
        self._post(SpokeForLong())

    # -- the vendor's side --------------------------------------------------------------------------------------------

    @abstractmethod
    async def _open(self, number: int) -> Link:
        """Open link `number`: connected, accepted, ready for audio. Raises `LinkError`; cleans up when cancelled."""

    def _from_any_thread(self, call: Callable[..., None], *arguments: object) -> None:
        """Do `call` on the loop's thread. Without a loop that runs there is nothing to be heard or redialled."""
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            log.debug("%s: the event loop is closed, an event of its recogniser is dropped", self._provider)

    def _is_current(self, number: int) -> bool:
        return number == self._machine.link and self._machine.state not in (State.WAITING, State.OVER)

    def _link_heard(self, number: int, hear: Callable[..., None], *arguments: object) -> None:
        """The vendor recognised something: `hear` it, unless the link was given up."""
        if self._is_current(number):
            self._post(Proven(number))
            hear(*arguments)

    def _heard_final(self, text: str) -> None:
        self._replay.forget_sent(keep=_COMMIT_TAIL_BYTES)
        super()._heard_final(text)

    def _link_errored(self, number: int, text: str, failure: SttFailure | None) -> None:
        if self._is_current(number):
            log.warning("%s: link %d: %s", self._provider, number, text)
        self._post(Errored(number, text, failure))

    def _link_expired(self, number: int) -> None:
        self._post(SessionExpired(number))

    def _link_closed(self, number: int) -> None:
        self._post(Closed(number))

    def _link_ended(self, number: int) -> None:
        self._post(AudioEnded(number))

    # -- running the machine ------------------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        before = self._machine.state
        for command in self._machine.handle(event, random.random()):
            self._run(command)
        if self._machine.state is not before:
            log.debug("%s: %s -> %s", self._provider, event, self._machine.state.value)
        if isinstance(event, Connected) and self._machine.state is State.CONNECTED:
            self._use(event.link)

    def _run(self, command: Command) -> None:
        match command:
            case Connect(number):
                self._work.start(f"connect-{number}", self._connect(number))
            case Disconnect(number):
                self._disconnect(number)
            case ScheduleWakeup(delay, token):
                self._schedule(delay, Wakeup(token))
            case ReportFailure(failure, text):
                log.error("%s: recognition is over: %s", self._provider, text)
                self._call(self.on_error, SttFault(text, failure, self._provider))

    def _schedule(self, delay: float, event: Event) -> None:
        def fire() -> None:
            self._machine_timers.discard(timer)
            self._post(event)

        timer = asyncio.get_running_loop().call_later(delay, fire)
        self._machine_timers.add(timer)

    def _use(self, number: int) -> None:
        self._link = self._arrived[number]
        self._replay.rewind()
        if number > 1:
            self._forget_utterance()
            log.info("%s: reconnected, %d bytes of audio to tell again", self._provider, len(self._replay))
        self._wake.set()

    def _disconnect(self, number: int) -> None:
        link = self._arrived.pop(number, None)
        if link is None:
            return
        if link is self._link:
            self._link = None
        task = self._closers.start(f"link-{number}", link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self, number: int) -> None:
        try:
            self._arrived[number] = await self._open_in_time(number)
        except LinkError as error:
            log.warning("%s: link %d did not come up: %s", self._provider, number, error.text)
            self._post(ConnectFailed(number, error.text, error.failure))
        else:
            self._post(Connected(number))

    async def _open_in_time(self, number: int) -> Link:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._open(number)
        except TimeoutError as error:
            raise LinkError(f"connect_timeout_after_{self._connect_timeout:g}_s") from error

    # -- audio --------------------------------------------------------------------------------------------------------

    async def _feed(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        warn_at = 0
        while (frame := await self._next_frame(inbound_queue)) is not None:
            self._replay.add(frame)
            if (lost := self._replay.lost) > warn_at:
                warn_at = lost + _WARN_EVERY_BYTES
                log.warning("%s: %d bytes of the caller's audio lost so far", self._provider, lost)
            self._wake.set()
        self._audio_over.set()
        self._wake.set()

    async def _next_frame(self, inbound_queue: asyncio.Queue[bytes | None]) -> bytes | None:
        """The next frame, or None at the end: a `None` with more audio behind it was left by an earlier call."""
        frame = await inbound_queue.get()
        while frame is None:
            try:
                async with asyncio.timeout(_END_GRACE_S):
                    frame = await inbound_queue.get()
            except TimeoutError:
                return None
        return frame

    async def _send(self) -> None:
        finished: Link | None = None
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (link := self._link) is not None:
                number = self._machine.link
                chunk = self._replay.take(_BURST_BYTES)
                try:
                    async with asyncio.timeout(self._send_timeout):
                        if chunk is not None:
                            await link.send(chunk)
                        elif self._audio_over.is_set() and finished is not link:
                            finished = link
                            await link.finish()
                        else:
                            break
                except Exception as error:  # whatever the vendor's SDK raises: the link is no good any more
                    log.warning("%s: link %d: sending failed: %r", self._provider, number, error)
                    self._post(SendFailed(number))
