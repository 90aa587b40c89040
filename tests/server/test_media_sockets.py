"""What a media socket promises, kept alike by the fast one and the ASGI one, over real TCP.

The fast one runs on both loops: picows writes past uvloop's, and not quite in the same way past asyncio's.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import socket as sockets
import ssl
import struct
import subprocess
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest
from media_line import MAX_BYTES, Line, media_line
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from voice_runtime import Settings, VoiceApp
from voice_runtime.server.fast_socket import FastSocket
from voice_runtime.server.serving import Stop, serve
from voice_runtime.transport import MediaSocket, SocketClosed

FAST = ["fast", "fast-asyncio"]


@pytest.fixture(params=[*FAST, "asgi"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def dial(line: Line, path: str = "", **options: Any) -> connect:
    return connect(line.url + path, compression=None, ping_interval=None, proxy=None, **options)


async def echo(socket: MediaSocket) -> None:
    """Sends back what it gets, with the type that it had."""
    try:
        while True:
            message = await socket.receive()
            if (room := socket.send(f"{type(message).__name__}:{len(message)}:{message!s}")) is not None:
                await room
    except SocketClosed:
        pass


class Ends:
    """How sockets ended."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    async def __call__(self, socket: MediaSocket) -> None:
        try:
            while True:
                await socket.receive()
        except SocketClosed as closed:
            self.codes.append(closed.code)


def request(key: bytes = base64.b64encode(bytes(16)), connection: str = "Upgrade") -> bytes:
    return (
        f"GET /voice HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: {connection}\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n"
    ).encode()


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, mask: bool = True) -> bytes:
    return Frame(opcode, data).serialize(mask=mask)


async def raw(line: Line) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", line.port)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass


# -- who comes in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/forged.token", "/a/b", "/"])
async def test_a_stranger_is_refused_before_acceptance(kind: str, path: str) -> None:
    """HTTP 403, and no program has seen the socket."""
    async with media_line(kind, echo, twilio_auth_token="a" * 32, twilio_skip_signature_validation=False) as line:
        with pytest.raises(InvalidStatus) as refused:
            async with dial(line, path):
                pass
    assert refused.value.response.status_code in (403, 404) and line.desk.served == 0


async def test_a_token_lets_one_socket_in(kind: str) -> None:
    """The second one, and one without, are refused; a refusal takes no place."""
    async with media_line(kind, echo, voice_require_token=True, voice_max_calls=1) as line:
        token = line.desk.gate.mint("CA1")
        with pytest.raises(InvalidStatus):
            await dial(line)
        async with dial(line, f"/{token}") as one:
            await one.send("hi")
            assert await one.recv() == "str:2:hi"
        with pytest.raises(InvalidStatus):
            await dial(line, f"/{token}")
        await line.until(lambda: line.desk.switchboard.places.readiness == "ready")
    assert line.desk.served == 1


async def test_no_place_is_a_refusal(kind: str) -> None:
    """And there is one again when the first socket is gone."""
    async with media_line(kind, echo, voice_max_calls=1) as line:
        async with dial(line):
            with pytest.raises(InvalidStatus) as refused:
                await dial(line)
            assert refused.value.response.status_code == 403
        await line.until(lambda: line.desk.switchboard.places.readiness == "ready")
        async with dial(line) as again:
            await again.send("hi")
            assert await again.recv() == "str:2:hi"


@pytest.mark.parametrize("key", [b"", b"short", b"!" * 24])
async def test_a_broken_handshake_is_refused_and_takes_no_place(kind: str, key: bytes) -> None:
    """By the status of the WebSocket library."""
    async with media_line(kind, echo) as line:
        reader, writer = await raw(line)
        writer.write(request(key))
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")
        await hang_up(writer)
    assert line.desk.served == 0


