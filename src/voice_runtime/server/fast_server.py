"""uvicorn's HTTP protocol with media sockets on the fast path: the same port, the same checks, without ASGI in between.

Whatever is not a media handshake in order goes the way of uvicorn, and so do all other requests and sockets.
"""

from __future__ import annotations

import base64
import binascii
import logging
import sys
from typing import ClassVar, Final
from urllib.parse import unquote

import httptools
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]  # not public: the pin is narrow
from starlette.requests import HTTPConnection

from voice_runtime.server.fast_socket import FATAL_TIMES, FastSocket
from voice_runtime.server.gate import Refused
from voice_runtime.server.media import MediaEndpoint
from voice_runtime.server.patient_http import PatientHttpProtocol
from voice_runtime.tasks import TaskOwner

__all__ = ["http_protocol"]

# picows tells of every connection at "info".
_picows_log = logging.getLogger(f"{__name__}.picows")
_picows_log.setLevel(logging.WARNING)

READ_BUFFER_BYTES: Final = 4096
FORBIDDEN: Final = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def http_protocol(media: MediaEndpoint) -> type[PatientHttpProtocol]:
    """What to give to `uvicorn.Config(http=...)`: media sockets go to `media` as fast sockets."""
    return type("MediaHttpProtocol", (_MediaHttpProtocol,), {"media": media, "waiting": {}})


class _MediaHttpProtocol(PatientHttpProtocol):
    media: ClassVar[MediaEndpoint]

    def handle_websocket_upgrade(self) -> None:
        # uvicorn calls us from its `except HttpParserUpgrade`, which knows where in what was read the request ends.
        upgrade = sys.exc_info()[1]
        url = httptools.parse_url(self.url)
        token = self.media.token_in(unquote(url.path.decode("ascii")))
        key = _handshake_key(self.scope["method"], self.headers)
        if token is None or key is None:
            super().handle_websocket_upgrade()
            return
        prefix = self.root_path
        scope = {
            **self.scope,
            "type": "websocket",
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": prefix + unquote(url.path.decode("ascii")),
            "raw_path": prefix.encode("ascii") + url.path,
            "query_string": url.query or b"",
        }
        try:
            call_sid = self.media.admit(HTTPConnection(scope), token)
        except Refused:
            self.transport.write(FORBIDDEN)
            self.transport.close()
            return
        offset = upgrade.args[0] if isinstance(upgrade, httptools.HttpParserUpgrade) else len(self._read)
        self._carry(call_sid, key, self._read[offset:])

    _read = b""

    def data_received(self, data: bytes) -> None:
        self._read = data
        super().data_received(data)

    def _carry(self, call_sid: str | None, key: bytes, early: bytes) -> None:
        """Give the connection to picows. `early` came with the request: the beginning of what the peer says."""
        connections, tasks = self.server_state.connections, self.server_state.tasks
        max_bytes = self.media.max_message_bytes
        socket = FastSocket(max_bytes, connections.discard)
        protocol = _picows(socket, FATAL_TIMES * max_bytes)
        connections.discard(self)
        connections.add(socket)  # type: ignore[arg-type]  # has what uvicorn uses of them: shutdown()
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        # picows wants to read the handshake itself. The original is checked, and may have what it knows nothing of,
        # such as a proxy's `Connection: keep-alive, Upgrade`.
        _feed(
            protocol,
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n" + early,
        )
        task = TaskOwner("media-socket").start("serve", self.media.serve(socket, call_sid))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _picows(socket: FastSocket, max_frame_bytes: int) -> WSProtocol:
    return WSProtocol(
        None,  # host and port: a client's
        None,  # path: a client's
        False,  # is_client_side
        lambda request: socket,
        _picows_log,
        True,  # disconnect_on_exception
        None,  # websocket_handshake_timeout: the handshake is here
        False,  # enable_auto_ping: VOICE_MEDIA_TIMEOUT finds dead sockets, see serving.py
        0,
        0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,  # enable_auto_pong
        max_frame_bytes,
        None,  # extra_headers: a client's
        READ_BUFFER_BYTES,
    )


def _feed(protocol: WSProtocol, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        room = protocol.get_buffer(-1)
        count = min(len(room), len(rest))
        room[:count] = rest[:count]
        rest = rest[count:]
        protocol.buffer_updated(count)


def _handshake_key(method: str, headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """The key of a handshake by RFC 6455, 4.2.1; None for one that is not in order."""
    fields = dict(headers)
    key = fields.get(b"sec-websocket-key", b"").strip()
    if method != "GET" or fields.get(b"sec-websocket-version", b"").strip() != b"13":
        return None
    try:
        return key if len(base64.b64decode(key, validate=True)) == 16 else None
    except binascii.Error:
        return None
