"""The mock transport: two processes' servers on one machine, called as Twilio would call them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from telephone import AUTH_TOKEN, serving, session_served, until

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.errors import CarrierRefusedError
from voice_runtime.events import MarkOutcome
from voice_runtime.settings import Settings
from voice_runtime.transports import mock_bridge
from voice_runtime.transports.mock_bridge import (
    FakeWsBridge,
    cleanup_bridges,
    create_text_relay,
    initiate_mock_call,
    is_mock_transport,
)
from voice_runtime.transports.twilio_ws import register_voice_websocket
from voice_runtime.wire.signature import valid

HELLO = bytes(range(1, 161)) * 15  # 0.3 s, not a byte of silence in it
GOODBYE = bytes(range(161, 200)) * 41


@pytest.fixture(autouse=True)
def no_call_left() -> object:
    yield
    cleanup_bridges()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mock-MZ")]


class Listener:
    """Keeps what it hears of a call's caller, without the silence."""

    def __init__(self, session: VoiceSession) -> None:
        self.heard = b""
        self.task = asyncio.create_task(self._listen(session))

    async def _listen(self, session: VoiceSession) -> None:
        async for frame in session.audio():
            self.heard += frame.replace(b"\xff", b"")


async def test_two_agents_hear_each_other() -> None:
    """The callee answers behind /incoming and its token, the caller with 0.1's one session; signatures are checked."""
    app, heard = VoiceApp(settings=Settings(twilio_phone_number="")), []
    somebody_listens = asyncio.Event()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        listener = Listener(call)
        await somebody_listens.wait()
        await call.play(HELLO)
        await until(lambda: listener.heard == GOODBYE, "hearing the caller's agent")
        heard.append((call.call_sid, call.caller_number))

    caller = VoiceSession()
    async with serving(app) as callee_address, session_served(caller) as caller_address:
        sid = await asyncio.to_thread(initiate_mock_call, callee_address, caller_address)
        await until(lambda: caller.stream_sid, "the caller's connection")
        listener = Listener(caller)
        await asyncio.sleep(0)
        somebody_listens.set()
        await until(lambda: listener.heard == HELLO, "hearing the callee's agent")
        caller.send_audio(GOODBYE)
        end = await caller.wait_ended()
        await listener.task
    assert sid.startswith("CAMOCK_") and len(sid) == len("CAMOCK_") + 8
    assert heard == [(sid, "+358400000000")]
    assert caller.call_sid == sid
    assert end.reason == "caller_hung_up"  # the callee's handler returned: one side's end is the other's


async def test_a_mark_comes_back_when_the_audio_before_it_was_played_out() -> None:
    session = VoiceSession()
    bridge = FakeWsBridge(call_sid="CUSTOM123")
    async with session_served(session) as address:
        bridge.start(address.replace("http", "ws") + "/voice", {"shop": "7"})
        await until(lambda: session.stream_sid, "the connection")
        began = time.monotonic()
        session.send_audio(HELLO)
        assert await session.mark("played") is MarkOutcome.PLAYED
        took = time.monotonic() - began
        assert await session.mark("nothing before it") is MarkOutcome.PLAYED
        await asyncio.to_thread(bridge.stop)
        end = await session.wait_ended()
    assert took >= 0.28
    assert (session.call_sid, dict(session.custom_parameters)) == ("CUSTOM123", {"shop": "7"})
    assert session.stream_sid.startswith("MZ") and len(session.stream_sid) == 10
    assert (end.reason, end.detail) == ("caller_hung_up", "the carrier stopped the stream")
    assert not bridge.alive


async def test_a_clear_drops_the_audio_and_echoes_its_marks() -> None:
    session, heard = VoiceSession(), VoiceSession()
    one, other = FakeWsBridge(), FakeWsBridge()
    one.pair(other)
    async with session_served(session) as address, session_served(heard) as other_address:
        one.start(address.replace("http", "ws") + "/voice")
        other.start(other_address.replace("http", "ws") + "/voice")
        await until(lambda: session.stream_sid and heard.stream_sid, "both connections")
        listener = Listener(heard)
        session.send_audio(HELLO * 20)
        waiting = asyncio.create_task(session.mark("end"))
        await until(lambda: listener.heard, "the first sound")
        session.request_clear_buffer()
        assert await waiting is MarkOutcome.CLEARED
        assert await session.mark("after") is MarkOutcome.PLAYED
        await asyncio.sleep(0.15)
        length = len(listener.heard)
        await asyncio.sleep(0.1)
        assert len(listener.heard) == length < 2 * len(HELLO)
        await asyncio.to_thread(one.stop)
        await listener.task
    await until(lambda: not other.alive, "the other side's end")