async def test_a_proxys_connection_header_is_fine(kind: str) -> None:
    """It may list more than the upgrade."""
    async with media_line(kind, echo) as line:
        reader, writer = await raw(line)
        writer.write(request(connection="keep-alive, Upgrade"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        await hang_up(writer)


async def test_the_rest_of_the_port_is_as_it_was(kind: str) -> None:
    """Pages, a request before the upgrade on the same connection, and sockets of the program's own."""
    async with media_line(kind, echo) as line:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{line.port}/page")).text == "a page"
        async with connect(f"ws://127.0.0.1:{line.port}/other", proxy=None) as other:
            await other.send("loud")
            assert await other.recv() == "LOUD"
        reader, writer = await raw(line)
        writer.write(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"a page")
        writer.write(request())
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        await hang_up(writer)


# -- messages ----------------------------------------------------------------------------------------------------------


async def test_text_and_binary_come_as_they_were_sent(kind: str) -> None:
    """Empty ones and other alphabets too."""
    async with media_line(kind, echo) as line, dial(line) as client:
        for message in ["hello", "", "grüß dich", b"\x01\x02", b""]:
            await client.send(message)
            assert await client.recv() == f"{type(message).__name__}:{len(message)}:{message!s}"


async def test_fragments_are_one_message(kind: str) -> None:
    """With a ping in between, and the alphabet cut in the middle of a letter."""
    async with media_line(kind, echo) as line:
        reader, writer = await raw(line)
        writer.write(request())
        await reader.readuntil(b"\r\n\r\n")
        letter = "ü".encode()
        writer.write(Frame(Opcode.TEXT, b"f" + letter[:1], fin=False).serialize(mask=True))
        writer.write(frame(b"beat", Opcode.PING))
        writer.write(Frame(Opcode.CONT, b"", fin=False).serialize(mask=True))
        writer.write(Frame(Opcode.CONT, letter[1:] + b"r").serialize(mask=True))
        assert await reader.readexactly(6) == frame(b"beat", Opcode.PONG, mask=False)
        expected = frame("str:3:für".encode(), mask=False)
        assert await reader.readexactly(len(expected)) == expected
        await hang_up(writer)
        async with dial(line) as client:
            await client.send([b"ab", b"cd", b"ef"])
            assert await client.recv() == "bytes:6:b'abcdef'"


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_what_comes_with_the_handshake_is_not_lost(kind: str, size: int) -> None:
    """In one piece, or in pieces that are cut anywhere. Behind plain ASGI it is: uvicorn drops it."""
    async with media_line(kind, echo) as line:
        reader, writer = await raw(line)
        writer.get_extra_info("socket").setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        data = request() + frame(b"connected") + frame(b"start") + frame(b"x" * 900) * 6
        for at in range(0, len(data) if size > 100 else 250, size):
            writer.write(data[at : at + size])
            await asyncio.sleep(0)
        if size < 100:
            writer.write(data[(250 + size - 1) // size * size :])
        await reader.readuntil(b"\r\n\r\n")
        for expected in [b"str:9:connected", b"str:5:start"] + [b"str:900:" + b"x" * 900] * 6:
            whole = frame(expected, mask=False)
            assert await reader.readexactly(len(whole)) == whole
        await hang_up(writer)


async def test_an_oversize_message_is_ignored(kind: str) -> None:
    """It comes as an empty one. Only one that is four times as large as allowed ends the socket, with 1009."""
    async with media_line(kind, echo) as line, dial(line) as client:
        await client.send("x" * MAX_BYTES)
        assert str(await client.recv()).startswith(f"str:{MAX_BYTES}:")
        for large in ("x" * (MAX_BYTES + 1), b"x" * 2000, ["x" * 600, "x" * 600]):
            await client.send(large)
            assert await client.recv() == "bytes:0:b''"
        await client.send(["still", " ", "here"])
        assert await client.recv() == "str:10:still here"
        await client.send("x" * 5000)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


async def test_oversize_fragments_end_the_socket_too(kind: str) -> None:
    """However small each of them is."""
    async with media_line(kind, echo) as line, dial(line) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.send(["x" * 1000] * 5)
            await client.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(b"\xff\xfe"), 1007),
        (frame(b"text", mask=False), 1002),
        (frame(b"text", Opcode.CONT), 1002),
        (Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=True) + frame(b"b"), 1002),
        (b"\x83\x80\0\0\0\0", 1002),
    ],
    ids=["not-utf-8", "not-masked", "continues-nothing", "not-continued", "unknown-opcode"],
)
async def test_a_peer_that_breaks_the_protocol_is_told_so(kind: str, bad: bytes, code: int) -> None:
    """And the receiver gets the code that the peer got."""
    ends = Ends()
    async with media_line(kind, ends) as line:
        reader, writer = await raw(line)
        writer.write(request())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bad)
        head = await reader.readexactly(4)
        assert head[0] == 0x88 and int.from_bytes(head[2:]) == code
        await hang_up(writer)
        await line.until(lambda: len(ends.codes) == 1)
    assert ends.codes == [code]


