"""One phone line: speaks 50 frames a second, listens, measures what comes back, and hangs up."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping
from time import perf_counter
from typing import Final, assert_never

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from voice_runtime.simulator.load.caller import Caller
from voice_runtime.simulator.load.ear import Ear
from voice_runtime.simulator.load.stamps import StampFinder
from voice_runtime.simulator.parameters import Leg, new_sid
from voice_runtime.wire import media

__all__ = ["PhoneLine"]

_CLOSE_SECONDS: Final = 2.0
"""How long a server may take to answer our close."""
_TEXT: Final = WSMsgType.TEXT


class PhoneLine(WSListener):
    """The carrier's side of one media socket. `begin` it, then `tick` it every 20 ms until that returns False."""

    def __init__(self, leg: Leg, parameters: Mapping[str, str], frames: int, caller: Caller) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ear = Ear()
        self.delays = array("d")
        """Seconds between the sending and the return of each frame that came back."""
        self.returned = bytearray(frames)
        """How often each frame came back."""
        self.sent = 0
        self.discarded = 0
        """Frames that were not sent, for the server did not read (warning 31930)."""
        self.clears: list[float] = []
        self.marks: list[tuple[str, float]] = []
        self.rejected: list[str] = []
        """Why messages were none (31950, 31951)."""
        self.began_at = 0.0
        self.closed_early = ""
        self._leg = leg
        self._parameters = parameters
        self._frames = frames
        self._caller = caller
        self._sid = new_sid("MZ")
        self._sequence = 0
        self._sent_at = array("d")
        self._stamps = StampFinder()
        self._transport: WSTransport | None = None
        self._paused = False
        self._parts = bytearray()

    def begin(self) -> None:
        """Say `connected` and `start`. The handshake is done."""
        self.began_at = perf_counter()
        body = media.StartBody(
            self._leg.account_sid,
            self._sid,
            self._leg.call_sid,
            ["inbound"],
            media.MediaFormat(),
            dict(self._parameters),
        )
        self._send(media.Connected())
        self._send(media.Start(body, self._sid, self._next()))

    def tick(self, now: float) -> bool:
        """Send the next frame and the marks that were reached. False when the call is over."""
        if self.ended.done() or self._transport is None:
            return False
        index = len(self._sent_at)
        if index >= self._frames:
            self._hang_up()
            return False
        self._sent_at.append(now)
        if self._paused:
            self.discarded += 1
        else:
            body = media.MediaBody(self._caller.frame(index), "inbound", str(index + 1), str(index * 20))
            self._send(media.Media(body, self._sid, self._next()))
            self.sent += 1
        if self._caller.is_last_of_speech(index):
            self.ear.expects_answer(now)
        self._echo(self.ear.due(now))
        return True

    def _hang_up(self) -> None:
        self._send(media.Stop(media.StopBody(self._leg.account_sid, self._leg.call_sid), self._sid, self._next()))
        if (transport := self._transport) is not None:
            transport.send_close(WSCloseCode.OK)
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, transport.disconnect, False)

    # -- what comes back -----------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = perf_counter()
        match frame.msg_type:
            case WSMsgType.TEXT | WSMsgType.CONTINUATION:
                if frame.fin and not self._parts:
                    self._hear(frame.get_payload_as_bytes(), now)
                else:
                    self._parts += frame.get_payload_as_bytes()
                    if frame.fin:
                        whole, self._parts = bytes(self._parts), bytearray()
                        self._hear(whole, now)
            case WSMsgType.BINARY:
                self.rejected.append("a binary frame")
            case WSMsgType.CLOSE:
                self._closed(transport, frame)
            case WSMsgType.PING | WSMsgType.PONG:
                pass

    def _closed(self, transport: WSTransport, frame: WSFrame) -> None:
        if not transport.is_close_frame_sent:
            reason = frame.get_close_reason()
            code = frame.get_close_code()
            self.closed_early = f"the server closed the socket: {getattr(code, 'value', code)} {reason or ''}".strip()
            transport.send_close(WSCloseCode.OK)
        transport.disconnect()

    def _hear(self, message: bytes, now: float) -> None:
        decoded = media.decode_from_server(message)
        match decoded:
            case media.PlayMedia():
                audio = decoded.media.payload
                self.ear.media(audio, now)
                for index in self._stamps.feed(audio):
                    if index < len(self._sent_at):
                        if not self.returned[index]:
                            self.delays.append(now - self._sent_at[index])
                        self.returned[index] = min(255, self.returned[index] + 1)
            case media.SetMark():
                self.marks.append((decoded.mark.name, now))
                if self.ear.mark(decoded.mark.name, now):
                    self._echo([decoded.mark.name])
            case media.Clear():
                self.clears.append(now)
                self._echo(self.ear.clear(now))
            case media.Unknown():
                self.rejected.append(f"unknown event {decoded.event!r}")
            case media.Malformed():
                self.rejected.append(decoded.reason)
            case _:
                assert_never(decoded)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.closed_early and not transport.is_close_frame_sent:
            self.closed_early = "the connection was lost without a closing handshake"
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False

    # -- what goes out -------------------------------------------------------------------------------------------------

    def _echo(self, names: list[str]) -> None:
        for name in names:
            self._send(media.Mark(media.EchoedMarkBody(name), self._sid, self._next()))

    def _send(self, message: media.Connected | media.Start | media.Media | media.Mark | media.Stop) -> None:
        if self._transport is not None and not self.ended.done():
            self._transport.send(_TEXT, media.encode_to_server(message))

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)
