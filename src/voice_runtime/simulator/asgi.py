"""An ASGI application in this process: webhooks and media sockets reach it without a network, and behave as on one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
from starlette.types import ASGIApp, Message, Scope

from voice_runtime.simulator.stream_socket import HANDSHAKE_SECONDS, Refused, SocketEnded
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.tasks import TaskOwner

__all__ = ["AsgiApplication"]

log = logging.getLogger(__name__)

_BUFFER_CHARS: Final = 65536
"""What may be under way to a server that does not read, as in the buffers of a real connection: 3 s of audio."""
_LAST_WORDS_SECONDS: Final = 7.0
"""How long the application may go on with requests and sockets that are over; a handler of ours has 5 s."""


class AsgiApplication:
    """Serves `app` as a web server would, each request and socket in a task of its own. It runs no lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks = TaskOwner("application")
        self.transport: httpx.AsyncBaseTransport = _Transport(self)

    def request(self, scope: Scope, body: bytes) -> _Exchange:
        exchange = _Exchange(body)
        self._tasks.start("request", self._answer(scope, exchange))
        return exchange

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:  # the application's, which a web server survives
            log.exception("the application failed: %s %s", scope["method"], scope["path"])
        finally:
            exchange.over()

    async def open_socket(self, url: str, headers: Mapping[str, str]) -> _Socket:
        """A media socket, accepted. Raises `Refused`."""
        socket = _Socket()
        self._tasks.start("socket", self._carry(_scope("websocket", url, headers), socket))
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                status = await socket.handshake
        except TimeoutError:
            socket.abort()
            raise Refused(ViolationCode.NO_RESPONSE, f"no handshake in {HANDSHAKE_SECONDS:.0f} s") from None
        except asyncio.CancelledError:  # the caller hung up meanwhile
            socket.abort()
            raise
        if status != 101:
            raise Refused(ViolationCode.HANDSHAKE_REFUSED, f"the handshake was answered with HTTP {status}")
        return socket

    async def _carry(self, scope: Scope, socket: _Socket) -> None:
        try:
            await self._app(scope, socket.app_receive, socket.app_send)
        except Exception as error:
            if not (isinstance(error, OSError) and socket.closed):  # a send on a closed socket ends many applications
                log.exception("the application failed: media socket %s", scope["path"])
        finally:
            socket.over()

    async def close(self) -> None:
        """Let what the application still does come to its end, or end it."""
        await self._tasks.finish(_LAST_WORDS_SECONDS)


class _Transport(httpx.AsyncBaseTransport):
    # httpx has one of its own: it gives the answer only when background tasks are done too, and cancels an application
    # that takes too long, where a server would let it finish.
    def __init__(self, application: AsgiApplication) -> None:
        self._application = application

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        scope = {**_scope("http", str(request.url), {}), "method": request.method, "headers": _lower(request)}
        exchange = self._application.request(scope, await request.aread())
        try:
            await exchange.answered
        finally:
            exchange.hang_up()
        return httpx.Response(exchange.status, headers=exchange.headers, content=exchange.body)


def _lower(request: httpx.Request) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in request.headers.raw]


def _scope(kind: str, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """As behind a proxy that ends TLS, once its headers were believed."""
    parts = urlsplit(url)
    raw = parts.path.encode("ascii", "ignore") or b"/"
    secure = parts.scheme in ("https", "wss")
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": parts.scheme,
        "server": (parts.hostname, parts.port or (443 if secure else 80)),
        "client": ("198.51.100.7", 0),
        "root_path": "",
        "path": unquote(raw.decode("ascii")),
        "raw_path": raw,
        "query_string": parts.query.encode("ascii", "ignore"),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "state": {},
    }
    if kind == "websocket":
        scope |= {"subprotocols": [], "extensions": {"websocket.http.response": {}}}
    return scope


class _Exchange:
    """One request and its answer."""

    def __init__(self, body: bytes) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request: bytes | None = body
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        if self._request is not None:
            body, self._request = self._request, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                self.status, self.headers = message["status"], list(message.get("headers", []))
            case "http.response.body":
                self.body += message.get("body", b"")
                if not message.get("more_body", False):
                    self._settle()

    def over(self) -> None:
        """The application is done; without an answer it is an error of the server."""
        if not self.answered.done():
            self.status, self.headers, self.body = 500, [], b"Internal Server Error"
            self._settle()

    def hang_up(self) -> None:
        self._gone.set()

    def _settle(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)
        self._gone.set()