async def test_nothing_is_handed_on_after_a_broken_protocol(kind: str) -> None:
    """Neither what was too large, when the rest of it comes, nor what is behind it."""
    got: list[str | bytes] = []

    async def note(socket: MediaSocket) -> None:
        with pytest.raises(SocketClosed):
            while True:
                got.append(await socket.receive())

    async with media_line(kind, note) as line:
        reader, writer = await raw(line)
        writer.write(request())
        await reader.readuntil(b"\r\n\r\n")
        large = frame(b"x" * 5000)
        writer.write(large[:100])
        assert (await reader.readexactly(4))[2:] == (1009).to_bytes(2)
        writer.write(large[100:] + frame(b"behind it"))
        await hang_up(writer)
        await line.until(lambda: not line.server.server_state.tasks)
    assert got == []


async def test_a_ping_is_answered(kind: str) -> None:
    """Also while nobody receives."""
    answered = threading.Event()

    async def deaf(socket: MediaSocket) -> None:
        await asyncio.to_thread(answered.wait, 30)

    async with media_line(kind, deaf) as line, dial(line) as client:
        async with asyncio.timeout(25):
            await (await client.ping("are you there"))
        answered.set()


async def test_messages_before_anybody_receives_are_kept_in_order(kind: str) -> None:
    """Many more than a socket will hold."""
    got: list[str | bytes] = []

    async def late(socket: MediaSocket) -> None:
        await asyncio.sleep(0.1)
        while len(got) < 3000:
            got.append(await socket.receive())

    async with media_line(kind, late) as line, dial(line) as client:
        for number in range(3000):
            await client.send(f"{number:0500}")
        await line.until(lambda: len(got) == 3000)
    assert got == [f"{number:0500}" for number in range(3000)]


async def test_receive_until_stops_where_it_is_told(kind: str) -> None:
    """What comes after that is for whoever receives next; what the receiver raises comes out."""
    seen: list[object] = []

    async def program(socket: MediaSocket) -> None:
        await socket.receive_until(lambda message: seen.append(message) or message == "stop")  # type: ignore[func-returns-value]
        seen.append(await socket.receive())

        def broken(message: str | bytes) -> bool:
            raise ValueError(message)

        with pytest.raises(ValueError, match="boom"):
            await socket.receive_until(broken)
        with pytest.raises(SocketClosed) as closed:
            await socket.receive_until(lambda message: bool(seen.append(message)))  # type: ignore[func-returns-value]
        seen.append(closed.value.code)

    async with media_line(kind, program) as line, dial(line) as client:
        for message in ["a", "b", "stop", "c", "boom", "d"]:
            await client.send(message)
        await client.close(4001)
        await line.until(lambda: 4001 in seen)
    assert seen == ["a", "b", "stop", "c", "d", 4001]


# -- a peer that reads slowly, or not at all ---------------------------------------------------------------------------


