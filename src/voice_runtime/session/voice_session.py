"""One call: what the carrier brings, what the program asks for, and how it ends.

`VoiceSession` is 0.1's object with a new engine. Programs for 0.1 drive it from threads (`put_outbound_sync`,
`send_mark_and_wait`); handlers await `say`, `listen` and their like; transports use the part called `CallPort`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from voice_runtime.audio import Wav, dtmf, read_wav, to_ulaw_8k
from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.errors import CallHangupError, CallNotAnsweredError
from voice_runtime.events import (
    CallConnected,
    CallEnd,
    CallEnded,
    CallEvent,
    Direction,
    DtmfReceived,
    EndReason,
    MarkOutcome,
    MarkResolved,
)
from voice_runtime.session.hearing import Hearing, Transcript
from voice_runtime.session.hub import EventHub, EventStream
from voice_runtime.session.inbound import FrameSubscription, InboundQueue
from voice_runtime.session.loops import is_running_here, run_on_loop
from voice_runtime.session.marks import PendingMark
from voice_runtime.session.outbound import OutboundStream
from voice_runtime.session.speaking import BargeIn, Speaking, Utterance, one_chunk_per_second
from voice_runtime.stt import SttProvider
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CallInfo, OutboundItem
from voice_runtime.tts import StreamingTts, TtsProvider
from voice_runtime.turns.digits import DigitCollector, Digits

__all__ = ["Mixer", "VoiceSession"]

log = logging.getLogger(__name__)

CLEAR_INBOUND_SECONDS = 1.0


class Mixer(Protocol):
    """Where the audio of a call is copied to: `recording.AudioMixer`, or your own."""

    def write_caller(self, data: bytes) -> None: ...
    def write_agent(self, data: bytes) -> None: ...


@dataclass(eq=False)
class VoiceSession:
    """One call at a time. Thread-safe: what may be called from where is said at each name; no lock is held across
    a callback or an await. Subclass it as a dataclass if you like.
    """

    call_sid: str | None = None
    stream_sid: str | None = None
    caller_number: str | None = None
    inbound: asyncio.Queue[bytes | None] = field(default_factory=InboundQueue)
    outbound: asyncio.Queue[bytes] = field(default_factory=OutboundStream)
    stt: SttProvider | None = None
    stt_factory: Callable[[], SttProvider] | None = None
    stt_secondary_factory: Callable[[], SttProvider] | None = None
    on_stt_ready: Callable[[SttProvider], None] | None = None
    tts: TtsProvider | StreamingTts | None = None
    on_disconnected: Callable[[CallEnd], None] | None = None
    """Called once when the call has ended, in a thread of its own."""
    called_number: str | None = None
    direction: Direction = Direction.INBOUND
    custom_parameters: Mapping[str, str] = field(default_factory=dict)
    account_sid: str | None = None
    end: CallEnd | None = None
    """Why the call ended; None while it lives."""
    clock: Clock = field(default_factory=SystemClock, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.inbound, InboundQueue):
            self.inbound = InboundQueue()
        if not isinstance(self.outbound, OutboundStream):
            self.outbound = OutboundStream()
        self.frames: InboundQueue = self.inbound
        self.stream: OutboundStream = self.outbound
        self.stream.clock = self.clock
        self.tasks = TaskOwner("call")
        self.hub = EventHub()
        self.epoch_over: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ws_connected = threading.Event()
        self._disconnected = threading.Event()
        self._disconnect_requested: asyncio.Event | None = None
        self._clear_queue: asyncio.Queue[str] | None = None
        self._mixer: Mixer | None = None
        self._subscriptions: list[FrameSubscription] = []
        self._warned: set[str] = set()
        self._connected_at: float | None = None
        self._wanted_end: CallEnd | None = None
        self._speaking = Speaking(self)
        self._hearing = Hearing(self)

    __hash__ = object.__hash__

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "__eq__" not in cls.__dict__:
            # A plain @dataclass on a subclass would compare calls field by field, and make them unhashable.
            cls.__eq__, cls.__hash__ = object.__eq__, object.__hash__  # type: ignore[method-assign, assignment]

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        # 0.1's own quick example sets the factory when the call is up already; there, recognition then never started.
        if name == "stt_factory" and value is not None and self.__dict__.get("_connected_at") is not None:
            run_on_loop(self._loop, self._start_stt_late)

    def _start_stt_late(self) -> None:
        self.tasks.start("stt", self._hearing.start_unless_started())

    # -- where it runs -------------------------------------------------------------------------------------------------

    def set_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop this call runs on. Any thread, before the call connects. Transports set it when nobody did."""
        self._loop = loop
        self.stream.loop = loop
        if self._disconnect_requested is None:
            self._disconnect_requested = asyncio.Event()
        if self._clear_queue is None:
            self._clear_queue = asyncio.Queue()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def elapsed(self) -> float:
        """Seconds since media began; 0.0 before."""
        return 0.0 if self._connected_at is None else self.clock.monotonic() - self._connected_at

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
        self.frames.offer(data)
        if self._subscriptions and data:
            for subscription in self._subscriptions:
                subscription.offer(data)

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
            self._subscriptions.append(subscription)
        return subscription

    # -- the agent's audio ---------------------------------------------------------------------------------------------

    def put_outbound_sync(self, data: bytes) -> None:
        """Queue mu-law audio of any length. Any thread; never waits. Dropped before `set_loop` and after the end."""
        if self._loop is None or self._disconnected.is_set():
            return
        if not self.stream.put_audio(data):
            self._warn_once("backlog", "ten minutes of audio wait to be sent: more is dropped")

    send_audio = put_outbound_sync

    async def get_outbound(self) -> bytes:
        """For transports of 0.1: the next piece of audio, as it was put."""
        return await self.outbound.get()

    async def get_pending_mark(self) -> str:
        """For transports of 0.1: the wire name of the next mark, once all audio before it was taken."""
        return await self.stream.next_mark()

    def send_mark_and_wait(self, name: str, timeout: float = 10.0) -> MarkOutcome | None:
        """Block this thread until the caller has heard everything queued so far.

        Returns what became of the mark; None without a loop. Raises `TimeoutError` after `timeout` seconds, and
        `RuntimeError` on the loop's own thread, which it would stop: there, `await session.mark(name)`.
        """
        if self._loop is None:
            return None
        if is_running_here(self._loop):
            raise RuntimeError("send_mark_and_wait blocks, and this is the event loop. Use `await session.mark(name)`.")
        if self._disconnected.is_set():
            return MarkOutcome.DISCONNECTED
        mark = self.stream.put_mark(name)
        if self._disconnected.is_set():
            mark.resolve(MarkOutcome.DISCONNECTED)  # the end came between the two lines above
        outcome = self._mark_over(mark, mark.wait_blocking(timeout))
        if outcome is MarkOutcome.TIMED_OUT:
            raise TimeoutError(f"mark {name!r} was not played within {timeout} s")
        return outcome

    async def mark(self, name: str, timeout: float = 10.0) -> MarkOutcome:
        """Wait on the loop until the caller has heard everything queued so far, or until that will not happen."""
        if self._disconnected.is_set():
            return MarkOutcome.DISCONNECTED
        mark = self.stream.put_mark(name)
        return self._mark_over(mark, await mark.wait(timeout))

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

    def set_mixer(self, mixer: Mixer | None) -> None:
        """Copy the call's audio to `mixer`; None stops that. Any thread."""
        self._mixer = mixer

    def tap_caller(self, data: bytes) -> None:
        if self._mixer is not None:
            self._mixer.write_caller(data)

    def tap_agent(self, data: bytes) -> None:
        if self._mixer is not None:
            self._mixer.write_agent(data)

    # -- intents, any thread -------------------------------------------------------------------------------------------

    def request_disconnect(self, reason: EndReason = EndReason.AGENT_HUNG_UP, detail: str = "") -> None:
        """Ask for the end of the call; the transport ends it. Returns at once."""
        wanted = self._disconnect_requested
        if self._loop is None or wanted is None:
            log.debug("request_disconnect before the session has a loop: ignored")
            return
        if self._wanted_end is None:
            self._wanted_end = CallEnd(reason, detail)
        run_on_loop(self._loop, wanted.set)

    def request_clear_buffer(self) -> None:
        """Silence the agent now: nothing queued here or at the carrier is played any more (barge-in)."""
        if self._loop is None or self.stream_sid is None:
            return
        self.stream.clear()
        clear_agent = getattr(self._mixer, "clear_agent", None)  # only some mixers lay audio on a timeline
        if clear_agent is not None:
            clear_agent()
        run_on_loop(self._loop, self._cleared, self.stream_sid)

    def _cleared(self, stream_sid: str) -> None:
        if self._clear_queue is not None and self._clear_queue.qsize() < 16:  # only transports of 0.1 read it
            self._clear_queue.put_nowait(stream_sid)
        for over in self.epoch_over:
            over.set()

    interrupt = request_clear_buffer

    # -- life and death ------------------------------------------------------------------------------------------------

    def signal_ws_connected(self, stream_sid: str) -> None:
        """For transports: media flows."""
        self.stream_sid = stream_sid
        if self._loop is None:
            try:
                self.set_loop(asyncio.get_running_loop())
            except RuntimeError:
                log.debug("connected without a running loop")
        elif self._disconnect_requested is None or self._clear_queue is None:
            self.set_loop(self._loop)
        self._connected_at = self.clock.monotonic()
        self._ws_connected.set()
        run_on_loop(self._loop, lambda: self.hub.publish(CallConnected(0.0)))

    def wait_for_ws_connect(self, timeout: float = 30.0) -> None:
        """Block this thread until the call is answered. Raises `CallNotAnsweredError`."""
        if not self._ws_connected.wait(timeout):
            raise CallNotAnsweredError(timeout)

    def signal_disconnected(self, end: CallEnd | None = None) -> None:
        """The call is over. Any thread; the first time counts. `end` says why, unless the program asked for the end."""
        with self.stream.lock:
            if self._disconnected.is_set():
                return
            self.end = ended = self._wanted_end or end or CallEnd(EndReason.CALLER_HUNG_UP)
            wanted = self._disconnect_requested  # from here on another thread may reset us
            self._disconnected.set()
        self.stream.abandon(MarkOutcome.DISCONNECTED)
        self.put_inbound_end()
        if not run_on_loop(self._loop, self._ended, ended, wanted):
            log.debug("disconnected without a loop to tell it on")
        if self.on_disconnected is not None:
            threading.Thread(
                target=self._tell_program, args=(self.on_disconnected, ended), name="on_disconnected", daemon=True
            ).start()

    def put_inbound_end(self) -> None:
        if self._loop is not None:
            self.put_inbound(None)

    def _tell_program(self, on_disconnected: Callable[[CallEnd], None], end: CallEnd) -> None:
        try:
            on_disconnected(end)
        except Exception:  # the program's callback is broken; the call is over all the same
            log.exception("on_disconnected failed")

    def _ended(self, end: CallEnd, wanted: asyncio.Event | None) -> None:
        for over in self.epoch_over:
            over.set()
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.end()
        self._hearing.wake()
        if wanted is not None:
            wanted.set()
        self.hub.publish(CallEnded(self.elapsed(), end))

    @property
    def is_disconnected(self) -> bool:
        return self._disconnected.is_set()

    def reset(self) -> None:
        """Make the session ready for another call; one that still lives ends first. Any thread."""
        # Waiters go first, while is_disconnected still reads True: a stale speaker must not speak into the next call.
        self.stream.abandon(MarkOutcome.RESET)
        if self._ws_connected.is_set() and not self._disconnected.is_set():
            self._wanted_end = CallEnd(EndReason.RESET)
            self.signal_disconnected()
        self._stop_stt_unawaited()
        self._ws_connected.clear()
        self.stream_sid = None
        self.caller_number = self.called_number = self.account_sid = None
        self.custom_parameters = {}
        self._connected_at = None
        self._wanted_end = None
        self.end = None
        self._hearing.forget()
        if self._loop is not None and self._loop.is_running():
            self.clear_inbound()  # queues belong to their loop
        else:
            self.frames.drain()
        if self._loop is not None and not self._loop.is_closed():
            self._disconnect_requested = asyncio.Event()
            self._clear_queue = asyncio.Queue()
        else:
            self._disconnect_requested = self._clear_queue = None
        self._disconnected.clear()

    def _stop_stt_unawaited(self) -> None:
        stt = self._hearing.let_go()
        if stt is None:
            return
        if self._loop is not None and self._loop.is_running():
            stopping = asyncio.run_coroutine_threadsafe(stt.stop(), self._loop)
            stopping.add_done_callback(_log_failure)
            return
        feed = getattr(stt, "_feed_task", None)  # 0.1's providers kept their task there
        if feed is not None:
            feed.cancel()

    # -- CallPort: what a transport calls, on the loop -----------------------------------------------------------------

    def media_started(self, info: CallInfo) -> None:
        self.call_sid = info.call_sid or self.call_sid
        self.account_sid = info.account_sid or self.account_sid
        self.caller_number = info.caller_number or self.caller_number
        self.called_number = info.called_number or self.called_number
        self.direction = info.direction
        self.custom_parameters = dict(info.custom_parameters)
        self.set_loop(asyncio.get_running_loop())
        self.signal_ws_connected(info.stream_sid)

    def dtmf_received(self, digit: str) -> None:
        self.hub.publish(DtmfReceived(self.elapsed(), digit))

    def signal_mark_received(self, name: str) -> None:
        """The carrier echoed a mark. Any thread; a name nobody waits for is normal after a clear."""
        if not self.stream.mark_echoed(name):
            log.debug("echo of a mark nobody waits for")

    def on_outbound(self, ready: Callable[[], None]) -> None:
        self.stream.on_ready = ready

    def take_outbound(self) -> OutboundItem | None:
        return self.stream.take()

    def outbound_sent(self, item: OutboundItem) -> None:
        self.stream.sent(item)

    async def disconnect_requested(self) -> None:
        wanted = self._disconnect_requested
        assert wanted is not None, "a transport asks after media_started"
        await wanted.wait()

    async def start_stt(self) -> None:
        """Start recognition, if there is any to start."""
        await self._hearing.start()

    async def stop_stt(self) -> None:
        """End recognition; returns when it has ended."""
        await self._hearing.stop()

    # -- what a handler says, on the loop (from a thread: `BlockingSession`) ------------------------------------------

    async def say(self, text: str, *, barge_in: BargeIn | str = BargeIn.WORDS) -> Utterance:
        """Say `text` and return when it was heard, or interrupted. Raises `CallHangupError` when the call ends."""
        return await self._speaking.say(text, BargeIn(barge_in))

    async def play(
        self, audio: bytes | str | Path | Wav | AsyncIterable[bytes], *, barge_in: BargeIn | str = BargeIn.KEYS
    ) -> Utterance:
        """Play audio and return when it was heard: mu-law bytes (8 kHz), a WAV file's path, a `Wav`, or a stream."""
        source = aiter(audio) if isinstance(audio, AsyncIterable) else _pieces(await _ready_audio(audio))
        return await self._speaking.play(source, "", BargeIn(barge_in))

    async def send_digits(self, digits: str) -> Utterance:
        """Play keypad tones to the other side: 0-9 * # A-D; `w` waits half a second, `W` a whole one."""
        return await self._speaking.play(_pieces(dtmf(digits)), "", BargeIn.NEVER)

    async def listen(self, timeout: float | None = 30.0) -> Transcript:
        """What the caller says next, or has said since it was last asked.

        Raises `NothingHeardError` after `timeout` seconds of nothing, `CallHangupError` when the call ends.
        """
        return await self._hearing.next(timeout)

    def forget_heard(self) -> None:
        """Do not hand out what the caller has said up to now."""
        self._hearing.forget()

    async def collect_digits(
        self,
        max_digits: int | None = None,
        *,
        terminator: str = "#",
        timeout: float = 10.0,
        between: float = 4.0,
    ) -> Digits:
        """Keys the caller presses from now on: until `max_digits`, the terminator, or `between` seconds of nothing."""
        now = self.clock.monotonic
        collector = DigitCollector(
            max_digits=max_digits, terminator=terminator, timeout=timeout, between=between, started=now()
        )
        events = self.hub.stream()
        try:
            while collector.result is None:
                if self.is_disconnected:
                    raise CallHangupError()
                try:
                    async with asyncio.timeout(max(0.0, collector.deadline - now())):
                        event = await anext(events)
                except TimeoutError:
                    collector.wakeup(now())
                    continue
                if isinstance(event, DtmfReceived):
                    collector.press(event.digit, now())
            return collector.result
        finally:
            self.hub.drop(events)

    def events(self, timeout: float | None = None) -> EventStream:
        """Everything that happens on the call from now on: `async for event in call.events()`.

        With a `timeout`, only until nothing has happened for so many seconds.
        """
        return self.hub.stream(timeout)

    def on_event(self, listener: Callable[[CallEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event, on the loop: it must not block. Returns what takes it away again."""
        return self.hub.listen(listener)

    async def hangup(self, detail: str = "") -> None:
        """End the call and return when it has ended."""
        self.request_disconnect(EndReason.AGENT_HUNG_UP, detail)
        await self.wait_ended()

    async def wait_ended(self) -> CallEnd:
        """Return when the call has ended, with the reason."""
        if (end := self.end) is not None:
            return end
        async for event in self.hub.stream():
            if isinstance(event, CallEnded):
                return event.end
        raise AssertionError("a stream of events ends with the call")

    def _warn_once(self, key: str, message: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            log.warning(message)


async def _ready_audio(audio: bytes | str | Path | Wav) -> bytes:
    if isinstance(audio, bytes):
        return audio
    # Reading and converting a file is not for the loop.
    return await asyncio.to_thread(lambda: to_ulaw_8k(audio if isinstance(audio, Wav) else read_wav(audio)))


async def _pieces(audio: bytes) -> AsyncIterator[bytes]:
    for piece in one_chunk_per_second(audio):
        yield piece


def _log_failure(stopping: Future[None]) -> None:
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.error("speech recognition did not stop cleanly: %s", error)
