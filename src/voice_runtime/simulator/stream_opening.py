"""Opening a media socket as Twilio does: signed, with the address exactly as the TwiML has it."""

from __future__ import annotations

from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.network_socket import NetworkSocket
from voice_runtime.simulator.stream_socket import StreamSocket
from voice_runtime.wire.signature import sign

__all__ = ["open_socket"]


async def open_socket(url: str, auth_token: str, addresses: Addresses) -> StreamSocket:
    """Connect to `url`, which has been checked, wherever it really is. Raises `Refused`."""
    target = addresses.locate(url)
    headers = {**target.headers, "user-agent": "Twilio.TmeWs/1.0", "x-twilio-signature": sign(auth_token, url)}
    if target.application is not None:
        return await target.application.open_socket(target.url, headers)
    return await NetworkSocket.open(target.url, headers)