async def slow_client(line: Line) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with next to no room on its way."""
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", line.port))
    reader, writer = await asyncio.open_connection(sock=small, limit=8192)
    writer.write(request())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_a_slow_reader_gets_everything_once_and_in_order(kind: str) -> None:
    """Whoever awaits what `send` returns holds no more than the socket has room for."""
    total, waits = 6000, 0

    def message(number: int) -> str:
        return f"{number}:" + "m" * (20_000 if number % 100 == 0 else number % 3000)

    async def talk(socket: MediaSocket) -> None:
        nonlocal waits
        for number in range(total):
            if (room := socket.send(message(number))) is not None:
                waits += 1
                await room

    async with media_line(kind, talk) as line:
        reader, writer = await slow_client(line)
        for number in range(total):
            if number % 1000 == 0:
                await asyncio.sleep(0.05)
            expected = frame(message(number).encode(), mask=False)
            assert await reader.readexactly(len(expected)) == expected
        await hang_up(writer)
    assert waits > 0


async def until_full(socket: MediaSocket) -> Awaitable[None]:
    """Send until there is something to wait for that does not come."""
    while True:
        room = socket.send("m" * 1000)
        if room is not None:
            waiting = asyncio.ensure_future(room)
            if not (await asyncio.wait({waiting}, timeout=0.2))[0]:
                return waiting


async def test_a_sender_that_is_cancelled_keeps_nobody_from_sending(kind: str) -> None:
    """The next message waits for room of its own."""
    ended: list[type] = []

    async def talk(socket: MediaSocket) -> None:
        waiting = await until_full(socket)
        assert isinstance(waiting, asyncio.Future) and waiting.cancel()
        again = socket.send("next")
        assert again is not None
        await again
        ended.append(type(again))

    async with media_line(kind, talk) as line:
        reader, writer = await slow_client(line)
        await asyncio.sleep(1.0)
        while b"next" not in await reader.read(65536):
            pass
        await line.until(lambda: bool(ended))
        await hang_up(writer)


async def test_a_peer_that_takes_nothing_does_not_keep_us(kind: str) -> None:
    """`close` comes back although the close frame cannot leave."""
    closed: list[float] = []

    async def talk(socket: MediaSocket) -> None:
        waiting = await until_full(socket)
        now = asyncio.get_running_loop().time
        began = now()
        await socket.close()
        closed.append(now() - began)
        assert isinstance(waiting, asyncio.Future)
        waiting.cancel()

    async with media_line(kind, talk) as line:
        _, writer = await slow_client(line)
        await line.until(lambda: bool(closed))
        if kind in FAST:
            await line.until(lambda: not line.server.server_state.connections)
        await hang_up(writer)
    assert closed[0] < 3


# -- how it ends -------------------------------------------------------------------------------------------------------


async def test_the_peers_close_code_is_reported(kind: str) -> None:
    """1005 when it gave none."""
    ends = Ends()
    async with media_line(kind, ends) as line:
        for code in (1000, 1001, 1011, 4001):
            async with dial(line) as client:
                await client.close(code, "why")
                assert client.close_code == code
        reader, writer = await raw(line)
        writer.write(request() if kind == "asgi" else request() + frame(b"", Opcode.CLOSE))
        await reader.readuntil(b"\r\n\r\n")
        if kind == "asgi":
            writer.write(frame(b"", Opcode.CLOSE))
        assert (await reader.readexactly(1)) == b"\x88"
        await hang_up(writer)
        await line.until(lambda: len(ends.codes) == 5)
    assert sorted(ends.codes) == [1000, 1001, 1005, 1011, 4001]


async def test_our_close_code_reaches_the_peer(kind: str) -> None:
    """After what was sent before it. Afterwards nothing can be sent, and closing again is nothing."""

    async def leave(socket: MediaSocket) -> None:
        await socket.receive()
        socket.send("last words")
        await socket.close(1008)
        await socket.close(1000)
        with pytest.raises(SocketClosed):
            if (room := socket.send("too late")) is not None:
                await room
        with pytest.raises(SocketClosed):
            await socket.receive()

    async with media_line(kind, leave) as line, dial(line) as client:
        await client.send("go")
        await client.send("not read any more")
        assert await client.recv() == "last words"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1008


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
async def test_a_peer_that_vanishes_is_noticed(kind: str, reset: bool) -> None:
    """Without a close frame there is no code of the peer's: 1006, which uvicorn reports as 1005."""
    ends = Ends()
    async with media_line(kind, ends) as line:
        reader, writer = await raw(line)
        writer.write(request())
        await reader.readuntil(b"\r\n\r\n")
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, linger)
        await hang_up(writer)
        await line.until(lambda: len(ends.codes) == 1)
    assert ends.codes == [1005 if kind == "asgi" else 1006]


