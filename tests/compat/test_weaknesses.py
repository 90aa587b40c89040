"""What users of 0.1 met, one by one (reference/voice-runtime.md, 4.1 and 4.2): none of it is to be met here.

Where it is about the transport, it is tried over real TCP.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from packaging.requirements import Requirement
from telephone import AUTH_TOKEN, FRAME, Telephone, calling, serving, session_served, until
from websockets.exceptions import InvalidStatus

from voice_runtime import VoiceApp
from voice_runtime.events import CallConnected, CallEvent, DtmfReceived, MarkOutcome
from voice_runtime.mock.stt import MockStt
from voice_runtime.mock.tts import MockTts
from voice_runtime.session import VoiceSession, hearing
from voice_runtime.session.inbound import InboundQueue
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_call import build_stream_twiml
from voice_runtime.transports.twilio_ws import register_voice_websocket
from voice_runtime.wire.signature import sign

SECOND = b"\x55" * 8000


def call_tasks() -> list[str]:
    """What of a call still runs in this loop."""
    return [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith(("call.", "media-"))]


async def end(phone: Telephone, session: VoiceSession) -> None:
    """Hang up, and wait until the call is cleaned up after."""
    await phone.hang_up()
    await until(lambda: session.is_disconnected and not call_tasks(), "the end of the call")


# -- 4.1: packaging, security, shape ----------------------------------------------------------------------------------


def test_1_a_base_install_can_take_a_call() -> None:
    """A WebSocket library comes with it, and not with one vendor's extra."""
    required = [Requirement(text) for text in metadata.requires("voice-runtime") or []]
    base = {need.name: need for need in required if need.marker is None or need.marker.evaluate({"extra": ""})}
    assert "websockets" in base
    assert "standard" in base["uvicorn"].extras


async def test_2_the_webhooks_are_in_the_package() -> None:
    """/incoming answers TwiML for this call, /status takes what the carrier reports."""
    app, reported = VoiceApp(settings=Settings()), []

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.wait_ended()

    @app.status
    async def status(status: Any) -> None:
        reported.append((status.call_sid, status.status))

    async with serving(app) as address, httpx.AsyncClient(base_url=address) as twilio:
        for path, form in (
            ("/incoming", {"CallSid": "CA1", "From": "+358401234567", "To": "+358942721000"}),
            ("/status", {"CallSid": "CA1", "CallStatus": "completed", "FromCity": ""}),
        ):
            signature = sign(AUTH_TOKEN, address + path, form.items())
            answer_ = await twilio.post(path, data=form, headers={"X-Twilio-Signature": signature})
            assert answer_.is_success
            if path == "/incoming":
                stream = ElementTree.fromstring(answer_.text).find("Connect/Stream")
                assert stream is not None and stream.get("url", "").startswith(
                    address.replace("http", "ws") + "/voice/"
                )
    assert reported == [("CA1", "completed")]


async def refused(address: str, *, path: str = "/voice") -> int:
    with pytest.raises(InvalidStatus) as error:
        async with calling(address, path=path, start=False):
            pass
    return error.value.response.status_code


async def test_3_a_stranger_is_refused_before_the_socket_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP 403 in place of 101; without a token to check with, everybody; opting out is explicit."""
    session = VoiceSession()
    async with session_served(session) as address:
        with monkeypatch.context() as other:
            other.setenv("TWILIO_AUTH_TOKEN", "f" * 32)
            assert await refused(address) == 403
            other.delenv("TWILIO_AUTH_TOKEN")
            assert await refused(address) == 403
            other.setenv("TWILIO_SKIP_SIGNATURE_VALIDATION", "true")
            async with calling(address) as phone:
                await until(lambda: session.stream_sid, "the connection")
                await end(phone, session)


async def test_3_a_slash_at_the_end_of_the_stream_url_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 0.1.15 it refused every call."""
    session = VoiceSession()
    async with session_served(session) as address:
        monkeypatch.setenv("VOICE_STREAM_URL", address.replace("http", "ws") + "/")
        async with calling(address) as phone:
            await until(lambda: session.stream_sid, "the connection")
            await end(phone, session)


