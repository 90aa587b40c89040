"""An ASGI WebSocket (FastAPI's, Starlette's, anybody's) as the three-method socket that transports talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import CoroutineType
from typing import Any

from starlette.types import Receive, Send
from starlette.websockets import WebSocketDisconnect

from voice_runtime.transport import MediaSocket, SocketClosed

__all__ = ["AsgiSocket"]

CLOSING_SECONDS = 2.0

_GONE = (RuntimeError, OSError, WebSocketDisconnect)
"""What servers raise when one sends on a socket that is closed."""


class AsgiSocket(MediaSocket):
    """Accepted already. A message of more than `max_bytes` is handed on as an empty one: malformed, and ignored."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._closed = False

    async def receive(self) -> str | bytes:
        if self._closed:
            raise SocketClosed(1005)
        try:
            message = await self._receive()
        except RuntimeError as error:  # Starlette's word for a socket that is gone already
            raise SocketClosed(1006, str(error)) from error
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise SocketClosed(message.get("code") or 1005, message.get("reason") or "")
        text: str | None = message.get("text")
        data: str | bytes = text if text is not None else message.get("bytes") or b""
        return data if len(data) <= self._max_bytes else b""

    def send(self, message: str | bytes) -> Awaitable[None] | None:
        if self._closed:
            raise SocketClosed(1006)
        kind = "text" if isinstance(message, str) else "bytes"
        sending = self._send({"type": "websocket.send", kind: message})
        if not isinstance(sending, CoroutineType):
            return self._finish(sending)
        # A server that has room sends without waiting for anything. Then one step finishes the coroutine, and the
        # message is on its way before anybody else has a turn.
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return None
        except _GONE as error:
            self._closed = True
            raise SocketClosed(1006, str(error)) from error
        return self._finish(_Rest(sending, waits_for))

    async def _finish(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except _GONE as error:
            self._closed = True
            raise SocketClosed(1006, str(error)) from error

    async def close(self, code: int = 1000) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSING_SECONDS):  # servers wait for a peer that takes nothing
                await self._send({"type": "websocket.close", "code": code})
        except (*_GONE, TimeoutError):
            pass  # it closed itself in the meantime: that is what we wanted


class _Rest:
    """A coroutine that has run up to its first wait, to be awaited from there."""

    def __init__(self, started: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._started, self._waits_for = started, waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            while True:
                try:
                    yield self._waits_for
                except BaseException as thrown:  # a cancellation, or what the future failed with: for the coroutine
                    self._waits_for = self._started.throw(thrown)
                else:
                    self._waits_for = self._started.send(None)
        except StopIteration:
            return
        finally:
            self._started.close()
