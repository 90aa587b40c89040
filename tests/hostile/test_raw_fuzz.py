"""Raw-audio clients that have the token and no manners: whatever they send, it costs them their own call at most."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_client import TOKEN, raw_settings

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.clock import LoopClock
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.testing import VirtualLoop


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield "I see."


def wav(rate: int, channels: int, tag: int, bits: int, data: bytes, size: int | None, extra: bytes = b"") -> bytes:
    """With whatever its header says."""
    fmt = struct.pack("<HHIIHH", tag, channels, rate, 0xFFFFFFFF, 0, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data"
    return b"RIFF\0\0\0\0WAVE" + chunks + struct.pack("<I", len(data) if size is None else size) + data


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("9" * 20_000),
    st.sampled_from([0, 1, -1, 7999, 8000, 48000, 2**31, 2**63, "mulaw", "pcm_s16le", "simple"]),
    st.sampled_from(["streaming", "+358401234567"]),
)  # fmt: skip
NAMES = st.sampled_from(
    ["type", "format", "rate", "mode", "marks", "to", "from", "agent", "language", "parameters", "name", "digit"]
)
KINDS = st.sampled_from(["hello", "mark", "dtmf", "hangup", "media", "", None, 1])
OBJECTS = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}), KINDS, st.dictionaries(NAMES, ODD, max_size=3)
)
TEXTS = st.one_of(
    OBJECTS,
    st.just('{"type": "hello", "rate": 8000}'),
    st.just('{"type": "dtmf", "digit": "1"}'),
    st.text(max_size=30),
    st.sampled_from(["", "[" * 10_000, '{"a":' * 5_000, "[]", "null", '"\\ud800"', "x" * 20_000, "\ud800", "{}"]),
)
FILES = st.builds(
    wav,
    st.sampled_from([0, 1, 100, 3999, 4000, 8000, 44_100, 96_000, 96_001, 10**6, 2**31, 2**32 - 1]),
    st.sampled_from([0, 1, 2, 3, 65535]),
    st.sampled_from([1, 6, 7, 3, 0xFFFE, 0]),
    st.sampled_from([8, 16, 24, 0]),
    st.sampled_from([b"", b"\1", b"\1\2\3", bytes(1600), bytes(40_000)]),
    st.sampled_from([None, None, 0, 1, 2**31, 2**32 - 1]),
    st.sampled_from([b"", b"\0\0", b"\x16\0\x10\0\4\0\0\0\1\0" + bytes(14)]),
)
BINARIES = st.one_of(
    st.binary(max_size=700),
    FILES,
    FILES.map(lambda file: file[:30]),
    st.sampled_from([b"", b"R", b"RIFF", bytes(4_000_000), bytes(5_000_000), b"RIFF" + bytes(4_000_000)]),
)


class Line:
    """One client of the application, on simulated time."""

    def __init__(self, messages: list[str | bytes], pause: float, goodbye: int | None) -> None:
        self.sent: list[dict[str, Any]] = []
        self._messages = iter(messages)
        self._pause, self._goodbye = pause, goodbye
        self._connected = False

    async def receive(self) -> dict[str, Any]:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if (data := next(self._messages, None)) is not None:
            await asyncio.sleep(self._pause)
            return {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}
        if self._goodbye is None:
            await asyncio.Event().wait()  # gone without a word
        return {"type": "websocket.disconnect", "code": self._goodbye}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def scope(self, **changes: Any) -> dict[str, Any]:
        return {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": "/voice/raw",
            "raw_path": b"/voice/raw",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", b"Bearer " + TOKEN.encode())],
            "subprotocols": [],
            "client": ("203.0.113.7", 4711),
            "server": ("127.0.0.1", 8080),
            **changes,
        }


class Lines(logging.Handler):
    """Log lines that are worse than a warning, and tracebacks of any."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.bad: list[str] = []
        self.all: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record.getMessage())
        if record.levelno >= logging.ERROR or record.exc_info:
            self.bad.append(self.format(record))