async def test_4_a_second_caller_cannot_take_over_the_session() -> None:
    """It is refused, and the first does not notice."""
    session = VoiceSession()
    async with session_served(session) as address:
        async with calling(address) as first:
            await until(lambda: session.stream_sid, "the connection")
            assert await refused(address) == 403
            session.put_outbound_sync(FRAME)
            waiting = asyncio.create_task(session.mark("heard"))
            await first.echo(await first.mark())
            assert await waiting is MarkOutcome.PLAYED
            assert (first.audio(), session.call_sid, session.stream_sid) == (FRAME, "CA1", "MZ1")
            await end(first, session)


async def test_4_two_calls_at_once_each_hear_their_own_agent() -> None:
    """With `VoiceApp`, which makes a session for every call."""
    app = VoiceApp(settings=Settings(voice_require_token=False))
    ended: list[str | None] = []

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.play((call.call_sid or "").encode() * 40)
        await call.wait_ended()
        ended.append(call.call_sid)

    async with serving(app) as address:
        async with calling(address, call="AA", stream="MZA") as a, calling(address, call="BB", stream="MZB") as b:
            for phone in (a, b):
                await phone.echo(await phone.mark())
            assert (a.audio(), b.audio()) == (b"AA" * 40, b"BB" * 40)
            assert {m["streamSid"] for m in a.received} == {"MZA"}
            await a.hang_up()
            await until(lambda: [call.call_sid for call in app.switchboard.calls] == ["BB"], "the end of A")
            assert ended == ["AA"]
            await b.hang_up()
            await until(lambda: not app.switchboard.calls, "the end of B")


async def test_5_the_second_call_works_without_a_reset() -> None:
    """A fresh recogniser, TTS that speaks, marks that wait."""
    made: list[MockStt] = []

    def factory() -> MockStt:
        made.append(MockStt())
        return made[-1]

    session = VoiceSession(stt_factory=factory)
    async with session_served(session) as address:
        for number in (1, 2):
            async with calling(address, call=f"CA{number}", stream=f"MZ{number}") as phone:
                await until(lambda n=number: session.stream_sid == f"MZ{n}" and len(made) == n, "the connection")
                assert not session.is_disconnected
                speaking = asyncio.create_task(asyncio.to_thread(MockTts().speak, "hi", session))
                name = await phone.mark()
                assert not speaking.done()
                await phone.echo(name)
                assert await speaking == {"last_spoken": "hi", "interrupted": False}
                assert phone.audio() == MockTts.render("hi")
                await phone.say(FRAME)
                await until(lambda n=number: made[n - 1].heard_bytes == 160, "hearing")
                await end(phone, session)
    assert [stt.heard_bytes for stt in made] == [160, 160]


def test_8_the_twiml_is_well_formed_whatever_the_address() -> None:
    """No // before voice, nothing unescaped."""
    for address in ("https://voice.example.com/a&b/", "wss://voice.example.com/a&b"):
        stream = ElementTree.fromstring(build_stream_twiml(address)).find("Connect/Stream")
        assert stream is not None and stream.get("url") == "wss://voice.example.com/a&b/voice"


# -- 4.2: session and transport ---------------------------------------------------------------------------------------


async def test_9_a_mark_never_overtakes_audio() -> None:
    """Small buffers, a carrier that reads slowly, and all 20 seconds sent as fast as they go."""
    session = VoiceSession()
    session.stream.lead_seconds = 60.0
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with session_served(session, buffer=16384) as address:
        small.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        async with calling(address, sock=small, max_queue=1) as phone:
            await until(lambda: session.stream_sid, "the connection")
            phone.reading.clear()
            session.put_outbound_sync(SECOND * 20)
            waiting = asyncio.create_task(session.mark("played", timeout=5))
            await asyncio.sleep(0.1)
            assert len(phone.audio()) < 20 * 8000 and session.stream.backlog_bytes > 0  # the socket is full
            phone.reading.set()
            name = await phone.mark()
            assert len(phone.audio()) == 20 * 8000
            assert phone.events() == ["media"] * (len(phone.received) - 1) + ["mark"]
            assert not waiting.done()
            await phone.echo(name)
            assert await waiting is MarkOutcome.PLAYED
            await end(phone, session)


