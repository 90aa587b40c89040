"""A media socket over the network, and why it was refused or closed in Twilio's numbers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import Frame, Opcode

from voice_runtime.simulator.stream_socket import HANDSHAKE_SECONDS, Refused, SocketEnded
from voice_runtime.simulator.violations import ViolationCode

__all__ = ["NetworkSocket"]

_SEND_BUFFER: Final = 32768  # the kernel makes 64 KiB of it, 3 s of caller audio
_OUR_COMPLAINTS: Final = frozenset({1002, 1003, 1007, 1009})  # close codes that say "you broke the protocol"


class NetworkSocket:
    """A `StreamSocket` of the `websockets` client."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        _keep_little(connection)

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> NetworkSocket:
        """Connect. A `host` header names the public address when there is a proxy in between. Raises `Refused`."""
        parts, headers = urlsplit(url), dict(headers)
        shown = urlunsplit(parts._replace(netloc=headers.pop("host", parts.netloc)))
        user_agent = headers.pop("user-agent", None)
        try:
            connection = await connect(
                shown,
                host=parts.hostname,
                port=parts.port or (443 if parts.scheme == "wss" else 80),
                additional_headers=headers,
                user_agent_header=user_agent,
                compression=None,
                proxy=None,
                ping_interval=None,
                max_size=None,
                open_timeout=HANDSHAKE_SECONDS,
                close_timeout=1,
            )
        except InvalidStatus as error:
            detail = f"the handshake was answered with HTTP {error.response.status_code}"
            raise Refused(ViolationCode.HANDSHAKE_REFUSED, detail) from error
        except TimeoutError as error:
            raise Refused(ViolationCode.NO_RESPONSE, f"no handshake in {HANDSHAKE_SECONDS:.0f} s") from error
        except ssl.SSLError as error:
            raise Refused(ViolationCode.TLS_FAILED, str(error)) from error
        except OSError as error:
            raise Refused(ViolationCode.CONNECTION_REFUSED, str(error)) from error
        except InvalidURI as error:
            raise Refused(ViolationCode.MALFORMED_URL, url) from error
        except WebSocketException as error:
            raise Refused(ViolationCode.HANDSHAKE_REFUSED, str(error)) from error
        return cls(connection)

    def send_now(self, message: str) -> bool:
        return False  # the library has no such thing

    async def send(self, message: str) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise _ended(closed) from closed

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise _ended(closed) from closed

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()  # `close` would wait for a blocked `send`

    async def tear(self, message: str, characters: int) -> None:
        frame = Frame(Opcode.TEXT, message.encode()).serialize(mask=True)
        self._connection.transport.write(frame[: max(0, characters)])
        self._connection.transport.close()  # sends what was written, and no closing handshake


def _keep_little(connection: ClientConnection) -> None:
    """A server that does not read is noticed after seconds, not after the minutes of audio that a kernel would keep."""
    connected: socket.socket = connection.transport.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _ended(closed: ConnectionClosed) -> SocketEnded:
    if closed.sent is not None and closed.rcvd is None and closed.sent.code in _OUR_COMPLAINTS:
        return SocketEnded(ViolationCode.PROTOCOL_ERROR, str(closed))
    if closed.rcvd is None:
        return SocketEnded(ViolationCode.BROKEN_PIPE, "the connection was lost without a closing handshake")
    # 31921 is logged even when the server closes on purpose ("Error 31921").
    detail = f"the server closed the socket: {closed.rcvd.code} {closed.rcvd.reason}".strip()
    return SocketEnded(ViolationCode.SERVER_CLOSED, detail)
