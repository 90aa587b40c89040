"""A FastAPI (or Starlette) WebSocket as the three-method socket that transports talk to."""

from __future__ import annotations

from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_runtime.transport import SocketClosed

__all__ = ["StarletteSocket"]


class StarletteSocket:
    """Accepted already. A message of more than `max_bytes` is handed on as an empty one: malformed, and ignored."""

    def __init__(self, websocket: WebSocket, max_bytes: int) -> None:
        self._websocket = websocket
        self._max_bytes = max_bytes
        self._closed = False

    async def receive(self) -> str | bytes:
        if self._closed:
            raise SocketClosed(1005)
        try:
            message = await self._websocket.receive()
        except RuntimeError as error:  # Starlette's word for a socket that is gone already
            raise SocketClosed(1006, str(error)) from error
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise SocketClosed(message.get("code") or 1005, message.get("reason") or "")
        text: str | None = message.get("text")
        data: str | bytes = text if text is not None else message.get("bytes") or b""
        return data if len(data) <= self._max_bytes else b""

    async def send(self, message: str) -> None:
        if self._closed:
            raise SocketClosed(1006)
        try:
            await self._websocket.send({"type": "websocket.send", "text": message})
        except (RuntimeError, OSError, WebSocketDisconnect) as error:
            self._closed = True
            raise SocketClosed(1006, str(error)) from error

    async def close(self, code: int = 1000) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._websocket.close(code)
        except (RuntimeError, OSError, WebSocketDisconnect):
            pass  # it closed itself in the meantime: that is what we wanted
