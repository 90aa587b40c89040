"""The audio of one call, both ways, with what belongs to it: marks, copies for recorders, the loop it runs on."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import MarkOutcome, MarkResolved
from voice_runtime.session.hub import EventHub
from voice_runtime.session.inbound import FrameSubscription, InboundQueue
from voice_runtime.session.loops import is_running_here, run_on_loop
from voice_runtime.session.marks import PendingMark
from voice_runtime.session.outbound_queue import OutboundQueue
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import Wire

__all__ = ["AudioReader", "MediaLine", "Mixer"]

log = logging.getLogger(__name__)

CLEAR_INBOUND_SECONDS = 1.0


class Mixer(Protocol):
    """Where the audio of a call is copied to: `recording.AudioMixer`, or your own."""

    def write_caller(self, data: bytes) -> None: ...
    def write_agent(self, data: bytes) -> None: ...


class AudioReader(Protocol):
    """Takes each piece of audio at once. Never waits, never raises."""

    @property
    def open(self) -> bool: ...
    def feed(self, audio: bytes) -> None: ...
    def close(self) -> None: ...


@dataclass(eq=False)
class MediaLine:
    """The media of one call. Thread-safe where a name says so; no lock is held across a callback or an await."""

    call_sid: str | None = None
    stream_sid: str | None = None
    caller_number: str | None = None
    inbound: asyncio.Queue[bytes | None] = field(default_factory=InboundQueue)
    outbound: asyncio.Queue[bytes] = field(default_factory=OutboundQueue)
    clock: Clock = field(default_factory=SystemClock, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.inbound, InboundQueue):
            self.inbound = InboundQueue()
        if not isinstance(self.outbound, OutboundQueue):
            self.outbound = OutboundQueue()
        self.frames: InboundQueue = self.inbound
        self.frames.arrive = self._arrived
        self._outbound_queue = self.outbound
        self.stream = self.outbound.stream
        self.stream.clock = self.clock
        self.tasks = TaskOwner("call")
        self.hub = EventHub()
        self._caller_voice: AudioReader | None = None
        """Hears the caller's audio as it comes: voice detection."""
        self._recorder: Mixer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._disconnected = False
        self._mixer: Mixer | None = None
        self._subscriptions: tuple[weakref.ref[FrameSubscription], ...] = ()  # one that nobody reads any more just goes
        self._warned: set[str] = set()
        self._connected_at: float | None = None

    # -- where it runs -------------------------------------------------------------------------------------------------

    def set_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop this call runs on. Any thread, before the call connects. Transports set it when nobody did."""
        self._loop = loop
        self.stream.loop = loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def elapsed(self) -> float:
        """Seconds since media began; 0.0 before."""
        return 0.0 if self._connected_at is None else self.clock.monotonic() - self._connected_at

    def since_connected(self, moment: float | None) -> float | None:
        """A time of the call's clock as events tell it; None for None, and before the call is connected."""
        return None if moment is None or self._connected_at is None else moment - self._connected_at

    @property
    def is_disconnected(self) -> bool:
        return self._disconnected

    # -- the caller's audio --------------------------------------------------------------------------------------------

    def put_inbound(self, data: bytes | None) -> None:
        """A piece of the caller's audio, mu-law, `None` at the end. Any thread; never waits; the oldest go first."""
        loop = self._loop
        if loop is None:
            self._warn_once("no loop", "put_inbound: the session's _loop is None; audio is dropped until set_loop()")
            return
        if data and len(data) != FRAME_BYTES and "frame size" not in self._warned:
            self._warned.add("frame size")
            log.debug("inbound frame size is %d bytes, not %d", len(data), FRAME_BYTES)
        if is_running_here(loop):
            self._arrived(data)
        else:
            self.frames.offer_from_thread(loop, data)

    def _arrived(self, data: bytes | None) -> None:
        if data:
            self.caller_audio(data, tap=False)  # who puts audio from elsewhere taps it too
        else:
            self.frames.offer(data)

    def clear_inbound(self) -> None:
        """Throw away audio nobody has listened to yet. Any thread; on return it is gone."""
        loop = self._loop
        if loop is None:
            return
        drained = threading.Event()

        def drain() -> None:
            self.frames.drain()
            drained.set()

        if run_on_loop(loop, drain) and not drained.wait(CLEAR_INBOUND_SECONDS):
            log.debug("clear_inbound: the loop did not get to it within %s s", CLEAR_INBOUND_SECONDS)

    def audio(self) -> FrameSubscription:
        """The caller's audio from now on, beside any STT: `async for frame in call.audio()` until the call ends.

        Mu-law, each piece as the carrier sent it. A reader that falls ten seconds behind loses the oldest.
        """
        subscription = FrameSubscription()
        if self.is_disconnected:
            subscription.end()
        else:
            self._subscriptions += (weakref.ref(subscription, self._unsubscribe),)
        return subscription

    def _unsubscribe(self, reader: weakref.ref[FrameSubscription]) -> None:
        self._subscriptions = tuple(other for other in self._subscriptions if other is not reader)

    # -- the agent's audio ---------------------------------------------------------------------------------------------

    def put_outbound_sync(self, data: bytes) -> None:
        """Queue mu-law audio of any length. Any thread; never waits. Dropped before `set_loop` and after the end."""
        if self._disconnected or self._loop is None:
            return
        if not self.stream.put_audio(data):
            self._warn_once("backlog", "ten minutes of audio wait to be sent: more is dropped")

    send_audio = put_outbound_sync

    async def get_outbound(self) -> bytes:
        """For transports of 0.1: the next piece of audio, as it was put."""
        return await self.outbound.get()

    async def get_pending_mark(self) -> str:
        """For transports of 0.1: the wire name of the next mark, once all audio before it was taken."""
        return await self._outbound_queue.next_mark()

    def send_mark_and_wait(self, name: str, timeout: float = 10.0) -> MarkOutcome | None:
        """Block this thread until the caller has heard everything queued so far.

        Returns what became of the mark; None without a loop. Raises `TimeoutError` after `timeout` seconds, and
        `RuntimeError` on the loop's own thread, which it would stop: there, `await session.mark(name)`.
        """
        if self._loop is None:
            return None
        if is_running_here(self._loop):
            raise RuntimeError("send_mark_and_wait blocks, and this is the event loop. Use `await session.mark(name)`.")
        if self._disconnected:
            return MarkOutcome.DISCONNECTED
        mark = self._put_mark(name)
        outcome = self._mark_over(mark, mark.wait_blocking(timeout))
        if outcome is MarkOutcome.TIMED_OUT:
            raise TimeoutError(f"mark {name!r} was not played within {timeout} s")
        return outcome

    async def mark(self, name: str, timeout: float = 10.0) -> MarkOutcome:
        """Wait on the loop until the caller has heard everything queued so far, or until that will not happen."""
        if self._disconnected:
            return MarkOutcome.DISCONNECTED
        mark = self._put_mark(name)
        return self._mark_over(mark, await mark.wait(timeout))

    def _put_mark(self, name: str) -> PendingMark:
        mark = self.stream.put_mark(name)
        if self._disconnected:
            mark.resolve(MarkOutcome.DISCONNECTED)  # the end came after the caller of this had looked
        return mark

    def _mark_over(self, mark: PendingMark, outcome: MarkOutcome) -> MarkOutcome:
        self.stream.forget_mark(mark)
        run_on_loop(self._loop, self._publish_mark, mark.name, outcome)
        return outcome

    def _publish_mark(self, name: str, outcome: MarkOutcome) -> None:
        self.hub.publish(MarkResolved(self.elapsed(), name, outcome))

    @property
    def _pending_marks(self) -> dict[str, PendingMark]:
        return self.stream.marks

    # -- monitoring ----------------------------------------------------------------------------------------------------

    @property
    def recorder(self) -> Mixer | None:
        """Gets what was really sent, and what is taken back on a barge-in; `set_mixer` gets what programs tap."""
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: Mixer | None) -> None:
        self._recorder = recorder
        self.stream.on_audio = None if recorder is None else self._record_agent

    def _record_agent(self, data: bytes) -> None:
        if self._recorder is not None:
            self._copy(self._recorder, self._recorder.write_agent, data)

    def set_mixer(self, mixer: Mixer | None) -> None:
        """Copy the call's audio to `mixer`; None stops that. Any thread."""
        self._mixer = mixer

    def tap_caller(self, data: bytes) -> None:
        if self._mixer is not None:
            self._copy(self._mixer, self._mixer.write_caller, data)

    def tap_agent(self, data: bytes) -> None:
        if self._mixer is not None:
            self._copy(self._mixer, self._mixer.write_agent, data)

    def _copy(self, mixer: Mixer, write: Callable[..., object], *data: bytes) -> None:
        """A copy that cannot be made must not cost the call: it is logged once, and whoever failed is let go."""
        try:
            write(*data)
        except Exception:  # a mixer may be the program's own, and this runs within the program's `send_audio`
            log.exception("the %s failed; the call goes on without it", "mixer" if mixer is self._mixer else "recorder")
            if mixer is self._mixer:
                self._mixer = None
            if mixer is self._recorder:
                self.recorder = None

    # -- what a transport calls, on the loop ---------------------------------------------------------------------------

    def signal_mark_received(self, name: str) -> None:
        """The carrier echoed a mark. Any thread; a name nobody waits for is normal after a clear."""
        if not self.stream.mark_echoed(name):
            log.debug("echo of a mark nobody waits for")

    def caller_audio(self, data: bytes, *, tap: bool = True) -> None:
        if self.frames.awaited or not self._subscriptions:  # else it would hold ten seconds, 100 kB, for nobody
            self.frames.offer(data)
        for reader in self._subscriptions:
            if (subscription := reader()) is not None:
                subscription.offer(data)
        if self._caller_voice is not None:
            self._caller_voice.feed(data)
        if self._recorder is not None:
            self._copy(self._recorder, self._recorder.write_caller, data)
        if self._mixer is not None and tap:
            self.tap_caller(data)

    def on_outbound(self, wire: Wire | None) -> None:
        self.stream.carry(wire)

    def outbound_sent(self) -> None:
        self.stream.sent()

    def _warn_once(self, key: str, message: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            log.warning(message)
