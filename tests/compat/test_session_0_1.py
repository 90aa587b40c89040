"""`VoiceSession` as 0.1 documented it: driven from threads, carried by anybody's transport, used again and again."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from telephone import FRAME

from voice_runtime.events import MarkOutcome
from voice_runtime.mock.stt import MockStt
from voice_runtime.session import CallNotAnsweredError, VoiceSession


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, as the server of a 0.1 program has it."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, name="voice")
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Other threads of the program."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def session(loop: asyncio.AbstractEventLoop) -> VoiceSession:
    made = VoiceSession()
    made.set_loop(loop)
    return made


def soon(session: VoiceSession, coroutine: Any, timeout: float = 1.0) -> Any:
    """Await it on the session's loop."""
    assert session.loop is not None
    return asyncio.run_coroutine_threadsafe(coroutine, session.loop).result(timeout)


def connect(session: VoiceSession, stream_sid: str = "MZ1") -> None:
    async def connected() -> None:
        session.signal_ws_connected(stream_sid)

    soon(session, connected())


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# -- before there is a loop -------------------------------------------------------------------------------------------


def test_without_a_loop_nothing_raises_and_one_warning_says_why(caplog: pytest.LogCaptureFixture) -> None:
    session = VoiceSession()
    session.put_inbound(FRAME)
    session.put_inbound(FRAME)
    session.put_outbound_sync(FRAME)
    session.clear_inbound()
    session.send_mark_and_wait("nobody waits")
    session.request_disconnect()
    session.request_clear_buffer()
    session.signal_mark_received("unknown__00000000")
    session.tap_caller(FRAME)
    assert session.loop is None and session.outbound.empty()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1 and "_loop is None" in warnings[0]


def test_intents_work_as_soon_as_there_is_a_loop(session: VoiceSession) -> None:
    """Before the call connects."""
    session.request_disconnect()
    assert session._disconnect_requested is not None
    soon(session, session._disconnect_requested.wait())


# -- audio ------------------------------------------------------------------------------------------------------------


