"""ElevenLabs on loopback: its realtime recognition socket and its streaming synthesis, as its SDK sees them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

__all__ = ["FakeScribe", "FakeSpeech", "ScribeSession", "SpeechRequest"]

_PATIENCE_S = 30.0


class ScribeSession:
    """One realtime recognition session, seen from the service."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self._socket = socket
        self._news = asyncio.Event()
        self.path = urlsplit(socket.request.path).path
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(socket.request.path).query).items()}
        self.headers = dict(socket.request.headers.items())
        self.messages: list[dict[str, Any]] = []
        self.audio = b""
        self.closed = asyncio.Event()

    async def read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                parsed = json.loads(message)
                self.messages.append(parsed)
                self.audio += base64.b64decode(parsed.get("audio_base_64", ""))
                self._news.set()
        self.closed.set()

    async def send(self, message_type: str, **fields: object) -> None:
        await self._socket.send(json.dumps({"message_type": message_type, **fields}))

    async def send_raw(self, text: str) -> None:
        await self._socket.send(text)

    async def partial(self, text: str) -> None:
        await self.send("partial_transcript", text=text)

    async def commit(self, text: str) -> None:
        await self.send("committed_transcript", text=text)

    async def fail(self, message_type: str) -> None:
        await self.send(message_type, error=f"fake {message_type}")

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    def cut(self) -> None:
        """The network goes away, without a closing handshake."""
        self._socket.transport.abort()

    async def heard(self, audio: bytes) -> None:
        """Wait until everything the session was sent is `audio`, or ends with it."""
        async with asyncio.timeout(_PATIENCE_S):
            while not self.audio.endswith(audio):
                self._news.clear()
                await self._news.wait()

    async def told_to_commit(self) -> None:
        """Wait for it."""
        async with asyncio.timeout(_PATIENCE_S):
            while not any(message.get("commit") for message in self.messages):
                self._news.clear()
                await self._news.wait()


class FakeScribe:
    """The service. `first_words` are errors said in place of the greeting.

    `refuse_with` is the HTTP status of the next handshakes; `greet` whether it says session_started.
    """

    def __init__(self) -> None:
        self.sessions: list[ScribeSession] = []
        self.handshakes = 0
        self.refuse_with: int | None = None
        self._knock = asyncio.Event()
        self.greet = True
        self.first_words: list[str] = []
        self._arrivals: asyncio.Queue[ScribeSession] = asyncio.Queue()
        self._server: Server | None = None
        self.hold_handshakes: asyncio.Event | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def alive(self) -> int:
        return sum(not session.closed.is_set() for session in self.sessions)

    async def session(self) -> ScribeSession:
        """The next session that a client opened."""
        return await asyncio.wait_for(self._arrivals.get(), _PATIENCE_S)

    async def handshakes_reach(self, count: int) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while self.handshakes < count:
                self._knock.clear()
                await self._knock.wait()

    async def _check(self, connection: ServerConnection, _request: Request) -> Response | None:
        self.handshakes += 1
        self._knock.set()
        if self.hold_handshakes is not None:
            await self.hold_handshakes.wait()
        if self.refuse_with is not None:
            return connection.respond(self.refuse_with, "no\n")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        session = ScribeSession(socket)
        self.sessions.append(session)
        for message_type in self.first_words:
            await session.fail(message_type)
        if self.greet and not self.first_words:
            await session.send("session_started", session_id=f"fake-{len(self.sessions)}", config={})
        self._arrivals.put_nowait(session)
        await session.read()

    async def __aenter__(self) -> FakeScribe:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._check)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


class SpeechRequest:
    """One synthesis request, seen from the service."""

    def __init__(self, path: str, query: dict[str, str], headers: dict[str, str], body: dict[str, Any]) -> None:
        self.path, self.query, self.headers, self.body = path, query, headers, body
        self.abandoned = asyncio.Event()
        self.finished = asyncio.Event()


class FakeSpeech:
    """The synthesis service: answers every request with `chunks`, then `endless` for ever, `pause_s` apart.

    To `stream/with-timestamps` each chunk is a line of JSON: its audio in base64, and what `alignments` has for it, a
    text and the times at which its characters begin and end, counted from the beginning of the audio.
    """

    def __init__(self) -> None:
        self.chunks: list[bytes] = [b"\x10" * 160, b"\x20" * 160]
        self.alignments: list[list[tuple[str, float, float]] | None] = []
        self.endless: bytes | None = None
        self.status = 200
        self.cut_after: int | None = None
        self.pause_s = 0.0
        self.requests: list[SpeechRequest] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._arrivals: asyncio.Queue[SpeechRequest] = asyncio.Queue()
        self._over = asyncio.Event()
        self._handlers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def request(self) -> SpeechRequest:
        return await asyncio.wait_for(self._arrivals.get(), _PATIENCE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._handlers[task] = writer
        try:
            while request := await self._read(reader):
                self.requests.append(request)
                self._arrivals.put_nowait(request)
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            del self._handlers[task]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> SpeechRequest | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        url = urlsplit(first.split(" ")[1])
        return SpeechRequest(url.path, {k: v[0] for k, v in parse_qs(url.query).items()}, headers, body)

    async def _audio(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        while self.endless is not None:
            yield self.endless

    def _line(self, number: int, chunk: bytes) -> bytes:
        told = self.alignments[number] if number < len(self.alignments) else None
        alignment = told and {
            "characters": [character for character, _, _ in told],
            "character_start_times_seconds": [start for _, start, _ in told],
            "character_end_times_seconds": [end for _, _, end in told],
        }
        body = {
            "audio_base64": base64.b64encode(chunk).decode(),
            "alignment": alignment,
            "normalized_alignment": alignment,
        }
        return json.dumps(body).encode() + b"\n"

    async def _answer(self, request: SpeechRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.status != 200:
            body = b'{"detail":{"status":"fake_refusal"}}'
            writer.write(
                b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % (self.status, len(body))
                + body
            )
            await writer.drain()
            return
        timed = request.path.endswith("/stream/with-timestamps")
        kind = b"application/json" if timed else b"audio/basic"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind)
        sent = 0
        async for chunk in self._audio():
            if sent == self.cut_after:
                writer.transport.abort()
                return
            if writer.is_closing() or reader.at_eof() or self._over.is_set():
                request.abandoned.set()
                return
            piece = self._line(sent, chunk) if timed else chunk
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            try:
                await writer.drain()
            except ConnectionError:
                request.abandoned.set()
                raise
            sent += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self.pause_s)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        request.finished.set()

    async def __aenter__(self) -> FakeSpeech:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._over.set()
        for writer in self._handlers.values():
            writer.transport.abort()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()