async def test_10_clear_clears_what_waits_here_too() -> None:
    """No audio of before leaves after the `clear`; what is said next does."""
    session = VoiceSession()
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stream_sid, "the connection")
        session.put_outbound_sync(SECOND * 10)
        waiting = asyncio.create_task(session.mark("old"))
        await until(lambda: phone.audio(), "the first sound")
        session.request_clear_buffer()
        assert await waiting is MarkOutcome.CLEARED
        session.put_outbound_sync(b"\x22" * 160)
        await until(lambda: phone.events()[-2:] == ["clear", "media"], "what is said next")
        assert len(phone.audio()) < 2.5 * 8000
        assert phone.audio().endswith(b"\x55" + b"\x22" * 160)
        assert phone.marks() == []
        await end(phone, session)


async def test_11_audio_leaves_at_the_pace_it_is_heard() -> None:
    """A second ahead, and in messages of a sensible size whatever was put."""
    session = VoiceSession()
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stream_sid, "the connection")
        began = time.monotonic()
        for size in (65536, 7, 0, 8000 * 20):
            session.put_outbound_sync(b"\x55" * size)
        await until(lambda: len(phone.audio()) >= 8000, "the second ahead")
        await asyncio.sleep(0.3)
        sent = len(phone.audio()) / 8000
        assert sent <= time.monotonic() - began + 1.2
        sizes = {len(message["media"]["payload"]) * 3 // 4 for message in phone.received}
        assert max(sizes) <= 802 and min(sizes) >= 160
        await end(phone, session)


MALFORMED = [
    "no json",
    "[1, 2]",
    "null",
    "{}",
    '{"event": 7}',
    '{"event": "media", "media": null}',
    '{"event": "media"}',
    '{"event": "media", "media": {"payload": "%%%"}}',
    '{"event": "media", "media": {"payload": 5}}',
    '{"event": "mark", "mark": {}}',
    '{"event": "dtmf"}',
    '{"event": "something new", "data": [1]}',
    '{"event": "media", "media": {"payload": "' + "A" * 70000 + '"}}',
    "[" * 5000,
    b"\xff\xfe",
]


async def test_12_a_malformed_message_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """Not any of them; one line in the log tells how many there were."""
    session = VoiceSession()
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stream_sid, "the connection")
        for message in MALFORMED:
            await phone.connection.send(message)
        await phone.say(FRAME)
        assert await session.inbound.get() == FRAME
        assert not session.is_disconnected
        await end(phone, session)
    assert any("malformed messages were ignored" in record.getMessage() for record in caplog.records)


async def test_12_malformed_messages_before_the_start_do_no_harm_either() -> None:
    session = VoiceSession()
    async with session_served(session) as address, calling(address, start=False) as phone:
        for message in MALFORMED:
            await phone.connection.send(message)
        await phone.open()
        await until(lambda: session.stream_sid, "the connection")
        await end(phone, session)