class _Socket:
    """A `StreamSocket`, and the application's end of it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.handshake: asyncio.Future[int] = self._loop.create_future()
        self.closed = False
        """The carrier closed it, or the application did."""
        self._ended: SocketEnded | None = None
        self._to_app: deque[Message] = deque([{"type": "websocket.connect"}])
        self._chars = 0  # under way to the application
        self._from_app: deque[str | bytes] = deque()
        self._chars_back = 0  # under way from it
        self._app_writes: asyncio.Future[None] | None = None
        self._app_waits: asyncio.Future[None] | None = None
        self._reader_waits: asyncio.Future[None] | None = None
        self._writer_waits: asyncio.Future[None] | None = None

    # -- the carrier's end ---------------------------------------------------------------------------------------------

    def send_now(self, message: str) -> bool:
        if self._chars > _BUFFER_CHARS or self._ended is not None:
            return False
        self._chars += len(message)
        self._to_app.append({"type": "websocket.receive", "text": message})
        _wake(self._app_waits)
        return True

    async def send(self, message: str) -> None:
        while not self.send_now(message):
            if self._ended is not None:
                raise self._ended
            self._writer_waits = self._loop.create_future()
            await self._writer_waits

    async def receive(self) -> str | bytes:
        while not self._from_app:
            if self._ended is not None:
                raise self._ended
            self._reader_waits = self._loop.create_future()
            await self._reader_waits
        message = self._from_app.popleft()
        self._chars_back -= len(message)
        _wake(self._app_writes)
        return message

    async def close(self) -> None:
        self._disconnect(1000)

    def abort(self) -> None:
        self._disconnect(1006)

    async def tear(self, message: str, characters: int) -> None:
        self.abort()  # messages come whole, or not at all

    def _disconnect(self, code: int) -> None:
        if not self.closed:
            self.closed = True
            self._to_app.append({"type": "websocket.disconnect", "code": code, "reason": ""})
            _wake(self._app_waits)
        self._end(SocketEnded(ViolationCode.BROKEN_PIPE, "the carrier closed the socket"))

    # -- the application's end -----------------------------------------------------------------------------------------

    async def app_receive(self) -> Message:
        while not self._to_app:
            self._app_waits = self._loop.create_future()
            await self._app_waits
        message = self._to_app.popleft()
        if (text := message.get("text")) is not None:
            self._chars -= len(text)
            _wake(self._writer_waits)
        return message

    async def app_send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            if self.closed:
                raise BrokenPipeError("the socket is closed")
            text = message.get("text")
            content: str | bytes = text if text is not None else message["bytes"]
            self._from_app.append(content)
            self._chars_back += len(content)
            _wake(self._reader_waits)
            while self._chars_back > _BUFFER_CHARS and not self.closed:
                self._app_writes = self._loop.create_future()
                await self._app_writes
        elif kind == "websocket.accept":
            self._answer(101)
        elif kind == "websocket.http.response.start":
            self._answer(message["status"])
        elif kind == "websocket.close":
            if not self.handshake.done():
                self._answer(403)
                return
            code, reason = message.get("code") or 1000, message.get("reason") or ""
            detail = f"the server closed the socket: {code} {reason}".strip()
            self._end(SocketEnded(ViolationCode.SERVER_CLOSED, detail))
            if not self.closed:
                self.closed = True
                self._to_app.append({"type": "websocket.disconnect", "code": code, "reason": reason})
                _wake(self._app_waits)

    def over(self) -> None:
        """The application is done. A web server breaks the connection then, if it is still open."""
        self._answer(500)
        self.closed = True
        self._end(SocketEnded(ViolationCode.BROKEN_PIPE, "the connection was lost without a closing handshake"))

    def _answer(self, status: int) -> None:
        if not self.handshake.done():
            self.handshake.set_result(status)

    def _end(self, ended: SocketEnded) -> None:
        if self._ended is None:
            self._ended = ended
        _wake(self._reader_waits)
        _wake(self._writer_waits)
        _wake(self._app_writes)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
