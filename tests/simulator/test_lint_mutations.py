"""The lint, checked by mutation: a correct media server, wrong in one point, is found out, under the right number."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_runtime.audio.tones import beep
from voice_runtime.clock import LoopClock
from voice_runtime.simulator import CallRecord, Carrier, EndedBy, listens
from voice_runtime.testing import run

PUBLIC = "https://voice.example.com"
TONE = beep(440, 400)
STREAM = '<Stream url="wss://voice.example.com/media"/>'
CONNECT = f"<Connect>{STREAM}</Connect>"
Json = dict[str, Any]


def encoded(audio: bytes) -> str:
    return b64encode(audio).decode()


@dataclass
class MediaServer:
    """Plays a tone, sets a mark, waits for its echo, clears, listens until the carrier stops. No fault in it.

    `change` makes other messages of one that it is about to send: text, bytes or JSON; `before_start` is said first,
    and `after_mark` is done when the mark came back.
    """

    change: Callable[[Json], list[Json | str | bytes]] = lambda message: [message]
    before_start: Json | None = None
    after_mark: Callable[[Send], Awaitable[None]] | None = None
    after_stop: bool = False
    twiml: str = CONNECT
    events: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]})
            await send({"type": "http.response.body", "body": f"<Response>{self.twiml}</Response>".encode()})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            await self.talk(receive, send)

    async def talk(self, receive: Receive, send: Send) -> None:
        if self.before_start is not None:
            await send({"type": "websocket.send", "text": json.dumps(self.before_start)})
        sid = ""
        while (message := await receive())["type"] != "websocket.disconnect":
            known = json.loads(message["text"])
            self.events.append(known["event"])
            sid = known.get("streamSid", "")
            match known["event"]:
                case "start":
                    await self.say(send, {"event": "media", "streamSid": sid, "media": {"payload": encoded(TONE)}})
                    await self.say(send, {"event": "mark", "streamSid": sid, "mark": {"name": "played"}})
                case "mark":
                    await self.say(send, {"event": "clear", "streamSid": sid})
                    if self.after_mark is not None:
                        await self.after_mark(send)
                case "stop" if self.after_stop:
                    with pytest.raises(OSError):  # as any ASGI server tells an application that the socket is closed
                        await asyncio.sleep(1)
                        await self.say(send, {"event": "clear", "streamSid": sid})

    async def say(self, send: Send, message: Json) -> None:
        for one in self.change(message):
            if isinstance(one, bytes):
                await send({"type": "websocket.send", "bytes": one})
            else:
                await send({"type": "websocket.send", "text": one if isinstance(one, str) else json.dumps(one)})


def calls(app: ASGIApp, count: int, seconds: float) -> list[CallRecord]:
    """So many callers listen for so long, on virtual time."""

    async def scenario() -> list[CallRecord]:
        clock = LoopClock(asyncio.get_running_loop(), 0.0)
        async with Carrier("12345", addresses={PUBLIC: app}, clock=clock) as carrier:
            return await asyncio.gather(*(carrier.call(f"{PUBLIC}/voice", listens(seconds)) for _ in range(count)))

    return run(scenario())


def call(app: ASGIApp, seconds: float = 3.0) -> CallRecord:
    return calls(app, 1, seconds)[0]


def faults(record: CallRecord) -> list[int]:
    return [fault.code.value for fault in record.faults]


def test_the_correct_server_has_no_fault() -> None:
    """Else none of the mutations below would prove anything."""
    server = MediaServer()
    record = call(server)
    assert (record.violations, record.ended_by) == ((), EndedBy.CALLER)
    assert TONE in record.ear and {"mark", "stop"} <= set(server.events)


def only(kind: str, /, **changes: Any) -> Callable[[Json], list[Json | str | bytes]]:
    """Change the messages of one kind: fields are replaced, those that become None are left out."""

    def change(message: Json) -> list[Json | str | bytes]:
        if message["event"] == kind:
            message = {name: value for name, value in {**message, **changes}.items() if value is not None}
        return [message]

    return change


def snake_case(message: Json) -> list[Json | str | bytes]:
    return [{("stream_sid" if name == "streamSid" else name): value for name, value in message.items()}]


def as_text(write: Callable[[str], str | bytes]) -> Callable[[Json], list[Json | str | bytes]]:
    return lambda message: [write(json.dumps(message))]


def glued(message: Json) -> list[Json | str | bytes]:
    return [json.dumps(message) * 2]


PAYLOAD = encoded(TONE)
WAV = b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + TONE
MESSAGES = {
    "an extra field at the top": (only("clear", sequenceNumber="1"), 31951),
    "an extra field in media": (only("media", media={"payload": PAYLOAD, "track": "outbound"}), 31951),
    "a timestamp in media": (only("media", media={"payload": PAYLOAD, "timestamp": "20"}), 31951),
    "an extra field in mark": (only("mark", mark={"name": "a", "track": "outbound"}), 31951),
    "media without media": (only("media", media=None), 31951),
    "media without payload": (only("media", media={}), 31951),
    "payload is null": (only("media", media={"payload": None}), 31951),
    "mark without mark": (only("mark", mark=None), 31951),
    "mark without name": (only("mark", mark={}), 31951),
    "no streamSid": (only("media", streamSid=None), 31951),
    "no event": (only("clear", event=None), 31951),
    "snake_case": (snake_case, 31951),
    "another case": (only("clear", streamSid=None, StreamSid="MZ1"), 31951),
    "another stream's sid": (only("media", streamSid="MZ" + "1" * 32), 31951),
    "an unknown event": (only("clear", event="hangup"), 31951),
    "an event of the carrier": (only("clear", event="stop"), 31951),
    "an event in capitals": (only("clear", event="Clear"), 31951),
    "a number for a name": (only("mark", mark={"name": 7}), 31951),
    "a number for the sid": (only("clear", streamSid=7), 31951),
    "a list for media": (only("media", media=[PAYLOAD]), 31951),
    "not JSON": (as_text(lambda text: text[:-1]), 31951),
    "Python's idea of JSON": (as_text(lambda text: text.replace('"', "'")), 31951),
    "JSON in JSON": (as_text(json.dumps), 31951),
    "a list of messages": (as_text(lambda text: f"[{text}]"), 31951),
    "two messages in one": (glued, 31951),
    "an empty message": (as_text(lambda text: ""), 31951),
    "a binary frame": (as_text(str.encode), 31950),
    "raw audio": (lambda message: [message, TONE], 31950),
    "base64 without padding": (only("media", media={"payload": encoded(TONE[:100]).rstrip("=")}), 31951),
    "base64 for addresses": (only("media", media={"payload": "_-" * 80}), 31951),
    "base64 in lines": (only("media", media={"payload": PAYLOAD[:76] + "\n" + PAYLOAD[76:]}), 31951),
    "hexadecimal": (only("media", media={"payload": TONE.hex()[:-1]}), 31951),
    "a WAV file": (only("media", media={"payload": encoded(WAV)}), 1),
    "an AU file": (only("media", media={"payload": encoded(b".snd" + TONE)}), 1),
    "no audio": (only("media", media={"payload": ""}), 1),
}


@pytest.mark.parametrize("mutation", MESSAGES)
def test_a_message_that_is_wrong_in_one_point(mutation: str) -> None:
    """It is found, with the number that Twilio's console would show, and nothing else is."""
    change, code = MESSAGES[mutation]
    assert set(faults(call(MediaServer(change)))) == {code}