async def test_the_socket_is_where_the_twiml_says() -> None:
    """And `<target>/voice`, as in 0.1, when the answer of a program's own /incoming is no TwiML."""
    app, asked = FastAPI(), []

    @app.post("/incoming")
    async def incoming(request: Request) -> Response:
        form = [(name, str(value)) for name, value in (await request.form()).items()]
        signed = valid(AUTH_TOKEN, request.headers["x-twilio-signature"], [str(request.url)], form)
        asked.append((signed, dict(form)))
        return JSONResponse({"ok": True})

    session = VoiceSession()
    register_voice_websocket(app, session)
    async with serving(app) as address:
        sid = await asyncio.to_thread(initiate_mock_call, address + "/")
        await until(lambda: session.stream_sid, "the connection")
        await asyncio.to_thread(cleanup_bridges)
        await session.wait_ended()
    (signed, form) = asked[0]
    assert signed
    assert (form["CallSid"], form["From"], form["Direction"]) == (sid, "+358400000000", "inbound")


async def test_a_callee_that_rejects_the_call_is_an_error() -> None:
    """So is one that has no /incoming: the 404 that 0.1 raised."""
    async with serving(VoiceApp(settings=Settings())) as address:
        with pytest.raises(CarrierRefusedError, match="rejected the mock call"):
            await asyncio.to_thread(initiate_mock_call, address)
    async with serving(FastAPI()) as address:
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await asyncio.to_thread(initiate_mock_call, address)


async def test_a_server_that_refuses_the_socket_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The bridge ends by itself; so does one without a server."""
    async with serving(FastAPI()) as address:
        refused = FakeWsBridge()
        refused.start(address.replace("http", "ws") + "/voice")
        await until(lambda: not refused.alive, "the end")
    nobody = FakeWsBridge()
    nobody.start("ws://127.0.0.1:9/voice")
    await until(lambda: not nobody.alive, "the end")
    assert [record.levelno for record in caplog.records if record.name == mock_bridge.__name__] == [logging.ERROR] * 2
    nobody.stop()
    FakeWsBridge().stop()


async def test_stop_does_not_wait_for_a_server_that_never_answers() -> None:
    """Nor does a bridge carry two calls."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        bridge = FakeWsBridge()
        bridge.start(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/voice")
        with pytest.raises(RuntimeError, match="already"):
            bridge.start("ws://127.0.0.1:9/voice")
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await asyncio.to_thread(bridge.stop)
        assert time.monotonic() - began < 8.0  # the handshake would be waited for 10 s
        assert not bridge.alive


async def test_spoken_text_is_relayed_to_the_peer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed when there is a token; what fails is logged."""
    app, taken = FastAPI(), []

    @app.post("/test/inject")
    async def inject(request: Request) -> Response:
        body = await request.body()
        signature = request.headers.get("x-twilio-signature")
        taken.append((await request.json(), valid(AUTH_TOKEN, signature, [str(request.url)], body=body)))
        return Response(status_code=204)

    async with serving(app) as address:
        await asyncio.to_thread(create_text_relay(address), "hello")
        monkeypatch.delenv("TWILIO_AUTH_TOKEN")
        await asyncio.to_thread(create_text_relay(address + "/"), "hei")
    assert taken == [({"text": "hello"}, True), ({"text": "hei"}, False)]
    await asyncio.to_thread(create_text_relay("http://127.0.0.1:9"), "nobody there")
    assert "was not relayed" in caplog.text


@pytest.mark.parametrize(("value", "mock"), [("mock", True), ("MOCK", True), ("twilio", False), ("", False)])
def test_the_switch_is_read_when_asked(monkeypatch: pytest.MonkeyPatch, value: str, mock: bool) -> None:
    monkeypatch.setenv("TRANSPORT", value)
    assert is_mock_transport() is mock
