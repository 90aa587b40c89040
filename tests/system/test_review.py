"""A media socket under back-pressure, and what becomes of a call whose peer stops reading, over real TCP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from phone_system import TOKEN, phone_system
from test_security import media_socket, start, stream_url
from websockets.asyncio.client import ClientConnection, connect

from voice_runtime import VoiceSession
from voice_runtime.events import EndReason
from voice_runtime.mock.tts import MockTts
from voice_runtime.server import socket as server_socket
from voice_runtime.server.socket import AsgiSocket
from voice_runtime.server.webhooks import run_hook
from voice_runtime.transport import CallInfo
from voice_runtime.transports.twilio_ws import TwilioStream
from voice_runtime.wire.signature import sign

SMALL = 4096


class OneCall:
    """A server for one media socket with small buffers, on asyncio's own loop and uvicorn's own WebSocket."""

    def __init__(self, **options: Any) -> None:
        self.session = VoiceSession()
        self.session.stream.lead_seconds = 1e9
        self.running = asyncio.Event()
        self.done = asyncio.Event()
        self.options = options

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        media = TwilioStream(AsgiSocket(receive, send, 65536), **self.options)
        media.info = CallInfo("CA1", "MZ1")
        self.session.media_started(media.info)
        self.running.set()
        await media.run(self.session)
        self.done.set()


@contextlib.asynccontextmanager
async def slow_line(call: OneCall) -> AsyncIterator[ClientConnection]:
    """The peer of `call`: nothing is read of its socket but what the test asks for."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    door.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        call,
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        ws_ping_interval=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[door]), name="server")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    raw.setblocking(False)
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.005)
        await asyncio.get_running_loop().sock_connect(raw, door.getsockname())
        async with connect("ws://test/", sock=raw, max_queue=1, compression=None, ping_interval=None) as peer:
            await call.running.wait()
            try:
                yield peer
            finally:
                peer.transport.abort()
    finally:
        server.should_exit = True
        await serving
        door.close()


async def test_a_slow_reader_gets_everything_once_and_in_order() -> None:
    """Back-pressure all the way: 500 pieces of audio with marks between them, read with pauses."""
    call = OneCall()
    put: list[str] = []
    got: list[str] = []
    async with slow_line(call) as peer:
        for n in range(500):
            put.append(f"{n:03d}")
            call.session.stream.put_audio(f"{n:03d}".encode() * 266, n)
            if n % 7 == 0:
                put.append(call.session.stream.put_mark(f"m{n}").wire_name)
        assert call.session.stream.backlog_bytes > 0  # it is held back
        async with asyncio.timeout(10):
            while len(got) < len(put):
                message = json.loads(await peer.recv())
                if message["event"] == "mark":
                    got.append(message["mark"]["name"])
                else:
                    got.append(base64.b64decode(message["media"]["payload"])[:3].decode())
                if len(got) % 50 == 0:
                    await asyncio.sleep(0.01)
        await peer.send('{"event":"stop","streamSid":"MZ1"}')
        await asyncio.wait_for(call.done.wait(), 2)
    assert got == put


async def test_a_clear_overtakes_what_waits_but_not_what_left() -> None:
    """A barge-in against back-pressure: a whole beginning of the old audio, the clear, then only new audio."""
    call = OneCall()
    got: list[str] = []
    async with slow_line(call) as peer:
        for n in range(500):
            call.session.stream.put_audio(f"{n:03d}".encode() * 266, n)
        call.session.interrupt()
        call.session.stream.put_audio(b"new" * 266, 1000)
        async with asyncio.timeout(10):
            while not got or got[-1] != "new":
                message = json.loads(await peer.recv())
                payload = message.get("media", {}).get("payload", "")
                got.append(base64.b64decode(payload)[:3].decode() if payload else message["event"])
        await peer.send('{"event":"stop","streamSid":"MZ1"}')
        await asyncio.wait_for(call.done.wait(), 2)
    assert got[-2:] == ["clear", "new"]
    assert got[:-2] == [f"{n:03d}" for n in range(len(got) - 2)]
    assert len(got) < 450


async def test_a_call_ends_when_its_peer_has_stopped_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be sent, not even the closing of the socket: the call is over all the same, and its place free."""
    monkeypatch.setattr(server_socket, "CLOSING_SECONDS", 0.2)
    call = OneCall(send_stall_seconds=0.2)
    async with slow_line(call):
        for n in range(500):
            call.session.stream.put_audio(b"\x55" * 800, n)
        await asyncio.wait_for(call.done.wait(), 5)
        assert call.session.end is not None and call.session.end.reason is EndReason.SEND_STALLED


async def test_the_end_may_come_in_the_moment_a_message_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that would have gone on waiting for room is never begun: nothing is left, and nothing complains."""
    monkeypatch.setattr(server_socket, "CLOSING_SECONDS", 0.05)
    for _ in range(3):
        call = OneCall()
        async with slow_line(call):
            call.session.stream.put_audio(b"\x55" * 800 * 500, 1)
            call.session.signal_disconnected()
            call.session.request_disconnect()
            await asyncio.wait_for(call.done.wait(), 5)
        gc.collect()  # what was never awaited would complain now


async def test_two_sockets_of_one_call_share_its_place_and_give_it_back() -> None:
    """The webhook was asked twice and gave two tokens, and both were used: each socket is carried to its own end."""
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.wait_ended()

        first, second = await stream_url(system), await stream_url(system)
        board = system.app.switchboard
        assert board.places.taken == 1
        async with media_socket(system, first, sign(TOKEN, first)) as one:
            await start(one)
            async with media_socket(system, second, sign(TOKEN, second)) as two:
                await start(two)
                async with asyncio.timeout(2):
                    while len(board.calls) < 2:  # noqa: ASYNC110 - nothing tells it
                        await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while board.calls or board.places.taken:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.01)
    assert board.total == 2 and not board.places.promised


@pytest.mark.parametrize("kind", ["lambda", "object"])
async def test_a_hook_that_makes_a_coroutine_is_awaited(kind: str) -> None:
    """`lambda status: store(status)`, or an object with an async `__call__`: it is run, not thrown away."""
    ran: list[object] = []

    async def store(status: object) -> str:
        ran.append(status)
        return "stored"

    class Store:
        async def __call__(self, status: object) -> str:
            return await store(status)

    hook = Store() if kind == "object" else lambda status: store(status)
    assert await run_hook(hook, "completed") == "stored"
    assert ran == ["completed"]
