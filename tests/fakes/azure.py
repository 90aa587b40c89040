"""Azure's speech service on loopback: the WebSocket protocol its SDK speaks, as far as recognition and synthesis go.

Text messages are headers, an empty line and JSON. Binary messages are a two-byte length, headers and audio. The service
answers within the request whose X-RequestId the client chose.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from types import TracebackType

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

__all__ = ["AzureSession", "FakeAzure"]

_PATIENCE_S = 30.0
_RIFF_HEADER_BYTES = 44


class AzureSession:
    """One connection of the SDK, seen from the service."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self._socket = socket
        self._news = asyncio.Event()
        self._audio_ended = asyncio.Event()
        self.path = socket.request.path
        self.headers = dict(socket.request.headers.items())
        self.request_id = ""
        self.stream_id = ""
        self.sent: dict[str, str] = {}
        self.audio = b""
        self.audio_over = False
        self.ends_turns = True
        self.closed = asyncio.Event()

    async def read(self) -> None:
        """Read until the end. The end of the audio is answered with the end of the turn, as the service does."""
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                if isinstance(message, bytes):
                    self._read_audio(message)
                else:
                    head, _, body = message.partition("\r\n\r\n")
                    headers = _headers(head)
                    self.request_id = headers.get("x-requestid", self.request_id)
                    self.sent[headers["path"]] = body
                    if headers["path"] == "speech.context":
                        await self.say("turn.start", context={"serviceTag": "fake"})
                self._news.set()
                if self.audio_over and self.ends_turns:
                    self.audio_over = False
                    await self.say("turn.end")
        self.closed.set()

    def _read_audio(self, message: bytes) -> None:
        (size,) = struct.unpack(">H", message[:2])
        headers, audio = _headers(message[2 : 2 + size].decode()), message[2 + size :]
        self.request_id = headers.get("x-requestid", self.request_id)
        self.stream_id = headers.get("x-streamid", self.stream_id)
        if audio.startswith(b"RIFF"):
            audio = audio[_RIFF_HEADER_BYTES:]
        elif not audio:
            self.audio_over = True
            self._audio_ended.set()
        self.audio += audio

    async def got(self, path: str) -> str:
        """The body of the latest message of that kind, as soon as there is one."""
        async with asyncio.timeout(_PATIENCE_S):
            while path not in self.sent:
                self._news.clear()
                await self._news.wait()
        return self.sent[path]

    async def heard(self, audio: bytes) -> None:
        """Wait until what the session was sent contains `audio`."""
        async with asyncio.timeout(_PATIENCE_S):
            while audio not in self.audio:
                self._news.clear()
                await self._news.wait()

    async def heard_the_end(self) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            await self._audio_ended.wait()

    async def say(self, path: str, **body: object) -> None:
        head = f"X-RequestId:{self.request_id}\r\nPath:{path}\r\nContent-Type:application/json; charset=utf-8\r\n"
        if self.stream_id:
            head += f"X-StreamId:{self.stream_id}\r\n"
        await self._socket.send(f"{head}\r\n{json.dumps(body)}")

    async def hypothesis(self, text: str) -> None:
        await self.say("speech.hypothesis", Text=text, Offset=0, Duration=10_000_000)

    async def phrase(self, text: str, status: str = "Success") -> None:
        await self.say("speech.phrase", RecognitionStatus=status, DisplayText=text, Offset=0, Duration=10_000_000)

    async def send_speech(self, audio: bytes) -> None:
        head = f"X-RequestId:{self.request_id}\r\nPath:audio\r\nContent-Type:audio/x-wav\r\nX-StreamId:1\r\n".encode()
        await self._socket.send(struct.pack(">H", len(head)) + head + audio)

    async def send_words(self, *words: tuple[str, float, float], kind: str = "WordBoundary") -> None:
        """What the service says of words before it sends their audio: text, begin and duration in seconds."""
        told = [
            {
                "Type": kind,
                "Data": {
                    "Offset": int(begin * 10_000_000),
                    "Duration": int(duration * 10_000_000),
                    "text": {"Text": text, "Length": len(text), "BoundaryType": kind},
                },
            }
            for text, begin, duration in words
        ]
        await self.say("audio.metadata", Metadata=told)

    async def begin_speech(self) -> str:
        """Wait for something to say; returns its SSML."""
        ssml = await self.got("ssml")
        await self.say("turn.start", context={"serviceTag": "fake"})
        await self.say("response", context={"serviceTag": "fake"}, audio={"type": "inline", "streamId": "1"})
        return ssml

    async def end_turn(self) -> None:
        self.sent.pop("ssml", None)
        await self.say("turn.end")

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    def cut(self) -> None:
        self._socket.transport.abort()


class FakeAzure:
    """The service. `refuse_with` is the HTTP status of the next handshakes."""

    def __init__(self) -> None:
        self.sessions: list[AzureSession] = []
        self.handshakes = 0
        self.refuse_with: int | None = None
        self._arrivals: asyncio.Queue[AzureSession] = asyncio.Queue()
        self._server: Server | None = None

    @property
    def recognition(self) -> str:
        return f"{self._url}/speech/recognition/conversation/cognitiveservices/v1"

    @property
    def synthesis(self) -> str:
        return f"{self._url}/cognitiveservices/websocket/v1"

    @property
    def _url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def session(self) -> AzureSession:
        """The next session that a client opened."""
        return await asyncio.wait_for(self._arrivals.get(), _PATIENCE_S)

    async def _check(self, connection: ServerConnection, _request: Request) -> Response | None:
        self.handshakes += 1
        return None if self.refuse_with is None else connection.respond(self.refuse_with, "no\n")

    async def _serve(self, socket: ServerConnection) -> None:
        session = AzureSession(socket)
        self.sessions.append(session)
        self._arrivals.put_nowait(session)
        await session.read()

    async def __aenter__(self) -> FakeAzure:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._check)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


def _headers(head: str) -> dict[str, str]:
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))}