def test_the_callers_audio_crosses_to_the_loop_in_order(
    session: VoiceSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Pieces of odd sizes too, noted once; None ends it."""
    caplog.set_level(logging.DEBUG)
    pieces = [FRAME, b"odd", b"\x00" * 320, None]
    for piece in pieces:
        session.put_inbound(piece)
    assert [soon(session, session.inbound.get()) for _ in pieces] == pieces
    assert len([record for record in caplog.records if "frame size" in record.getMessage()]) == 1


def test_the_agents_audio_is_handed_over_as_it_was_put(session: VoiceSession) -> None:
    """Chunks of any size, neither split nor padded."""
    chunks = [b"a" * 7, b"b" * 65536, b"c" * 160]
    for chunk in chunks:
        session.put_outbound_sync(chunk)
    assert [soon(session, session.get_outbound()) for _ in chunks] == chunks


def test_clear_inbound_has_cleared_when_it_returns(session: VoiceSession) -> None:
    """Sentinels as well."""
    for piece in (FRAME, None, FRAME):
        session.put_inbound(piece)
    session.clear_inbound()
    assert session.inbound.empty()


def test_audio_of_one_thread_keeps_its_order(session: VoiceSession, elsewhere: ThreadPoolExecutor) -> None:
    def speak(number: int) -> None:
        for index in range(50):
            session.put_outbound_sync(bytes([number, index]))

    list(elsewhere.map(speak, range(4)))
    got = [soon(session, session.get_outbound()) for _ in range(200)]
    for number in range(4):
        assert [chunk[1] for chunk in got if chunk[0] == number] == list(range(50))


def test_a_mixer_hears_both_sides(session: VoiceSession) -> None:
    class Mixer:
        def __init__(self) -> None:
            self.caller, self.agent = b"", b""

        def write_caller(self, data: bytes) -> None:
            self.caller += data

        def write_agent(self, data: bytes) -> None:
            self.agent += data

    mixer = Mixer()
    session.set_mixer(mixer)
    session.tap_caller(b"caller")
    session.tap_agent(b"agent")
    session.set_mixer(None)
    session.tap_agent(b"nobody")
    assert (mixer.caller, mixer.agent) == (b"caller", b"agent")


# -- marks ------------------------------------------------------------------------------------------------------------


def test_a_mark_blocks_until_its_echo(session: VoiceSession, elsewhere: ThreadPoolExecutor) -> None:
    """Under a name of its own on the wire."""
    waiting = elsewhere.submit(session.send_mark_and_wait, "after-greeting", timeout=30)
    wire_name = soon(session, session.get_pending_mark())
    assert re.fullmatch(r"after-greeting__[0-9a-f]{8}", wire_name)
    assert not waiting.done()
    session.signal_mark_received(wire_name)
    assert waiting.result(30) is MarkOutcome.PLAYED
    assert not session._pending_marks


def test_two_waiters_of_one_name_do_not_release_each_other(
    session: VoiceSession, elsewhere: ThreadPoolExecutor
) -> None:
    """The farewell of 8 seconds that was cut to 0.8."""
    first = elsewhere.submit(session.send_mark_and_wait, "tts_complete", timeout=30.0)
    one = soon(session, session.get_pending_mark())
    second = elsewhere.submit(session.send_mark_and_wait, "tts_complete", timeout=30.0)
    other = soon(session, session.get_pending_mark())
    session.signal_mark_received(one)
    first.result(30)
    assert not second.done()
    session.signal_mark_received(other)
    second.result(30)


def test_a_mark_that_never_comes_back_is_a_timeout(session: VoiceSession) -> None:
    with pytest.raises(TimeoutError, match="late"):
        session.send_mark_and_wait("late", timeout=0.02)
    assert not session._pending_marks


def test_a_hang_up_releases_who_waits_for_a_mark(session: VoiceSession, elsewhere: ThreadPoolExecutor) -> None:
    """Without an exception: 0.1's programs look at is_disconnected next. After the end, marks return at once."""
    waiting = elsewhere.submit(session.send_mark_and_wait, "cut off", timeout=30)
    eventually(lambda: session._pending_marks)
    session.signal_disconnected()
    session.signal_disconnected()
    assert waiting.result(30) is MarkOutcome.DISCONNECTED
    assert session.is_disconnected
    session.send_mark_and_wait("too late")
    assert soon(session, session.inbound.get()) is None
    assert session.inbound.empty()


# -- the call ---------------------------------------------------------------------------------------------------------


def test_waiting_for_the_call_ends_with_its_media(elsewhere: ThreadPoolExecutor) -> None:
    """The transport's loop is adopted when the program set none."""
    session = VoiceSession()
    waiting = elsewhere.submit(session.wait_for_ws_connect, timeout=30)

    async def transport() -> None:
        session.signal_ws_connected("MZ7")
        assert session.loop is asyncio.get_running_loop()

    asyncio.run(transport())
    waiting.result(30)
    assert session.stream_sid == "MZ7"


def test_a_call_that_nobody_answers_is_an_error() -> None:
    with pytest.raises(CallNotAnsweredError, match="0.02s timeout"):
        VoiceSession().wait_for_ws_connect(timeout=0.02)


def test_clear_asks_the_transport_with_the_streams_id(session: VoiceSession) -> None:
    session.request_clear_buffer()  # not connected: nothing to clear
    connect(session)
    session.request_clear_buffer()
    assert session._clear_queue is not None
    assert soon(session, session._clear_queue.get()) == "MZ1"
    assert session._clear_queue.empty()


# -- the next call ----------------------------------------------------------------------------------------------------


def test_reset_forgets_the_call_and_keeps_the_program(
    session: VoiceSession, elsewhere: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop
) -> None:
    stt, mixer = MockStt(), object()
    session.call_sid, session.stt, session.stt_factory, session.on_stt_ready = "CA1", stt, MockStt, print
    session._mixer = mixer  # type: ignore[assignment]
    connect(session)
    soon(session, stt.start(session.inbound))
    session.put_outbound_sync(FRAME)
    waiting = elsewhere.submit(session.send_mark_and_wait, "stale", timeout=30)
    eventually(lambda: session._pending_marks)
    session.request_disconnect()
    session.signal_disconnected()
    session.reset()
    waiting.result(30)
    assert not session.is_disconnected
    assert (session.stream_sid, session.stt, dict(session._pending_marks)) == (None, None, {})
    assert session.outbound.empty() and session.inbound.empty()
    assert (session.call_sid, session.stt_factory, session.on_stt_ready) == ("CA1", MockStt, print)
    assert session._mixer is mixer and session.loop is loop
    with pytest.raises(CallNotAnsweredError):
        session.wait_for_ws_connect(0.01)
    eventually(lambda: len(stt._tasks) == 0)  # stopped, on its loop


def test_reset_releases_a_speaker_of_a_call_that_still_lived(
    session: VoiceSession, elsewhere: ThreadPoolExecutor
) -> None:
    connect(session)
    waiting = elsewhere.submit(session.send_mark_and_wait, "stale", timeout=30)
    eventually(lambda: session._pending_marks)
    session.reset()
    assert waiting.result(30) is MarkOutcome.RESET


def test_reset_empties_queues_that_were_filled_by_hand() -> None:
    """Before there is any loop."""
    session = VoiceSession()
    session.inbound.put_nowait(FRAME)
    session.inbound.put_nowait(None)
    session.outbound.put_nowait(FRAME)
    session.reset()
    assert session.inbound.empty() and session.outbound.empty()


def test_reset_without_a_running_loop_cancels_what_recognition_left() -> None:
    class Feed:
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    class Stt:
        _feed_task = Feed()

    session, stt = VoiceSession(), Stt()
    session.stt = stt  # type: ignore[assignment]
    session.reset()
    assert session.stt is None and stt._feed_task.cancelled


# -- subclasses -------------------------------------------------------------------------------------------------------


@dataclass
class TelcoSession(VoiceSession):
    """The README's consumer: fields and methods of its own."""

    tenant: str = "none"
    notes: list[str] = field(default_factory=list)

    def greet(self) -> None:
        self.put_outbound_sync(FRAME)


def test_a_subclass_is_a_dataclass_with_fields_of_its_own(loop: asyncio.AbstractEventLoop) -> None:
    session = TelcoSession(call_sid="CA1", tenant="acme")
    session.set_loop(loop)
    session.greet()
    assert soon(session, session.get_outbound()) == FRAME
    assert (session.call_sid, session.tenant, session.notes) == ("CA1", "acme", [])
    assert TelcoSession().notes is not session.notes


@pytest.mark.parametrize("kind", [VoiceSession, TelcoSession])
def test_sessions_can_be_told_apart_and_kept_in_sets(kind: type[VoiceSession]) -> None:
    """0.1 compared them field by field, and could not hash them."""
    one, other = kind(), kind()
    assert one != other
    assert {one: "one", other: "other"}[one] == "one"


# -- somebody else's transport ----------------------------------------------------------------------------------------


class ForeignTransport:
    """A transport written for 0.1: what its README names, and nothing else."""

    def __init__(self, session: VoiceSession) -> None:
        self.session = session
        self.wire: list[tuple[str, Any]] = []

    async def run(self, stream_sid: str) -> None:
        session = self.session
        session.signal_ws_connected(stream_sid)
        tasks = [asyncio.ensure_future(work()) for work in (self.audio, self.marks, self.clears)]
        requested = session._disconnect_requested
        assert requested is not None
        await requested.wait()
        self.wire.append(("close", stream_sid))
        session.signal_disconnected()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def audio(self) -> None:
        while True:
            self.wire.append(("audio", await self.session.get_outbound()))

    async def marks(self) -> None:
        while True:
            name = await self.session.get_pending_mark()
            self.wire.append(("mark", name.partition("__")[0]))
            self.session.signal_mark_received(name)

    async def clears(self) -> None:
        queue = self.session._clear_queue
        assert queue is not None
        while True:
            self.wire.append(("clear", await queue.get()))


def test_a_foreign_transport_carries_one_call_after_the_other(session: VoiceSession) -> None:
    transport = ForeignTransport(session)
    assert session.loop is not None
    for number in (1, 2):
        call: Future[None] = asyncio.run_coroutine_threadsafe(transport.run(f"MZ{number}"), session.loop)
        session.wait_for_ws_connect(1)
        session.put_inbound(FRAME)
        assert soon(session, session.inbound.get()) == FRAME
        session.put_outbound_sync(b"hello")
        session.put_outbound_sync(b"there")
        assert session.send_mark_and_wait("greeted", timeout=1) is MarkOutcome.PLAYED
        session.request_clear_buffer()
        eventually(lambda: transport.wire[-1][0] == "clear")
        session.request_disconnect()
        call.result(30)
        assert session.is_disconnected
        session.reset()
        expected = [("audio", b"hello"), ("audio", b"there"), ("mark", "greeted"), ("clear", f"MZ{number}")]
        assert transport.wire == [*expected, ("close", f"MZ{number}")]
        transport.wire.clear()


def test_a_foreign_transport_gets_a_mark_only_after_the_audio_before_it(session: VoiceSession) -> None:
    """Although it asks for both at once, and is slow with the audio."""
    connect(session)

    async def transport() -> list[str]:
        order: list[str] = []

        async def marks() -> None:
            order.append((await session.get_pending_mark()).partition("__")[0])

        waiting = asyncio.ensure_future(marks())
        for _ in range(3):
            await asyncio.sleep(0.01)
            order.append((await session.get_outbound()).decode())
        await waiting
        return order

    for word in (b"one", b"two"):
        session.put_outbound_sync(word)
    session.stream.put_mark("mark")
    session.put_outbound_sync(b"three")
    order = soon(session, transport())
    assert order.index("mark") >= 2 and order[:2] == ["one", "two"]