async def test_13_recognition_that_does_not_start_is_reported_and_harms_no_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call goes on, `on_error` says that it is deaf, and the next call hears every frame."""
    monkeypatch.setattr(hearing, "RETRY_SECONDS", 0.01)
    faults: list[str] = []

    def ready(stt: Any) -> None:
        stt.on_error = faults.append

    session = VoiceSession(stt_factory=lambda: MockStt(fail_start=True), on_stt_ready=ready)
    async with session_served(session) as address:
        async with calling(address) as phone:
            await until(lambda: faults, "the report")
            session.put_outbound_sync(FRAME)
            await until(lambda: phone.audio() == FRAME, "the agent's voice")
            await end(phone, session)
        heard = MockStt()
        session.reset()
        session.stt_factory = lambda: heard
        async with calling(address, stream="MZ2") as phone:
            for _ in range(20):
                await phone.say(FRAME)
            await until(lambda: heard.heard_bytes == 20 * 160, "hearing all of it")
            session.put_outbound_sync(FRAME)
            await until(lambda: phone.audio() == FRAME, "the agent's voice")
            assert not session.is_disconnected
            await end(phone, session)
    assert len(faults) == 1 and "start" in faults[0]


async def test_14_a_hook_that_raises_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """`on_stt_ready`, and what it sets: the caller is heard all the same."""

    def ready(stt: Any) -> None:
        stt.on_committed = lambda text: 1 / 0
        raise ValueError("a bug of the program")

    stt = MockStt()
    session = VoiceSession(stt_factory=lambda: stt, on_stt_ready=ready)
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stt is stt, "recognition")
        stt.inject("hello")
        assert str(await session.listen(2)) == "hello"
        assert not session.is_disconnected
        await end(phone, session)
    assert {"on_stt_ready failed; the call goes on", "on_committed failed"} <= {r.getMessage() for r in caplog.records}


async def test_15_nothing_of_the_last_call_is_in_the_next() -> None:
    """Neither its marks, nor its audio, nor its caller's number, nor the end of its audio."""
    heard: list[MockStt] = []

    def factory() -> MockStt:
        heard.append(MockStt())
        return heard[-1]

    session = VoiceSession(stt_factory=factory, stt_secondary_factory=factory, caller_number="+358401111111")
    async with session_served(session) as address:
        async with calling(address) as phone:
            await until(lambda: len(heard) == 2, "recognition")
            session.put_outbound_sync(SECOND * 5)
            stale = asyncio.create_task(session.mark("stale"))
            await until(lambda: session._pending_marks, "the mark")
            await end(phone, session)
            assert await stale is MarkOutcome.DISCONNECTED
        session.reset()
        assert session.caller_number is None
        async with calling(address, stream="MZ2") as phone:
            await until(lambda: len(heard) == 4, "recognition")
            await phone.say(FRAME)
            await until(lambda: [stt.heard_bytes for stt in heard[2:]] == [160, 160], "both recognisers hearing")
            session.put_outbound_sync(b"\x22" * 160)
            await until(lambda: phone.received, "the agent's voice")
            assert (phone.events(), phone.audio()) == (["media"], b"\x22" * 160)
            await end(phone, session)


async def test_15_a_hang_up_asked_for_between_two_calls_is_not_lost() -> None:
    """The program changed its mind while the phone rang: the call ends as it begins."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())
    async with session_served(session) as address:
        async with calling(address) as phone:
            await until(lambda: session.stream_sid, "the connection")
            await end(phone, session)
        session.reset()
        session.request_disconnect()
        async with calling(address, stream="MZ2") as phone:
            await asyncio.wait_for(phone.closed.wait(), 30)
            assert session.end is not None and session.end.reason == "agent_hung_up"


async def test_15_a_thread_of_the_last_call_speaks_to_nobody() -> None:
    """A speaker that waits on its mark is released while the call reads as ended."""
    session = VoiceSession()
    seen: list[bool] = []

    def speaker() -> None:
        session.send_mark_and_wait("farewell", timeout=5)
        seen.append(session.is_disconnected)

    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stream_sid, "the connection")
        speaking = asyncio.create_task(asyncio.to_thread(speaker))
        await until(lambda: session._pending_marks, "the mark")
        await end(phone, session)
        await speaking
    assert seen == [True]


def test_16_threads_that_wait_for_marks_survive_any_end() -> None:
    """0.1: "dictionary changed size during iteration", and thousands of dead marks in the queue."""
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    session = VoiceSession()
    session.set_loop(loop)
    stop, failures = threading.Event(), []

    def wait_for_marks() -> None:
        while not stop.is_set():
            try:
                session.send_mark_and_wait("stress", timeout=0.001)
            except TimeoutError:
                pass
            except BaseException as error:
                failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            for _ in range(6):
                pool.submit(wait_for_marks)
            began = time.monotonic()
            while time.monotonic() - began < 0.5:
                session.signal_disconnected()
                session.reset()
            stop.set()
    finally:
        sys.setswitchinterval(interval)
        session.reset()
        loop.call_soon_threadsafe(loop.stop)
        running.join()
        loop.close()
    assert failures == []
    assert not session._pending_marks and not session.stream._items


async def test_17_blocking_on_the_loop_is_an_error_that_names_the_way() -> None:
    """At once, instead of 10 silent seconds for every call on the loop; clear_inbound just clears."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"await session\.mark"):
        session.send_mark_and_wait("on the loop")
    session.put_inbound(FRAME)
    session.clear_inbound()
    assert session.inbound.empty()
    assert time.monotonic() - began < 8.0