async def test_whoever_waits_for_room_hears_that_the_peer_is_gone(kind: str) -> None:
    """Or at the next message, at the latest."""
    heard: list[str] = []

    async def talk(socket: MediaSocket) -> None:
        try:
            while True:
                if (room := socket.send("m" * 1000)) is not None:
                    await room
        except SocketClosed:
            heard.append("closed")

    async with media_line(kind, talk) as line:
        _, writer = await slow_client(line)
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await line.until(lambda: heard == ["closed"])


async def test_the_server_closes_it_when_it_stops(kind: str) -> None:
    """With 1012, on both sides, and in no time."""
    ends = Ends()
    async with media_line(kind, ends) as line, dial(line) as client:
        await client.send("hello")
        began = asyncio.get_running_loop().time()
        await line.stop()
        assert asyncio.get_running_loop().time() - began < 3
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1012 and ends.codes == [1012]


async def test_two_hundred_sockets_leave_nothing(kind: str) -> None:
    """No descriptor, no place, no object."""

    async def one(line: Line, number: int) -> None:
        client: ClientConnection
        async with dial(line) as client:
            await client.send(f"{number}")
            assert await client.recv() == f"str:{len(str(number))}:{number}"
            if number % 3 == 0:
                client.transport.abort()

    async with media_line(kind, echo) as line:
        await one(line, 1)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for batch in range(4):
            await asyncio.gather(*(one(line, 50 * batch + n) for n in range(50)))
        await line.until(lambda: not line.server.server_state.connections and not line.server.server_state.tasks)
        await line.until(lambda: len(os.listdir("/proc/self/fd")) <= before)
        gc.collect()
        assert not [thing for thing in gc.get_objects() if isinstance(thing, FastSocket)]
    assert line.desk.served == 201


# -- TLS, and the server that uses it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed, key and certificate in one file."""
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    try:
        out = subprocess.run([*command.split(), "-keyout", "-"], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    made.write_bytes(out.stdout)
    return made


async def test_it_works_over_tls(kind: str, certificate: Path) -> None:
    """Large messages and closing included."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=certificate)

    async def talk(socket: MediaSocket) -> None:
        for number in range(300):
            if (room := socket.send(f"{number}:" + "m" * (number * 100))) is not None:
                await room
        await echo(socket)

    async with media_line(kind, talk, tls=theirs) as line, dial(line, ssl=ours) as client:
        for number in range(300):
            assert await client.recv() == f"{number}:" + "m" * (number * 100)
        await client.send(["fragments", " and ", "all"])
        assert await client.recv() == "str:17:fragments and all"


@pytest.mark.parametrize("fast", [True, False])
async def test_serve_has_a_switch_for_it(fast: bool) -> None:
    """VOICE_FAST_SOCKETS; on unless it is turned off."""
    kinds: list[str] = []
    stop, ports = Stop(), asyncio.Queue[int]()
    switch = {} if fast else {"voice_fast_sockets": False}
    app = VoiceApp(settings=Settings(twilio_skip_signature_validation=True, voice_require_token=False, **switch))

    async def note(socket: MediaSocket, entitled: str | None) -> None:
        kinds.append(type(socket).__name__)

    app.api.state.media._serve = note
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    async with connect(f"ws://127.0.0.1:{await ports.get()}/voice", proxy=None):
        pass
    stop.ask()
    await serving
    assert kinds == ["FastSocket" if fast else "AsgiSocket"]
