"""A picows WebSocket as the socket that transports talk to: no task, no queue and no turn of the loop for a message."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from picows import WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport
from picows.picows import WSCloseHandshake

from voice_runtime.transport import MediaSocket, SocketClosed

__all__ = ["FATAL_TIMES", "FastSocket"]

FATAL_TIMES: Final = 4
"""A message above `max_bytes` is ignored; only one this many times as large costs the call its socket."""
CLOSING_SECONDS: Final = 2.0
"""How long the peer may take to answer our close frame."""
MAX_WAITING: Final = 64
"""Messages that wait for `receive`; with more, nothing is read from the network."""
SMALL: Final = 2048
"""Characters. What is more than 8192 bytes picows hands to `writelines`, in part in a buffer that it uses again."""
HEADER_ROOM: Final = 14

_TEXT, _BINARY, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE

NORMAL, GOING_AWAY, NO_CODE, LOST = 1000, 1012, 1005, 1006
PROTOCOL_ERROR, NOT_UTF_8, TOO_BIG = 1002, 1007, 1009


class FastSocket(WSListener, MediaSocket):
    """Accepted already. A message of more than `max_bytes` is handed on as an empty one: malformed, and ignored.

    `gone` is called when the connection has ended. Until then uvicorn counts this object among its connections: it
    calls `shutdown` when it stops, and waits.
    """

    def __init__(self, max_bytes: int, gone: Callable[[FastSocket], None]) -> None:
        self._max_bytes = max_bytes
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._end: tuple[int, str] | None = None
        # Coming in: what waits, or who does.
        self._waiting: deque[str | bytes] = deque()
        self._enough: Callable[[str | bytes], bool] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._fragments: _Fragments | None = None
        self._holding_back = False
        # Going out: None while there is room.
        self._room: asyncio.Future[None] | None = None
        self._abort: asyncio.TimerHandle | None = None

    # -- what the transport of a call uses -----------------------------------------------------------------------------

    async def receive(self) -> str | bytes:
        while not self._waiting:
            await self._next()
        message = self._waiting.popleft()
        if self._holding_back and not self._waiting and self._transport is not None and self._end is None:
            self._holding_back = False
            self._transport.underlying_transport.resume_reading()
        return message

    async def receive_until(self, enough: Callable[[str | bytes], bool]) -> None:
        while self._waiting:
            if enough(await self.receive()):
                return
        self._enough = enough
        try:
            await self._next()
        finally:
            self._enough = None

    async def _next(self) -> None:
        """Wait until `_wake` is set: something came, or `_enough` was reached."""
        if self._end is not None:
            raise SocketClosed(*self._end)
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def send(self, message: str | bytes) -> Awaitable[None] | None:
        transport = self._transport
        if self._end is not None or transport is None:
            raise SocketClosed(*self._end or (LOST, ""))
        kind = _TEXT if isinstance(message, str) else _BINARY
        if len(message) <= SMALL:
            transport.send(kind, message)
        else:
            data = bytearray(HEADER_ROOM) + (message.encode() if isinstance(message, str) else message)
            transport.send_reuse_external_bytearray(kind, data, HEADER_ROOM)
        if self._room is None:
            return None
        if self._room.done():  # whoever waited for it was cancelled
            self._room = self._loop.create_future()
        return self._room

    async def close(self, code: int = NORMAL) -> None:
        self._close(code)

    def shutdown(self) -> None:
        """The server stops: uvicorn's word, and the code that it gives to sockets of its own."""
        self._close(GOING_AWAY)

    def _close(self, code: int) -> None:
        if self._end is not None or self._transport is None:
            return
        self._transport.send_close(code)  # type: ignore[arg-type]  # any number is right; its enum has the best known
        self._ended(code)
        self._waiting.clear()
        if self._holding_back:  # else its answer would not be read
            self._transport.underlying_transport.resume_reading()
        self._abort_later(self._transport)

    def _abort_later(self, transport: WSTransport) -> None:
        """A peer that takes nothing, or does not answer our close frame, is not waited for."""
        if self._abort is None:
            self._abort = self._loop.call_later(CLOSING_SECONDS, transport.disconnect, False)

    def _ended(self, code: int, reason: str = "") -> None:
        """Nothing is sent and nothing is handed on from here on."""
        if self._end is None:
            self._end = (code, reason)
            for future in (self._wake, self._room):
                if future is not None and not future.done():
                    future.set_exception(SocketClosed(code, reason))
                    future.exception()  # seen: nobody has to be waiting

    # -- what picows calls ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        message: str | bytes | None = None
        if kind is _TEXT and frame.fin and self._fragments is None:
            try:
                message = frame.get_payload_as_utf8_text() if frame.payload_size <= self._max_bytes else b""
            except UnicodeDecodeError as error:
                raise WSProtocolError(NOT_UTF_8, "not UTF-8") from error
        elif kind is _CLOSE:
            self._closed_by_peer(transport, frame.get_payload_as_bytes())
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            message = self._add(kind, frame)
        # picows reads on for a moment after it has closed a socket that broke the protocol.
        if message is None or self._end is not None or transport.is_close_frame_sent:
            return
        enough, wake = self._enough, self._wake
        if enough is None or wake is None or wake.done():
            self._keep(transport, message)
            return
        try:
            if enough(message):
                wake.set_result(None)
        except Exception as error:  # the receiver's own: it is raised where it waits
            wake.set_exception(error)

    def _keep(self, transport: WSTransport, message: str | bytes) -> None:
        """Nobody takes messages as they come: this one waits."""
        self._waiting.append(message)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        if len(self._waiting) >= MAX_WAITING and not self._holding_back:
            self._holding_back = True
            transport.underlying_transport.pause_reading()

    def _add(self, kind: WSMsgType, frame: WSFrame) -> str | bytes | None:
        """A message of other than one text frame, once it is complete."""
        if (kind is _CONTINUATION) is (self._fragments is None):
            raise WSProtocolError(PROTOCOL_ERROR, "fragments out of order")
        message = self._fragments = self._fragments or _Fragments(kind)
        message.size += frame.payload_size
        if message.size > FATAL_TIMES * self._max_bytes:
            raise WSProtocolError(TOO_BIG, "message too big")
        if message.size <= self._max_bytes:
            message.data += frame.get_payload_as_bytes()
        if not frame.fin:
            return None
        self._fragments = None
        return message.finished() if message.size <= self._max_bytes else b""

    def _closed_by_peer(self, transport: WSTransport, payload: bytes) -> None:
        code = int.from_bytes(payload[:2]) if payload else NO_CODE
        self._ended(code, payload[2:].decode())  # picows has checked it
        transport.send_close(NORMAL if code == NO_CODE else code)  # type: ignore[arg-type]  # as above
        transport.disconnect()
        self._abort_later(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        handshake: WSCloseHandshake | None = transport.close_handshake
        if handshake is not None and (ours := handshake.sent) is not None:
            self._ended(ours.code.value, ours.reason)  # picows closes a socket that breaks the protocol
        self._ended(LOST)
        if self._abort is not None:
            self._abort.cancel()
        self._gone(self)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


class _Fragments:
    """What has come of a message. Of one that is too large, only the size."""

    __slots__ = ("data", "kind", "size")

    def __init__(self, kind: WSMsgType) -> None:
        self.kind, self.size, self.data = kind, 0, bytearray()

    def finished(self) -> str | bytes:
        if self.kind is not _TEXT:
            return bytes(self.data)
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise WSProtocolError(NOT_UTF_8, "not UTF-8") from error