async def test_18_memory_is_bounded_when_nobody_listens() -> None:
    """The caller's audio: ten seconds, the newest, and the losses counted. The agent's: ten minutes."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())
    assert isinstance(session.inbound, InboundQueue)
    for number in range(5000):
        session.put_inbound(number.to_bytes(2, "big") * 80)
    assert (session.inbound.qsize(), session.inbound.dropped) == (500, 4500)
    assert await session.inbound.get() == (4500).to_bytes(2, "big") * 80
    for _ in range(700):
        session.put_outbound_sync(SECOND)
    assert session.stream.backlog_bytes == 600 * 8000


async def test_18_memory_is_bounded_while_the_loop_stalls() -> None:
    """From a thread, the loop deaf to it."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())

    def flood() -> None:
        for _ in range(5000):
            session.put_inbound(FRAME)

    thread = threading.Thread(target=flood)
    thread.start()
    thread.join()  # blocks the loop
    await until(lambda: session.inbound.qsize() == 500, "the newest")
    assert session.frames.dropped == 4500


def test_19_a_closed_loop_is_not_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    """The server is gone; the program's threads end in peace."""
    loop = asyncio.new_event_loop()
    session = VoiceSession()
    session.set_loop(loop)
    session.stream_sid = "MZ1"
    loop.close()
    session.put_inbound(FRAME)
    session.put_outbound_sync(FRAME)
    session.clear_inbound()
    session.request_clear_buffer()
    session.request_disconnect()
    session.signal_disconnected()
    assert session.is_disconnected
    assert session.send_mark_and_wait("gone") is MarkOutcome.DISCONNECTED
    session.reset()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_20_a_mark_says_what_became_of_it() -> None:
    """Played, cleared or cut off: 0.1 returned None for each. Twilio echoes the marks of a clear, too."""
    session = VoiceSession()
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stream_sid, "the connection")
        outcomes = []
        for name in ("played", "cleared", "cut off"):
            waiting = asyncio.create_task(asyncio.to_thread(session.send_mark_and_wait, name))
            wire_name = await phone.mark(len(outcomes) + 1)
            if name == "played":
                await phone.echo(wire_name)
            elif name == "cleared":
                session.request_clear_buffer()
                await phone.echo(wire_name)
            else:
                await phone.hang_up()
            outcomes.append(await waiting)
        await until(lambda: not call_tasks(), "the end")
    assert outcomes == [MarkOutcome.PLAYED, MarkOutcome.CLEARED, MarkOutcome.DISCONNECTED]


async def test_21_keys_parameters_and_ids_reach_the_program() -> None:
    """Of all that Twilio tells, 0.1 kept the call's id."""
    session, keys = VoiceSession(), []
    session.on_event(lambda event: keys.append(event.digit) if isinstance(event, DtmfReceived) else None)
    async with session_served(session) as address, calling(address, start=False) as phone:
        await phone.open(
            accountSid="AC1",
            customParameters={"order": "17"},
            mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            tracks=["inbound"],
        )
        for digit in "1#":
            await phone.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})
        await until(lambda: len(keys) == 2, "two keys")
        assert keys == ["1", "#"]
        assert (session.call_sid, session.account_sid, dict(session.custom_parameters)) == (
            "CA1",
            "AC1",
            {"order": "17"},
        )
        await end(phone, session)