async def close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1000})


async def break_off(send: Send) -> None:
    raise ConnectionResetError


async def stop_reading(send: Send) -> None:
    await asyncio.sleep(60)


def test_speaking_before_start() -> None:
    """Nobody can know the stream's SID yet."""
    server = MediaServer(before_start={"event": "media", "streamSid": "", "media": {"payload": PAYLOAD}})
    assert faults(call(server)) == [31951]


def test_speaking_after_stop_meets_a_closed_socket() -> None:
    """Which is no fault: what was said may have crossed `stop` on its way."""
    assert faults(call(MediaServer(after_stop=True))) == []


def test_closing_the_socket_cuts_the_caller_off() -> None:
    """A server that closes before it has hung up by REST is at fault."""
    record = call(MediaServer(after_mark=close))
    assert (faults(record), record.ended_by) == ([31921], EndedBy.TWIML)


@pytest.mark.parametrize("twiml", [f"{CONNECT}<Say>Goodbye.</Say>", f"<Connect action='/next'>{STREAM}</Connect>"])
def test_closing_the_socket_makes_the_twiml_go_on(twiml: str) -> None:
    """Where something follows, that is the documented way to get there: Twilio logs it, and it is no fault."""
    followed = iter([twiml, "<Hangup/>"])

    class Server(MediaServer):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.twiml = next(followed)
            await super().__call__(scope, receive, send)

    record = call(Server(after_mark=close))
    assert (faults(record), [v.code.value for v in record.violations]) == ([], [31921])


def test_breaking_off_is_a_fault_whatever_follows() -> None:
    """31903, also where the TwiML goes on."""
    assert faults(call(MediaServer(after_mark=break_off, twiml=f"{CONNECT}<Hangup/>"))) == [31903]


def test_a_server_that_does_not_read() -> None:
    """31930, once."""
    assert faults(call(MediaServer(after_mark=stop_reading), seconds=40)) == [31930]


def test_more_than_ten_minutes_queued() -> None:
    """31931, once."""
    minute = {"payload": encoded(bytes(8000 * 60))}
    record = call(MediaServer(lambda message: [{**message, "media": minute}] * 12 if "media" in message else []))
    assert faults(record) == [31931]


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ('<Stream url="wss://voice.example.com/media?token=1"/>', 31920),
        ('<Stream url="ws://voice.example.com/media"/>', 31922),
        ('<Stream url="https://voice.example.com/media"/>', 31922),
        ('<Stream url="wss:///media"/>', 31923),
        ('<Stream url="wss://voice.example.com/media" track="both_tracks"/>', 31941),
    ],
)
def test_a_stream_that_cannot_be_opened(stream: str, code: int) -> None:
    """No socket is opened."""
    server = MediaServer(twiml=f"<Connect>{stream}</Connect>")
    assert (faults(call(server)), server.events) == ([code], [])


def test_speaking_on_a_unidirectional_stream() -> None:
    """31924: it only listens."""
    assert faults(call(MediaServer(twiml=f"<Start>{STREAM}</Start><Pause length='2'/>"))) == [31924]


def test_an_application_that_refuses_its_own_stream() -> None:
    """31920."""

    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            message: Message = {"type": "websocket.close", "code": 1008}
            await send(message)
        else:
            await MediaServer()(scope, receive, send)

    assert faults(call(refuses)) == [31920]


def test_several_callers_each_have_their_own_faults() -> None:
    """One server that is wrong once a call is wrong in each."""

    records = calls(MediaServer(MESSAGES["a binary frame"][0]), 3, 1.0)
    assert [set(faults(record)) for record in records] == [{31950}] * 3
