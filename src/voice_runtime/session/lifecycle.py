"""One call from its answer to its end: connecting, what ends it and why, and being made ready for another."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from voice_runtime.errors import CallNotAnsweredError
from voice_runtime.events import (
    AnsweredBy,
    CallConnected,
    CallEnd,
    CallEnded,
    ConversationState,
    Direction,
    DtmfReceived,
    EndReason,
    MarkOutcome,
    StateChanged,
)
from voice_runtime.phrase_cache import PhraseCache
from voice_runtime.session.hearing import Hearing
from voice_runtime.session.loops import run_on_loop
from voice_runtime.session.media_line import MediaLine
from voice_runtime.session.voice import CallerVoice
from voice_runtime.stt import SttProvider
from voice_runtime.talk import Talk
from voice_runtime.transport import CallInfo, CarrierTransport
from voice_runtime.tts import StreamingTts, TtsProvider
from voice_runtime.vad import Vad

__all__ = ["CallLife"]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class CallLife(MediaLine):
    """A call that connects, hears, is asked to end, ends once, for one reason, and can be reset."""

    stt: SttProvider | None = None
    stt_factory: Callable[[], SttProvider] | None = None
    stt_secondary_factory: Callable[[], SttProvider] | None = None
    on_stt_ready: Callable[[SttProvider], None] | None = None
    tts: TtsProvider | StreamingTts | None = None
    talk: Talk | None = None
    """What the agent that holds the call can be asked to say; None while none does."""
    phrase_cache: PhraseCache | None = None
    """The application's; None: every phrase is synthesised when it is said."""
    carrier: CarrierTransport | None = None
    on_disconnected: Callable[[CallEnd], None] | None = None
    """Called once when the call has ended, in a thread of its own."""
    called_number: str | None = None
    direction: Direction = Direction.INBOUND
    answered_by: AnsweredBy | None = None
    """Of a call that was placed: who answered; None when nobody asked for detection."""
    custom_parameters: Mapping[str, str] = field(default_factory=dict)
    account_sid: str | None = None
    end: CallEnd | None = None
    """Why the call ended; None while it lives."""
    state: ConversationState = field(default=ConversationState.IDLE, init=False)
    """What the call is doing, as far as whoever answers it reports that: an agent does."""
    vad: Vad | None = None
    """Finds the caller's voice; shared by all calls. Set before the call connects."""
    context: Any = field(default=None, init=False)
    """The application's own, of this call. An agent that is given a `context` puts it here."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.epoch_over: dict[asyncio.Event, int] = {}  # who waits for the end of which epoch of the stream
        self._ws_connected = threading.Event()
        self._answer_seen = False
        self._disconnect_requested: asyncio.Event | None = None
        self._clear_queue: asyncio.Queue[str] | None = None
        self._wanted_end: CallEnd | None = None
        self._hearing = Hearing(self)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        # 0.1's own quick example sets the factory when the call is up already; there, recognition then never started.
        if name == "stt_factory" and value is not None and self.__dict__.get("_connected_at") is not None:
            run_on_loop(self._loop, self._start_stt_late)

    def _start_stt_late(self) -> None:
        self.tasks.start("stt", self._hearing.start_unless_started())

    def set_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        super().set_loop(loop)
        if self._disconnect_requested is None:
            self._disconnect_requested = asyncio.Event()
        if self._clear_queue is None:
            self._clear_queue = asyncio.Queue()

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

    def expect_end(self, end: CallEnd | None) -> None:
        """When the call ends, it is for this reason: the carrier was asked for it. None: it was not, after all."""
        self._wanted_end = end

    def request_clear_buffer(self) -> None:
        """Silence the agent now: nothing queued here or at the carrier is played any more (barge-in)."""
        if self._loop is None or self.stream_sid is None:
            return
        self.stream.clear()
        for copy in (self._mixer, self.recorder):
            clear_agent = getattr(copy, "clear_agent", None)  # only some mixers lay audio on a timeline
            if copy is not None and clear_agent is not None:
                self._copy(copy, clear_agent)
        run_on_loop(self._loop, self._cleared, self.stream_sid)

    def _cleared(self, stream_sid: str) -> None:
        if self._clear_queue is not None and self._clear_queue.qsize() < 16:  # only transports of 0.1 read it
            self._clear_queue.put_nowait(stream_sid)
        for over, epoch in self.epoch_over.items():
            if epoch != self.stream.epoch:  # another thread's clear may get here when the next utterance has begun
                over.set()

    interrupt = request_clear_buffer

    def report_state(self, state: ConversationState) -> None:
        """For agents, on the loop: publish that the conversation is in this state now."""
        if not self._disconnected:  # the end has been reported, or will be at once
            self._enter(state)

    def _enter(self, state: ConversationState) -> None:
        if state is not self.state:
            previous, self.state = self.state, state
            self.hub.publish(StateChanged(self.elapsed(), state, previous))

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
        with self.stream.lock:
            if self._disconnected and self._answer_seen:
                self._ws_connected.clear()  # that was the last call; we are asked for the next one
        if not self._ws_connected.wait(timeout):
            raise CallNotAnsweredError(timeout)
        self._answer_seen = True

    def signal_disconnected(self, end: CallEnd | None = None) -> None:
        """The call is over. Any thread; the first time counts. `end` says why, unless the program asked for the end."""
        with self.stream.lock:
            if self._disconnected:
                return
            self.end = ended = self._wanted_end or end or CallEnd(EndReason.CALLER_HUNG_UP)
            wanted = self._disconnect_requested  # from here on another thread may reset us
            self._disconnected = True
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
        if self._caller_voice is not None:
            self._caller_voice.close()
            self._caller_voice = None
        subscriptions, self._subscriptions = self._subscriptions, ()
        for reader in subscriptions:
            if (subscription := reader()) is not None:
                subscription.end()
        self._hearing.wake()
        if wanted is not None:
            wanted.set()
        self._enter(ConversationState.ENDED)
        self.hub.publish(CallEnded(self.elapsed(), end))

    def reset(self) -> None:
        """Make the session ready for another call; one that still lives ends first. Any thread."""
        # Waiters go first, while is_disconnected still reads True: a stale speaker must not speak into the next call.
        self.stream.abandon(MarkOutcome.RESET)
        if self._ws_connected.is_set() and not self._disconnected:
            self._wanted_end = CallEnd(EndReason.RESET)
            self.signal_disconnected()
        self._stop_stt_unawaited()
        self._ws_connected.clear()
        self._answer_seen = False
        self.stream_sid = None
        self.caller_number = self.called_number = self.account_sid = None
        self.answered_by = None
        self.custom_parameters = {}
        self._connected_at = None
        self._wanted_end = None
        self.end = None
        self.state = ConversationState.IDLE
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
        self._disconnected = False

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
        self.frames.drain()  # the end of the last call may still be in there, put by another thread
        self.call_sid = info.call_sid or self.call_sid
        self.account_sid = info.account_sid or self.account_sid
        self.caller_number = info.caller_number or self.caller_number
        self.called_number = info.called_number or self.called_number
        self.direction = info.direction
        self.answered_by = info.answered_by
        self.custom_parameters = dict(info.custom_parameters)
        self.set_loop(asyncio.get_running_loop())
        if self.vad is not None:
            self._caller_voice = CallerVoice(self, self.vad)
        self.signal_ws_connected(info.stream_sid)

    def dtmf_received(self, digit: str) -> None:
        if self._hearing.pressed(digit):
            self.hub.publish(DtmfReceived(self.elapsed(), digit))

    async def disconnect_requested(self) -> None:
        wanted = self._disconnect_requested
        assert wanted is not None, "a transport asks after media_started"
        await wanted.wait()

    async def start_stt(self) -> None:
        """Start recognition, if there is any to start."""
        await self._hearing.start()

    @property
    def detects_voice(self) -> bool:
        """Whether a voice detector hears this call: `VoiceStarted` and `VoiceStopped` come."""
        return self._caller_voice is not None and self._caller_voice.open

    def finalise_stt(self) -> None:
        """The caller has stopped speaking: have recognition say its final words now, if it can be told (on the loop).

        Nothing happens with a recogniser that decides that by itself.
        """
        self._hearing.finalise()

    async def stop_stt(self) -> None:
        """End recognition; returns when it has ended."""
        await self._hearing.stop()


def _log_failure(stopping: Future[None]) -> None:
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.error("speech recognition did not stop cleanly: %s", error)
