"""What an application does wrong is found, under Twilio's number, and the call comes to an end all the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.utils import accept_key

from fakes.twilio_application import PUBLIC, TONE, Application, Socket, connect, greet, listen
from voice_runtime.simulator import EndedBy, Line, listens, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus

VOICE = f"{PUBLIC}/voice"


def codes(record) -> list[int]:
    return [violation.code.value for violation in record.violations]


async def extra_field(call: Socket) -> None:
    await call.send("media", media={"payload": "/w==", "track": "outbound"})
    await call.send("clear", reason="because")
    await greet(call)


async def binary(call: Socket) -> None:
    await call.websocket.send_bytes(TONE)
    await greet(call)


async def text_that_is_no_text(call: Socket) -> None:
    await call.websocket.send_text("hello")
    await greet(call)


@pytest.mark.parametrize(
    ("answer", "expected", "rejected"),
    [(extra_field, [31951, 31921], 2), (binary, [31950, 31921], 1), (text_that_is_no_text, [31951, 31921], 1)],
)
async def test_wrong_messages_are_dropped_and_reported(
    telephony, answer: Callable[[Socket], Awaitable[None]], expected: list[int], rejected: int
) -> None:
    """The rest of the stream goes on: the tone was heard."""
    record = await (await telephony(Application(answer))).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.streams[0].messages_rejected) == (expected, rejected)
    assert record.ear.count(TONE) == 1


async def test_a_server_that_refuses_the_upgrade(telephony) -> None:
    """31920 and stream-error, then the next verb: here, none."""
    app = Application(listen, refuse=True)
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([31920], EndedBy.TWIML)
    assert [(form["StreamEvent"], form["StreamError"]) for path, form, _ in app.forms if path == "/stream"] == [
        ("stream-error", "31920")
    ]


async def test_a_server_that_closes_early(telephony) -> None:
    """31921, the call falls through and ends."""

    async def close(call: Socket) -> None:
        await call.websocket.close(code=1011, reason="oops")

    record = await (await telephony(Application(close))).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([31921], EndedBy.TWIML)
    assert "1011 oops" in record.violations[0].detail


async def test_a_server_that_crashes_in_a_call(telephony, caplog: pytest.LogCaptureFixture) -> None:
    """31903: the connection breaks without a goodbye, and the call falls through and ends."""

    async def crash(call: Socket) -> None:
        raise ZeroDivisionError("in the middle of a call")

    record = await (await telephony(Application(crash))).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([31903], EndedBy.TWIML)


async def test_an_application_that_does_not_read_loses_what_the_caller_says(telephony) -> None:
    """31930: what was not read in ten seconds is discarded, and the call goes on."""

    async def deaf(call: Socket) -> None:
        await asyncio.sleep(2.5)

    record = await (await telephony(Application(deaf))).call(VOICE, listens(22))
    assert 31930 in codes(record)
    assert record.streams[0].frames_discarded


@asynccontextmanager
async def bare_socket(then: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A media server with no WebSocket library: it upgrades, then does `then` and never reads. Gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        key = next(line.partition(": ")[2] for line in lines if line.lower().startswith("sec-websocket-key"))
        answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        answer.append(f"Sec-WebSocket-Accept: {accept_key(key)}")
        writer.write("\r\n".join([*answer, "", ""]).encode())
        await writer.drain()
        await then(writer)
        writer.close()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    async with await asyncio.start_server(serve, sock=listener, limit=4096):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_server_that_drops_the_connection(telephony) -> None:
    """31903: no closing handshake."""

    async def drop(writer: asyncio.StreamWriter) -> None:
        pass

    async with bare_socket(drop) as address:
        app = Application(listen, twiml=connect().replace("voice.example.com/media", "bare.example.com/media"))
        carrier = await telephony(app, addresses={"https://bare.example.com": address})
        record = await carrier.call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([31903], EndedBy.TWIML)


async def test_a_server_that_never_reads(telephony) -> None:
    """31930: the caller's audio is discarded, and the call can still be ended."""
    released = asyncio.Event()

    async def never_read(writer: asyncio.StreamWriter) -> None:
        await released.wait()

    async with bare_socket(never_read) as address:
        app = Application(listen, twiml=connect().replace("voice.example.com/media", "bare.example.com/media"))
        carrier = await telephony(app, addresses={"https://bare.example.com": address}, speed=100)
        record = await carrier.call(VOICE, listens(60))
        released.set()
    assert codes(record) == [31930]
    assert record.streams[0].frames_discarded > 0
    assert record.ended_by is EndedBy.CALLER


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("wss://", "ws://", 31922),
        ("/media", "/media?token=1", 31920),
        ("wss://voice.example.com/media", "wss:///media", 31923),
        ("<Stream ", "<Stream track='both_tracks' ", 31941),
    ],
)
async def test_a_stream_that_twilio_would_not_open(telephony, before: str, after: str, code: int) -> None:
    """No socket is opened at all."""
    app = Application(listen, twiml=connect().replace(before, after, 1))
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (codes(record), app.sockets) == ([code], [])


async def test_nobody_at_the_media_address(telephony) -> None:
    """31902."""
    app = Application(listen, twiml=connect().replace("voice.example.com/media", "nobody.example.com/media"))
    carrier = await telephony(app, addresses={"https://nobody.example.com": "http://127.0.0.1:9"})
    assert codes(await carrier.call(VOICE, waits_for_hang_up())) == [31902]


@pytest.mark.parametrize(
    ("twiml", "code"), [("<Response><Connect></Response>", 12100), ("<html/>", 12100), ("<Response/>", 0)]
)
async def test_a_document_that_is_no_twiml(telephony, twiml: str, code: int) -> None:
    """The call ends; an empty response just hangs up."""
    record = await (await telephony(Application(greet, twiml=twiml))).call(VOICE, waits_for_hang_up())
    assert (record.faults[0].code if record.faults else 0) == code


async def test_a_webhook_that_is_not_there(telephony) -> None:
    """404 is 11200, no server is 11205: the caller hears that there is an error, and the call ends."""
    carrier = await telephony(Application(greet))
    record = await carrier.call(f"{PUBLIC}/nothing", waits_for_hang_up())
    assert (codes(record), record.ended_by, record.status) == ([11200], EndedBy.FAILED, CallStatus.COMPLETED)
    assert codes(await carrier.call("http://127.0.0.1:9/voice", waits_for_hang_up())) == [11205]


async def test_what_a_script_raises_comes_out_of_the_call(telephony) -> None:
    """After the call was put down."""
    app = Application(listen)
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks(timeout=0.5)

    with pytest.raises(TimeoutError, match="said nothing within 0.5 s"):
        await carrier.call(VOICE, caller)
    assert app.sockets[0].received[-1]["event"] == "stop"
    assert carrier.calls == {}


async def test_a_call_has_a_time_limit(telephony) -> None:
    """Twilio's is hours."""
    carrier = await telephony(Application(listen), time_limit=1.0)
    assert (await carrier.call(VOICE, waits_for_hang_up())).ended_by is EndedBy.TIME_LIMIT
