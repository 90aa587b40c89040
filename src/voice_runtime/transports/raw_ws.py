"""Raw audio over any WebSocket: reads, feeds the call, sends what the call wants sent. Browsers and programs use it.

A client streams (`raw_line`), or sends a whole WAV file per message and gets one back (`raw_files`): its hello says so,
or its first message is a file.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import Final, assert_never

from voice_runtime.events import CallEnd, CallEvent, EndReason
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CallInfo, CallPort, MediaSocket, OutboundItem, SocketClosed
from voice_runtime.transports.raw_files import FilesLine
from voice_runtime.transports.raw_line import ClientLine, StreamingLine
from voice_runtime.transports.raw_outgoing import Outgoing
from voice_runtime.wire.raw import BadMessage, Hangup, Hello, KeyPressed, MarkPlayed, decode, encode

__all__ = ["HelloError", "RawLimits", "RawStream"]

log = logging.getLogger(__name__)

MAX_COMPLAINTS: Final = 10
"""So many bad messages are answered; the others are ignored."""
LAST_MESSAGES_SECONDS: Final = 1.0
"""How long a client may take to read why its call is over."""


class HelloError(Exception):
    """The client did not begin in a way that can be served. The message is for its programmer."""


@dataclass(frozen=True, slots=True)
class RawLimits:
    """Seconds: for the first message, without any message, and for one that cannot be sent."""

    hello_seconds: float = 10.0
    idle_seconds: float = 300.0
    send_stall_seconds: float = 10.0


class RawStream:
    """One raw-audio socket, from its first message to its end: a `MediaTransport`."""

    def __init__(self, socket: MediaSocket, limits: RawLimits | None = None) -> None:
        self.info = CallInfo(call_sid="", stream_sid="")
        self.simple = False
        """Whole files come and go."""
        self._socket = socket
        self._limits = limits or RawLimits()
        self._hello = Hello()
        self._first = b""
        self._complaints = 0
        self._received_at = 0.0
        self._line: ClientLine | None = None
        self._tasks = TaskOwner("raw")
        self._owed = False  # an item of the call has not left yet
        self._call: CallPort | None = None
        self._out = Outgoing(socket, self._tasks, self._room)

    # -- opening -------------------------------------------------------------------------------------------------------

    async def open(self) -> CallInfo:
        """Read the first message. Raises `HelloError` when there is none in time, or none that can be served."""
        try:
            async with asyncio.timeout(self._limits.hello_seconds):
                await self._begin()
        except TimeoutError:
            raise HelloError(f"nothing came within {self._limits.hello_seconds:g} s") from None
        except SocketClosed as closed:
            raise HelloError(f"closed before it began ({closed.code})") from None
        hello, number = self._hello, secrets.token_hex(16)
        language = {"language": hello.language} if hello.language else {}
        self.info = CallInfo(
            call_sid=f"RA{number}",
            stream_sid=f"RS{number}",
            caller_number=hello.from_,
            called_number=hello.to,
            custom_parameters={**hello.parameters, **language},
            encoding=hello.encoding,
            sample_rate=hello.hz,
        )
        return self.info

    async def _begin(self) -> None:
        while isinstance(data := await self._socket.receive(), str):
            match decode(data):
                case Hello() as hello:
                    self._hello, self.simple = hello, hello.mode == "simple"
                    return
                case BadMessage(reason, hello=True):
                    raise HelloError(reason)
                case BadMessage(reason):
                    self._complain(reason)
                case MarkPlayed() | KeyPressed() | Hangup():
                    self._complain("the first message is a hello, or audio")
        self._first, self.simple = data, data[:4] == b"RIFF"

    def refuse(self, code: str, reason: str) -> None:
        """Tell the client why it is not served."""
        self._out.put(encode("error", code=code, message=reason))

    # -- carrying the call ---------------------------------------------------------------------------------------------

    async def run(self, call: CallPort) -> None:
        """Carry the call until it is over."""
        self._call, tasks, out = call, self._tasks, self._out
        self._line = line = FilesLine(call, out) if self.simple else StreamingLine(call, self._hello, out)
        if not self.simple:
            out.put(encode("ready", call=self.info.call_sid, format=self._hello.encoding, rate=self._hello.hz))
        watchers = [
            tasks.start("read", self._read(call, line)),
            tasks.start("watch", self._watch()),
            tasks.start("write", self._broken()),
            tasks.start("hangup", self._wanted_end(call)),
            tasks.start("line", self._run(line)),
        ]
        call.on_outbound(self._wire)
        end = CallEnd(EndReason.CONNECTION_LOST, "cancelled")
        try:
            done, _ = await asyncio.wait(watchers, return_when=asyncio.FIRST_COMPLETED)
            first = watchers[0] if watchers[0] in done else done.pop()
            failed = first.cancelled() or first.exception() is not None
            end = CallEnd(EndReason.CONNECTION_LOST, "the media connection failed") if failed else first.result()
        finally:
            call.on_outbound(None)
            call.signal_disconnected(end)
            line.close()
            await self.close()

    async def close(self, code: int = 1000) -> None:
        """Close the socket, after what is still to be sent."""
        await self._out.flush(LAST_MESSAGES_SECONDS)
        await self._tasks.close()
        await self._socket.close(code)

    def tell(self, event: CallEvent) -> None:
        """Something happened on the call: the client may want to know."""
        if self._line is not None:
            self._line.told(event)

    def _wire(self, item: OutboundItem) -> bool:
        assert self._line is not None, "a call sends while it is carried"
        gone = self._line.outbound(item)
        self._owed = not gone
        return gone

    def _room(self) -> None:
        if self._owed and self._call is not None:
            self._owed = False
            self._call.outbound_sent()

    async def _read(self, call: CallPort, line: ClientLine) -> CallEnd:
        now = asyncio.get_running_loop().time

        def over(data: str | bytes) -> bool:
            self._received_at = now()
            if isinstance(data, bytes):
                line.heard(data)
                return False
            match decode(data):
                case MarkPlayed(name):
                    line.mark_played(name)
                case KeyPressed(digit):
                    call.dtmf_received(digit)
                case Hangup():
                    return True
                case BadMessage(reason):
                    self._complain(reason)
                case Hello():
                    self._complain("a hello is the first message, or none")
                case never:
                    assert_never(never)
            return False

        if self._first:
            line.heard(self._first)
            self._first = b""
        try:
            await self._socket.receive_until(over)
        except SocketClosed as closed:
            if closed.code in (1000, 1001, 1005):  # browsers close without a code, if the page gives none
                return CallEnd(EndReason.CALLER_HUNG_UP, f"the client closed the socket ({closed.code})")
            return CallEnd(EndReason.CONNECTION_LOST, f"the socket broke ({closed.code})")
        return CallEnd(EndReason.CALLER_HUNG_UP, "the client hung up")

    def _complain(self, reason: str) -> None:
        self._complaints += 1
        if self._complaints <= MAX_COMPLAINTS:
            self._out.put(encode("error", code="bad_message", message=reason))

    async def _watch(self) -> CallEnd:
        """Notice a client that is gone without a word."""
        limits, now = self._limits, asyncio.get_running_loop().time
        self._received_at = now()
        while True:
            await asyncio.sleep(min(1.0, limits.idle_seconds / 4, limits.send_stall_seconds / 4))
            since = self._out.waiting_since
            if since is not None and now() - since > limits.send_stall_seconds:
                return CallEnd(EndReason.SEND_STALLED, f"nothing could be sent for {limits.send_stall_seconds:g} s")
            if now() - self._received_at > limits.idle_seconds:
                return CallEnd(EndReason.CONNECTION_LOST, f"nothing was received for {limits.idle_seconds:g} s")

    async def _run(self, line: ClientLine) -> CallEnd:
        await line.run()
        return CallEnd(EndReason.CONNECTION_LOST, "the client is not served any more")

    async def _broken(self) -> CallEnd:
        error = await self._out.broken
        if isinstance(error, SocketClosed):
            return CallEnd(EndReason.CONNECTION_LOST, f"the socket broke while sending ({error.code})")
        raise error

    async def _wanted_end(self, call: CallPort) -> CallEnd:
        await call.disconnect_requested()
        return CallEnd(EndReason.AGENT_HUNG_UP)