class Desk:
    """An application that many clients call, one after the other."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        loop = self.runner.get_loop()
        self.app = VoiceApp(stt=MockStt, tts=MockTts(), clock=LoopClock(loop), settings=raw_settings(voice_max_calls=1))
        self.app.call()(Agent(brain, greeting="Hello!"))

    def serve(self, line: Line, **scope: Any) -> None:
        self.runner.run(self.app(line.scope(**scope), line.receive, line.send))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.runner.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    kept = Lines()
    logging.getLogger("voice_runtime").addHandler(kept)
    yield kept
    logging.getLogger("voice_runtime").removeHandler(kept)


@given(
    st.lists(st.one_of(TEXTS, BINARIES), max_size=6),
    st.sampled_from([0.0, 0.3, 4.0]),
    st.sampled_from([1000, 1006, None]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_client_sends_its_call_ends_in_order(
    desk: Desk, lines: Lines, messages: list[str | bytes], pause: float, goodbye: int | None
) -> None:
    """The one place comes back, no step fails, and all it is told is JSON, audio and files."""
    line = Line(messages, pause, goodbye)
    desk.serve(line)
    assert desk.app.switchboard.places.taken == 0 and lines.bad == []
    assert line.sent[0]["type"] == "websocket.accept"
    for message in line.sent[1:]:
        if text := message.get("text"):
            assert json.loads(text)["type"] and len(text) < 1000


@pytest.mark.parametrize("rate", [0, 1, 3999, 96_001, 2**31, 2**32 - 1])
def test_a_file_of_a_rate_that_nobody_has_is_refused(desk: Desk, lines: Lines, rate: int) -> None:
    """Its answer would have that rate, too: of one second of speech, four gigabytes."""
    line = Line([wav(rate, 1, 1, 16, bytes(1600), None)], 0.0, None)
    desk.serve(line)
    told = [json.loads(message["text"]) for message in line.sent if message.get("text")]
    assert [one["code"] for one in told if one["type"] == "error"] == ["bad_audio"] and lines.bad == []


def test_a_message_is_a_moment_and_not_a_recording(desk: Desk) -> None:
    """Four megabytes in one message would hold up the loop, and with it every call; the client is told."""
    line = Line(['{"rate": 48000}', bytes(2 * 48000 * 5), bytes(2 * 48000 * 5 + 2)], 1.0, 1000)
    desk.serve(line)
    told = [json.loads(message["text"]) for message in line.sent if message.get("text")]
    assert [one["code"] for one in told if one["type"] == "error"] == ["bad_audio"]


@pytest.mark.parametrize("hello", ["{}", '{"marks": true}', '{"mode": "simple"}'])
def test_a_client_that_reads_nothing_is_cut_off(desk: Desk, lines: Lines, hello: str) -> None:
    """It holds up nobody else, and its place comes back in seconds; so does that of one that is silent, in minutes."""

    class Deaf(Line):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if len(self.sent) > 3:
                await asyncio.Event().wait()

    line = Deaf([hello, bytes(1600)], 0.0, None)
    began = desk.runner.get_loop().time()
    desk.serve(line)
    assert desk.app.switchboard.places.taken == 0 and lines.bad == []
    assert desk.runner.get_loop().time() - began < (15 if "simple" not in hello else 330)


NUMBER, ORIGIN = "+358401234567", b"https://" + b"evil." * 5000


def test_strangers_and_what_clients_say_are_not_in_the_log(desk: Desk, lines: Lines) -> None:
    """Numbers in a hello, a token in the query, a page of another site: refused with few words, which quote none."""
    desk.app._handlers.clear()  # nobody answers
    desk.serve(Line([json.dumps({"to": NUMBER, "from": NUMBER})], 0.0, 1000))
    desk.serve(Line([json.dumps({"format": "x" * 10_000})], 0.0, 1000))
    strangers: list[tuple[list[tuple[bytes, bytes]], bytes, list[str]]] = [
        ([], b"token=" + TOKEN.upper().encode(), []),
        ([], b"token=%ff%00&token=" + b"%F0%9F" * 1000, []),
        ([(b"authorization", b"Bearer \xff\xfe")], b"", ["voice.raw", "bearer." + "x" * 60_000]),
        ([(b"authorization", b"Basic " + TOKEN.encode())], b"", []),
        ([(b"authorization", b"Bearer " + TOKEN.encode()), (b"origin", ORIGIN)], b"", []),
        ([(b"authorization", b"Bearer " + TOKEN.encode()), (b"origin", b"null")], b"", []),
    ]
    for headers, query, offered in strangers:
        line = Line([], 0.0, 1000)
        desk.serve(line, headers=headers, query_string=query, subprotocols=offered)
        assert [message["type"] for message in line.sent] == ["websocket.close"]
    said = "\n".join(lines.all)
    assert NUMBER not in said and TOKEN not in said and TOKEN.upper() not in said
    assert len(said) < 3000 and lines.bad == []
