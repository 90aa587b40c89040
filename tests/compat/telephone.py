"""Twilio's end of a media socket, over real TCP, and a server to call: what the tests of this folder share."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from voice_runtime.session import VoiceSession
from voice_runtime.transports.twilio_ws import register_voice_websocket
from voice_runtime.wire.signature import sign

__all__ = ["AUTH_TOKEN", "FRAME", "Telephone", "calling", "serving", "session_served", "until"]

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
FRAME = b"\x55" * 160


async def until(condition: Callable[[], object], what: str = "it", seconds: float = 30.0) -> None:
    """Wait for something that another thread or task brings about."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not happen within {seconds} s"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(app: Any, buffer: int | None = None) -> AsyncIterator[str]:
    """Serve `app` on a free port, in this loop; gives its http:// address. `buffer`: bytes its sockets may buffer."""
    config = uvicorn.Config(
        app, log_level="error", ws="websockets-sansio", loop="none", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        if buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started, "the server's start")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


class Telephone:
    """One media socket as Twilio opens it. `received` is what the server sent, in order."""

    def __init__(self, connection: ClientConnection, stream_sid: str, call_sid: str) -> None:
        self.connection = connection
        self.stream_sid = stream_sid
        self.call_sid = call_sid
        self.received: list[dict[str, Any]] = []
        self.closed = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, event: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"event": event, "streamSid": self.stream_sid, **fields}))

    async def open(self, **start: Any) -> None:
        await self.connection.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await self.send("start", start={"callSid": self.call_sid, "streamSid": self.stream_sid, **start})

    async def say(self, audio: bytes, track: str = "inbound") -> None:
        await self.send("media", media={"track": track, "payload": base64.b64encode(audio).decode()})

    async def echo(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    async def hang_up(self) -> None:
        await self.send("stop", stop={"callSid": self.call_sid})

    async def listen(self) -> None:
        """Read what the server sends, while `reading` is set."""
        async for message in self.connection:
            self.received.append(json.loads(message))
            await self.reading.wait()
        self.closed.set()

    def events(self) -> list[str]:
        return [str(message["event"]) for message in self.received]

    def marks(self) -> list[str]:
        return [message["mark"]["name"] for message in self.received if message["event"] == "mark"]

    def audio(self) -> bytes:
        media = [message["media"]["payload"] for message in self.received if message["event"] == "media"]
        return b"".join(base64.b64decode(payload) for payload in media)

    async def mark(self, count: int = 1) -> str:
        """The name of the mark number `count` that the server sent."""
        await until(lambda: len(self.marks()) >= count, f"mark {count}")
        return self.marks()[count - 1]


@asynccontextmanager
async def calling(
    address: str, *, path: str = "/voice", stream: str = "MZ1", call: str = "CA1", start: bool = True, **options: Any
) -> AsyncIterator[Telephone]:
    """Open a media socket, signed; `start=False` sends nothing yet. `options` are those of `websockets.connect`."""
    url = address.replace("http://", "ws://") + path
    headers = {"X-Twilio-Signature": sign(AUTH_TOKEN, url)}
    limits = {"open_timeout": 5, "close_timeout": 1, "compression": None, "proxy": None, **options}
    async with connect(url, additional_headers=headers, **limits) as connection:
        phone = Telephone(connection, stream, call)
        listening = asyncio.create_task(phone.listen())
        try:
            if start:
                await phone.open()
            yield phone
        finally:
            listening.cancel()
            await asyncio.wait({listening})


@asynccontextmanager
async def session_served(session: VoiceSession, buffer: int | None = None) -> AsyncIterator[str]:
    """0.1's shape: one session on one FastAPI app."""
    app = FastAPI()
    register_voice_websocket(app, session)
    async with serving(app, buffer) as address:
        yield address
