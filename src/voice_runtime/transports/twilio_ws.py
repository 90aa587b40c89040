"""Twilio Media Streams over any WebSocket: reads, feeds the call, runs what the call wants sent. No policy.

0.1's `register_voice_websocket` is reached from here too; it needs a web framework, so it lives in `server.mount`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from collections.abc import Awaitable
from typing import Any, Final, assert_never

from voice_runtime.errors import CarrierError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import (
    CallControl,
    CallInfo,
    CallPort,
    MediaSocket,
    OutboundAudio,
    OutboundClear,
    OutboundItem,
    OutboundMark,
    SocketClosed,
)
from voice_runtime.wire.media import (
    Connected,
    Dtmf,
    Malformed,
    Mark,
    Media,
    Start,
    Stop,
    StreamEncoder,
    Unknown,
    decode_from_carrier,
)

__all__ = ["HandshakeError", "TwilioStream"]

log = logging.getLogger(__name__)

CARRIER_CLOSE_SECONDS: Final = 5.0
"""How long the carrier may take to close the socket after it was told to end the call."""
SEND_STALL_SECONDS: Final = 10.0
"""A message that cannot be sent for so long is taken for a dead socket: the caller hears nothing any more."""


class HandshakeError(Exception):
    """The peer did not open a stream the way Twilio does."""


class TwilioStream:
    """One media socket, from its first message to its end.

    `control` ends calls at the carrier: closing the socket alone only resumes the TwiML, and Twilio logs error 31921.
    """

    def __init__(
        self,
        socket: MediaSocket,
        *,
        control: CallControl | None = None,
        send_stall_seconds: float = SEND_STALL_SECONDS,
        media_timeout: float = 60.0,
    ) -> None:
        self.info = CallInfo(call_sid="", stream_sid="")
        self.malformed = 0
        self._socket = socket
        self._control = control
        self._send_stall_seconds = send_stall_seconds
        self._media_timeout = media_timeout
        self._tasks = TaskOwner("media")
        self._sending_since: float | None = None
        self._received_at = 0.0

    # -- opening -------------------------------------------------------------------------------------------------------

    async def open(self, timeout: float) -> CallInfo:
        """Read up to `start`. Raises `HandshakeError` when it does not come within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not isinstance(message := decode_from_carrier(await self._socket.receive()), Start):
                    if isinstance(message, Stop):
                        raise HandshakeError("stopped before it started")
                    self._note(message)
        except TimeoutError:
            raise HandshakeError(f"no start message within {timeout} s") from None
        except SocketClosed as closed:
            raise HandshakeError(f"closed before start ({closed.code})") from None
        body = message.start
        stream_sid = message.stream_sid or body.stream_sid
        if not stream_sid:
            raise HandshakeError("start without a streamSid")
        media = body.media_format
        rate = str(media.sample_rate) if media else ""
        self.info = CallInfo(
            call_sid=body.call_sid,
            stream_sid=stream_sid,
            account_sid=body.account_sid,
            custom_parameters=body.custom_parameters or {},
            encoding=media.encoding if media else "audio/x-mulaw",
            sample_rate=int(rate) if re.fullmatch("[0-9]{1,6}", rate) else 8000,
        )
        return self.info

    # -- carrying the call ---------------------------------------------------------------------------------------------

    async def run(self, call: CallPort) -> None:
        """Carry the call until it is over."""
        tasks = self._tasks = TaskOwner(f"media-{self.info.stream_sid}")
        reading = tasks.start("read", self._read(call))
        watching = tasks.start("watch", self._watch())
        watchers = [
            reading,
            tasks.start("write", self._write(call)),
            watching,
            tasks.start("hangup", self._hang_up_on_request(call)),
        ]
        end = CallEnd(EndReason.CONNECTION_LOST, "cancelled")
        try:
            done, _ = await asyncio.wait(watchers, return_when=asyncio.FIRST_COMPLETED)
            end = self._reason(reading if reading in done else done.pop())
        finally:
            call.signal_disconnected(end)
            await tasks.close()
            if watching.done() and not watching.cancelled() and watching.exception() is None:
                # A half dead socket does not carry our close either: the caller would listen to silence.
                await self._end_at_carrier()
            await self._socket.close()
            if self.malformed:
                log.warning("call %s: %d malformed messages were ignored", self.info.call_sid, self.malformed)

    def _reason(self, first: asyncio.Task[CallEnd]) -> CallEnd:
        if not first.cancelled() and first.exception() is None:
            return first.result()
        return CallEnd(EndReason.CONNECTION_LOST, "the media connection failed")

    async def _read(self, call: CallPort) -> CallEnd:
        """Feed the call until the carrier stops or the socket closes."""
        caller_audio, now = call.caller_audio, asyncio.get_running_loop().time

        def stopped(data: str | bytes) -> bool:
            self._received_at = now()
            message = decode_from_carrier(data)
            if isinstance(message, Media):
                body = message.media
                if body.track != "outbound" and body.payload:
                    caller_audio(body.payload)
            elif isinstance(message, Mark):
                call.signal_mark_received(message.mark.name)
            elif isinstance(message, Dtmf):
                call.dtmf_received(message.dtmf.digit)
            elif isinstance(message, Stop):
                return True
            else:
                self._note(message)
            return False

        try:
            await self._socket.receive_until(stopped)
        except SocketClosed as closed:
            if closed.code in (1000, 1001):
                return CallEnd(EndReason.CALLER_HUNG_UP, f"the carrier closed the socket ({closed.code})")
            return CallEnd(EndReason.CONNECTION_LOST, f"the socket broke ({closed.code})")
        return CallEnd(EndReason.CALLER_HUNG_UP, "the carrier stopped the stream")

    def _note(self, message: Connected | Start | Media | Dtmf | Mark | Unknown | Malformed) -> None:
        """Something that changes nothing."""
        if isinstance(message, Malformed):
            self.malformed += 1
            if self.malformed == 1:
                log.warning("call %s: malformed message ignored: %s", self.info.call_sid, message.reason)
        else:
            log.debug("call %s: %s ignored", self.info.call_sid, type(message).__name__)

    async def _write(self, call: CallPort) -> CallEnd:
        """Send what the call wants sent, in its order. Returns when that is not possible any more."""
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[CallEnd] = loop.create_future()
        encoder = StreamEncoder(self.info.stream_sid)
        send, media, now = self._socket.send, encoder.media, loop.time

        def failed(error: Exception) -> None:
            """Ends the call, whatever it was: `wire` runs within the calls of the program, and raises nothing there."""
            if broken.done():
                return
            if isinstance(error, SocketClosed):
                broken.set_result(CallEnd(EndReason.CONNECTION_LOST, f"the socket broke while sending ({error.code})"))
            else:
                broken.set_exception(error)  # logged with this task

        async def finish(sending: Awaitable[None]) -> None:
            try:
                await sending
            except Exception as error:  # reported by `failed`
                failed(error)
                return
            self._sending_since = None
            call.outbound_sent()

        def wire(item: OutboundItem) -> bool:
            try:
                sending = send(media(item.payload) if isinstance(item, OutboundAudio) else _encoded(encoder, item))
            except Exception as error:  # reported by `failed`
                failed(error)
                return False
            if sending is None:
                return True
            self._sending_since = now()
            self._tasks.start("send", finish(sending))
            return False

        call.on_outbound(wire)
        try:
            return await broken
        finally:
            call.on_outbound(None)

    async def _watch(self) -> CallEnd:
        """Notice a socket that is half dead: nothing leaves, or nothing comes any more."""
        now = asyncio.get_running_loop().time
        self._received_at = now()
        period = max(0.05, min(1.0, self._send_stall_seconds / 4, self._media_timeout / 4))
        while True:
            await asyncio.sleep(period)
            if self._sending_since is not None and now() - self._sending_since > self._send_stall_seconds:
                return CallEnd(EndReason.SEND_STALLED, f"nothing could be sent for {self._send_stall_seconds:g} s")
            if now() - self._received_at > self._media_timeout:
                return CallEnd(EndReason.CONNECTION_LOST, f"nothing was received for {self._media_timeout:g} s")

    async def _hang_up_on_request(self, call: CallPort) -> CallEnd:
        """REST first, then the socket: the other way round is an error in the operator's dashboard (31921)."""
        await call.disconnect_requested()
        if await self._end_at_carrier():
            await asyncio.sleep(CARRIER_CLOSE_SECONDS)  # the reader ends this sooner
            log.warning("call %s: ended at the carrier, but its socket stayed open", self.info.call_sid)
        return CallEnd(EndReason.AGENT_HUNG_UP)

    async def _end_at_carrier(self) -> bool:
        """Hang up by REST. False when there is no REST, or when it failed: then only the socket can be closed."""
        if self._control is None or not self.info.call_sid:
            return False
        try:
            await self._control.hang_up(self.info.call_sid)
        except CarrierError as error:
            log.error("call %s: not ended by REST, closing its socket instead: %s", self.info.call_sid, error)
            return False
        return True


def _encoded(encoder: StreamEncoder, item: OutboundMark | OutboundClear) -> str:
    if isinstance(item, OutboundMark):
        return encoder.mark(item.name)
    if isinstance(item, OutboundClear):
        return encoder.clear()
    assert_never(item)


def __getattr__(name: str) -> Any:
    # The compat door for 0.1 programs, which import it from here; the layers test knows about it.
    if name == "register_voice_websocket":
        return importlib.import_module("voice_runtime.server.mount").register_voice_websocket
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