async def test_the_agents_own_audio_is_not_taken_for_the_callers() -> None:
    """Tracks are looked at; 0.1 fed both to recognition."""
    session = VoiceSession()
    async with session_served(session) as address, calling(address) as phone:
        await phone.say(SECOND[:160], track="outbound")
        await phone.say(b"\x22" * 160)
        assert await session.inbound.get() == b"\x22" * 160
        await end(phone, session)


async def test_the_program_hangs_up_and_every_task_of_the_call_ends() -> None:
    """The socket is closed as 0.1 closed it: 1000."""
    session = VoiceSession(stt_factory=MockStt)
    app = FastAPI()
    register_voice_websocket(app, session)
    async with serving(app) as address, calling(address) as phone:
        await until(lambda: session.stt, "recognition")
        session.request_disconnect()
        await asyncio.wait_for(phone.closed.wait(), 30)
        await until(lambda: not call_tasks(), "the end")
        assert phone.connection.close_code == 1000
        assert session.stt is None


async def test_5_a_program_that_resets_at_once_takes_the_next_call_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """The session is handed over while the last call is still being cleaned up after."""
    ends: list[str] = []
    session = VoiceSession(stt_factory=MockStt, on_disconnected=lambda end: ends.append(str(end.reason)))
    stop = threading.Event()

    def program() -> None:
        while not stop.is_set():
            if session.is_disconnected:
                session.reset()
            time.sleep(0.0001)

    running = threading.Thread(target=program)
    running.start()
    try:
        async with session_served(session) as address:
            for number in range(20):
                async with calling(address, stream=f"MZ{number}") as phone:
                    await until(lambda n=number: session.stream_sid == f"MZ{n}", "the connection")
                    session.put_outbound_sync(FRAME)
                    await until(lambda p=phone: p.audio() == FRAME, "the agent's voice")
                    await phone.hang_up()
    finally:
        stop.set()
        running.join()
    assert ends == ["caller_hung_up"] * 20
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_recognition_attached_when_the_call_is_up_starts_once() -> None:
    """0.1's quick example sets the factory after connecting, and was deaf. However close to the connection it comes."""
    made: list[MockStt] = []

    class Counted(MockStt):
        starts = 0

        async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
            self.starts += 1
            await super().start(inbound_queue)

    def factory() -> MockStt:
        made.append(Counted())
        return made[-1]

    session = VoiceSession()
    interval = sys.getswitchinterval()
    async with session_served(session) as address:
        sys.setswitchinterval(1e-5)
        try:
            for number in range(20):

                def program() -> None:
                    session.wait_for_ws_connect(5)
                    session.stt_factory = factory

                attaching = threading.Thread(target=program)
                attaching.start()
                async with calling(address, stream=f"MZ{number}") as phone:
                    await until(lambda n=number: len(made) > n, "recognition")
                    await phone.say(FRAME)
                    await until(lambda: made[-1].heard_bytes == 160, "hearing")
                    await end(phone, session)
                attaching.join()
                session.stt_factory = None
                session.reset()
        finally:
            sys.setswitchinterval(interval)
    assert [stt.starts for stt in made] == [1] * 20


async def test_recognition_attached_by_the_event_of_the_connection_starts_once() -> None:
    """The earliest moment there is."""
    starts: list[MockStt] = []

    class Counted(MockStt):
        async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
            starts.append(self)
            await super().start(inbound_queue)

    session = VoiceSession()

    def attach(event: CallEvent) -> None:
        if isinstance(event, CallConnected):
            session.stt_factory = Counted

    session.on_event(attach)
    async with session_served(session) as address, calling(address) as phone:
        await until(lambda: session.stt, "recognition")
        await phone.say(FRAME)
        await until(lambda: starts and starts[0].heard_bytes == 160, "hearing")
        await end(phone, session)
    assert len(starts) == 1
