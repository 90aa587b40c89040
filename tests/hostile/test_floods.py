"""What strangers, and a carrier gone wrong, throw at the port, while twenty callers listen to speech without a gap.

The server is a process of its own, on its fast sockets; each ear here plays what has come, as the carrier does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from cli_world import OUR_NUMBER, PUBLIC, TOKEN, Served
from websockets.asyncio.client import ClientConnection, connect

from voice_runtime.wire.signature import sign

LIVE = 20
RAW_TOKEN = "a-token-of-raw-audio-clients"
pytestmark = [pytest.mark.alone, pytest.mark.timeout(180)]

PROGRAM = """
import asyncio
from voice_runtime import VoiceApp

app = VoiceApp()

async def speech():
    while True:  # faster than it is played: the session holds it back
        yield bytes(range(1, 251)) * 32
        await asyncio.sleep(0.5)

@app.call()
async def answer(call):
    await call.play(speech(), barge_in="never")
"""
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: voice.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)).decode() + "\r\n{more}\r\n"
)


class Ear:
    """One caller: how much speech came, and for how long there was none to play once it had begun."""

    def __init__(self) -> None:
        self.messages = 0
        self.silent_ms = 0.0
        self._ends_at = 0.0

    def hear(self, message: str | bytes, now: float) -> None:
        heard = json.loads(message)
        if heard["event"] != "media":
            return
        if self.messages:
            self.silent_ms += max(0.0, now - self._ends_at) * 1000
        self._ends_at = max(self._ends_at, now) + len(base64.b64decode(heard["media"]["payload"])) / 8000
        self.messages += 1


class Port:
    """The port under attack."""

    def __init__(self, served: Served) -> None:
        self.served, self.number = served, int(served.url.rpartition(":")[2])
        self._http = httpx.AsyncClient(trust_env=False)
        self._writers: list[asyncio.StreamWriter] = []
        self.sids = (f"CA{number:032x}" for number in range(1, 10**6))

    async def invited(self) -> tuple[str, str]:
        """The path of a media socket with a token, and the call it is for."""
        sid = next(self.sids)
        form = {"CallSid": sid, "From": "+358401234567", "To": OUR_NUMBER, "Direction": "inbound"}
        headers = {
            "X-Twilio-Signature": sign(TOKEN, PUBLIC + "/incoming", form.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        said = await self._http.post(self.served.url + "/incoming", content=urlencode(form), headers=headers)
        found = re.search(r'url="wss://voice.test([^"]+)"', said.text)
        return (found[1] if found else ""), sid

    @contextlib.asynccontextmanager
    async def call(self) -> AsyncIterator[ClientConnection]:
        path, sid = await self.invited()
        signature = {"X-Twilio-Signature": sign(TOKEN, "wss://voice.test" + path)}
        url = f"ws://127.0.0.1:{self.number}{path}"
        async with connect(
            url, additional_headers=signature, compression=None, ping_interval=None, proxy=None
        ) as media:
            start = {"event": "start", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": sid}}
            await media.send(json.dumps(start))
            yield media

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        self._writers.append(writer)
        return reader, writer

    async def upgraded(
        self, path: str, signature: str = ""
    ) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The first line of the answer to a handshake, and the connection."""
        return await self.handshake(path, f"X-Twilio-Signature: {signature}\r\n" if signature else "")

    async def handshake(self, path: str, more: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The same, with these headers."""
        reader, writer = await self.raw()
        writer.write(UPGRADE.format(path=path, more=more).encode())
        return await reader.readline(), reader, writer

    async def load(self) -> dict[str, object]:
        loaded: dict[str, object] = (await self._http.get(self.served.url + "/readyz")).json()
        return loaded

    async def until_only_the_live(self) -> None:
        async with asyncio.timeout(30):
            while (await self.load())["calls"] != LIVE:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self._http.aclose()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


async def in_batches(count: int, size: int, attack: Callable[[], Awaitable[bytes]]) -> list[bytes]:
    answers: list[bytes] = []
    for _ in range(count // size):
        answers += await asyncio.gather(*(attack() for _ in range(size)))
    return answers


async def unauthenticated(port: Port) -> None:
    """2,000 upgrades: no signature, a forged one, no token, a made-up token."""
    kinds = iter([("/voice/x", ""), ("/voice/x", "forged"), ("/voice", ""), ("/voice/" + "A" * 200, "x")] * 500)

    async def one() -> bytes:
        line, _, writer = await port.upgraded(*next(kinds))
        writer.close()
        return line

    assert set(await in_batches(2000, 50, one)) == {b"HTTP/1.1 403 Forbidden\r\n"}


async def never_start(port: Port) -> None:
    """200 sockets of real invitations say nothing: as many as there are places get in, for VOICE_START_TIMEOUT."""
    lines: list[bytes] = []
    writers = []
    for _ in range(200):
        path, _ = await port.invited()
        if path:
            line, _, writer = await port.upgraded(path, sign(TOKEN, "wss://voice.test" + path))
            lines.append(line)
            writers.append(writer)
            assert (await port.load())["calls"] <= 100
    assert set(lines) == {b"HTTP/1.1 101 Switching Protocols\r\n"}
    await port.until_only_the_live()
    for writer in writers:
        writer.close()


async def slow_handshakes(port: Port) -> None:
    """50 of a byte at a time, 600 that say nothing, and 100 that vanish: new callers are served all the while."""
    slow = [await port.raw() for _ in range(50)]
    silent = [await port.raw() for _ in range(600)]
    for _ in range(100):
        _, writer = await port.raw()
        writer.write(UPGRADE.format(path="/voice/x", more="")[:40].encode())
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(1, 13, linger)  # a reset instead of a goodbye
        writer.close()
    for byte in UPGRADE.format(path="/voice/x", more="").encode()[:12]:
        for _, writer in slow:
            with contextlib.suppress(OSError):
                writer.write(bytes([byte]))
        await asyncio.sleep(0.1)
    assert (await port.load())["status"] == "ready"
    await port.raw()
    # More than 512 were waiting: those that had waited longest are gone.
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert await slow[0][0].read() == b""
    for _, writer in slow + silent:
        writer.close()


async def giant_messages(port: Port) -> None:
    """64 MB announced, 1 MB of text, brackets without end, a megabyte in fragments: the socket's loss, not ours."""
    announced = b"\x81\xff" + struct.pack(">Q", 64 << 20) + b"\0\0\0\0" + b"x" * 1000
    text = b"\x81\xff" + struct.pack(">Q", 1 << 20) + b"\0\0\0\0" + b"x" * (1 << 20)
    nested = b"\x81\xfe" + struct.pack(">H", 60_000) + b"\0\0\0\0" + b"[" * 60_000
    fragments = b"\x01\xfe\xff\xff\0\0\0\0" + b"x" * 65535 + (b"\x00\xfe\xff\xff\0\0\0\0" + b"x" * 65535) * 15
    for attack in (announced, text, nested, fragments) * 3:
        path, _ = await port.invited()
        line, reader, writer = await port.upgraded(path, sign(TOKEN, "wss://voice.test" + path))
        assert b"101" in line
        with contextlib.suppress(ConnectionError):
            writer.write(attack)
            await writer.drain()
        writer.close()


async def raw_strangers(port: Port) -> None:
    """1,000 raw-audio upgrades: no token, a wrong one in each of its places, and the right one from another page."""
    good = f"Authorization: Bearer {RAW_TOKEN}\r\n"
    kinds = [
        ("/voice/raw", ""),
        ("/voice/raw?token=" + RAW_TOKEN[:-1], ""),
        ("/voice/raw?" + "token=x&" * 500, ""),
        ("/voice/raw", f"Sec-WebSocket-Protocol: voice.raw, bearer.{RAW_TOKEN}x\r\n"),
        ("/voice/raw", good + "Origin: https://evil.example\r\n"),
    ]
    turns = iter(kinds * 200)

    async def one() -> bytes:
        path, more = next(turns)
        line, _, writer = await port.handshake(path, more)
        writer.close()
        return line

    assert set(await in_batches(1000, 50, one)) == {b"HTTP/1.1 403 Forbidden\r\n"}


async def raw_clients(port: Port) -> None:
    """With the token: 80 that never say hello, then giants, lies and floods. Their places come back."""
    lines = []
    for _ in range(80):
        line, _, _ = await port.handshake("/voice/raw?token=" + RAW_TOKEN, "")
        lines.append(line)
    assert set(lines) == {b"HTTP/1.1 101 Switching Protocols\r\n"}
    await port.until_only_the_live()

    def frame(kind: int, data: bytes) -> bytes:
        return bytes([0x80 | kind, 0xFF]) + struct.pack(">Q", len(data)) + b"\0\0\0\0" + data

    lying = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 2**31, 0, 0, 16) + b"data\xff\xff\xff\xff"
    hello = frame(1, b'{"rate": 48000}')
    attacks = [
        frame(2, b"x" * (5 << 20)),
        frame(2, lying + b"x" * (1 << 20)) * 3,
        hello + frame(2, b"x" * (3 << 20)),
        hello + frame(2, b"x" * 2000) * 500,
        hello + frame(1, b"[" * 15_000) * 20,
        hello + frame(1, b'{"type": "mark", "name": "x"}') * 5000,
        frame(1, b'{"mode": "simple"}') + frame(2, b"") * 3000,
    ]
    for attack in attacks:
        _, _, writer = await port.handshake("/voice/raw", f"Authorization: Bearer {RAW_TOKEN}\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(attack)
            await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()


async def replays(port: Port) -> None:
    """A signed socket, opened 300 times more: the first is let in, the others are not."""
    path, _ = await port.invited()
    signature = sign(TOKEN, "wss://voice.test" + path)
    first, _, writer = await port.upgraded(path, signature)

    async def again() -> bytes:
        line, _, other = await port.upgraded(path, signature)
        other.close()
        return line

    assert b"101" in first
    assert set(await in_batches(300, 50, again)) == {b"HTTP/1.1 403 Forbidden\r\n"}
    writer.close()


def open_files(process: int) -> int:
    folder = Path(f"/proc/{process}/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


ATTACKS = [unauthenticated, never_start, slow_handshakes, giant_messages, raw_strangers, raw_clients, replays]


async def test_live_calls_do_not_notice_any_flood(tmp_path: Path) -> None:
    """No silence of half a second in twenty calls, few lines in the log, and no place and no connection kept."""
    (tmp_path / "program.py").write_text(PROGRAM)
    limits = {
        "VOICE_MAX_CALLS": "100",
        "VOICE_START_TIMEOUT": "1",
        "VOICE_TOKEN_SECONDS": "3",
        "VOICE_DRAIN_SECONDS": "0",
        "VOICE_RAW_TOKEN": RAW_TOKEN,
    }
    with Served(tmp_path, "program:app", VOICE_MAX_LOOP_LAG_MS="0", **limits) as served:
        port = Port(served)
        ears = [Ear() for _ in range(LIVE)]

        async def listen(ear: Ear) -> None:
            async with port.call() as media:
                async for message in media:
                    ear.hear(message, time.monotonic())

        listening = [asyncio.create_task(listen(ear)) for ear in ears]
        async with asyncio.timeout(30):
            while min(ear.messages for ear in ears) < 3:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.05)
        for attack in ATTACKS:
            await attack(port)
        await port.until_only_the_live()
        assert not any(task.done() for task in listening)
        silent = [round(ear.silent_ms) for ear in ears]
        async with asyncio.timeout(60):  # peers that do not answer a close frame have a moment
            while open_files(served.process.pid) >= LIVE + 60:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.2)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await port.close()
        served.terminate()
        code, rest = served.ended(10)
    refused = [line for line in rest.splitlines() if "refused" in line or "closed" in line]
    assert RAW_TOKEN[:-1] not in rest and "Traceback" not in rest
    assert max(silent) < 500, silent
    assert code == 0 and len(refused) < 40
