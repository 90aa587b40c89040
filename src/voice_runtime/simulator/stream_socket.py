"""Opening a media socket, and telling why it was refused or closed in Twilio's numbers."""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.signature import sign

__all__ = ["Refused", "open_socket", "why_closed"]

_HANDSHAKE_SECONDS: Final = 10.0  # Twilio's own is not known
_SEND_BUFFER: Final = 32768  # the kernel makes 64 KiB of it, 3 s of caller audio
_OUR_COMPLAINTS: Final = frozenset({1002, 1003, 1007, 1009})  # close codes that say "you broke the protocol"


class Refused(Exception):
    """There is no stream."""

    def __init__(self, code: ViolationCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


async def open_socket(url: str, track: str, auth_token: str, addresses: Addresses) -> ClientConnection:
    """Connect to `url` as written in the TwiML, with its signature. Raises Refused."""
    _check(url, track)
    target = addresses.locate(url)
    parts, headers = urlsplit(target.url), dict(target.headers)
    # With a proxy in between, the connection goes there and the Host header names the public address.
    shown = urlunsplit(parts._replace(netloc=headers.pop("host", parts.netloc)))
    headers["x-twilio-signature"] = sign(auth_token, url)
    try:
        connection = await connect(
            shown,
            host=parts.hostname,
            port=parts.port or (443 if parts.scheme == "wss" else 80),
            additional_headers=headers,
            user_agent_header="Twilio.TmeWs/1.0",
            compression=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            open_timeout=_HANDSHAKE_SECONDS,
            close_timeout=1,
        )
        _keep_little(connection)
        return connection
    except InvalidStatus as error:
        detail = f"the handshake was answered with HTTP {error.response.status_code}"
        raise Refused(ViolationCode.HANDSHAKE_REFUSED, detail) from error
    except TimeoutError as error:
        raise Refused(ViolationCode.NO_RESPONSE, f"no handshake in {_HANDSHAKE_SECONDS:.0f} s") from error
    except ssl.SSLError as error:
        raise Refused(ViolationCode.TLS_FAILED, str(error)) from error
    except OSError as error:
        raise Refused(ViolationCode.CONNECTION_REFUSED, str(error)) from error
    except InvalidURI as error:
        raise Refused(ViolationCode.MALFORMED_URL, url) from error
    except WebSocketException as error:
        raise Refused(ViolationCode.HANDSHAKE_REFUSED, str(error)) from error


def _check(url: str, track: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(ViolationCode.MALFORMED_URL, url) from error
    if parts.scheme != "wss":
        raise Refused(ViolationCode.SCHEME_NOT_SUPPORTED, f"only wss is, not {url}")
    if not host:
        raise Refused(ViolationCode.MALFORMED_URL, url)
    if parts.query:
        raise Refused(ViolationCode.HANDSHAKE_REFUSED, f"a stream url takes no query string: {url}")
    if track != "inbound_track":
        raise Refused(ViolationCode.BAD_TRACK, f"<Connect><Stream> takes inbound_track, not {track}")


def _keep_little(connection: ClientConnection) -> None:
    """A server that does not read is noticed after seconds, not after the minutes of audio that a kernel would keep."""
    connected: socket.socket = connection.transport.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def why_closed(closed: ConnectionClosed) -> tuple[ViolationCode, str]:
    """31921 is logged even when the server closes on purpose ("Error 31921")."""
    if closed.sent is not None and closed.rcvd is None and closed.sent.code in _OUR_COMPLAINTS:
        return ViolationCode.PROTOCOL_ERROR, str(closed)
    if closed.rcvd is None:
        return ViolationCode.BROKEN_PIPE, "the connection was lost without a closing handshake"
    return ViolationCode.SERVER_CLOSED, f"the server closed the socket: {closed.rcvd.code} {closed.rcvd.reason}".strip()
