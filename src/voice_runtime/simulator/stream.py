"""One media socket, from the carrier's side: opened with a signature, 50 messages a second, ended with `stop`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final

from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.handset import Handset, Spoken
from voice_runtime.simulator.line_clock import LineClock
from voice_runtime.simulator.mischief import Mischief
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.parameters import Leg, new_sid
from voice_runtime.simulator.playout import Echo, Playout
from voice_runtime.simulator.stream_opening import open_socket
from voice_runtime.simulator.stream_socket import Refused, SocketEnded, StreamSocket, check
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire import media
from voice_runtime.wire.twiml import ConnectStream

__all__ = ["MAX_WAITING_MESSAGES", "MediaStream", "StreamEnd"]

MAX_WAITING_MESSAGES: Final = 500
"""10 s of audio that a server did not read; more is discarded, warning 31930. Twilio's own number is not known."""

_STOP_SECONDS: Final = 0.5  # how long a server that does not read may hold up the end of a call


class StreamEnd(StrEnum):
    REFUSED = "refused"
    SERVER_CLOSED = "server_closed"
    STOPPED = "stopped"


class MediaStream:
    """A bidirectional stream of a call. It is the far end of the line while it runs; cancel `run` to stop it.

    `found` is told what is wrong with it, as it happens.
    """

    def __init__(self, verb: ConnectStream, leg: Leg, handset: Handset, found: Callable[[Violation], None]) -> None:
        self.sid = new_sid("MZ")
        self.name = verb.name or self.sid
        self._found = found
        self._rejected = 0  # of the playout's violations, how many were told
        self.playout = Playout(self.sid)
        self.frames_sent = 0
        self.frames_discarded = 0
        self._verb = verb
        self._leg = leg
        self._handset = handset
        self._outbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._waiting = 0  # messages in the outbox, or on their way out of it
        self._socket: StreamSocket | None = None
        self._sequence = 0
        self._connected = 0.0
        self._ended: SocketEnded | None = None

    async def run(
        self, auth_token: str, addresses: Addresses, mischief: Mischief, open_line: Callable[[], LineClock]
    ) -> StreamEnd:
        """Carry the call until the server closes the socket. Cancelled, it says `stop` and closes.

        `open_line` is called when there is a stream.
        """
        again = partial(open_socket, self._verb.url, auth_token, addresses)
        try:
            check(self._verb.url, self._verb.track)
            socket = self._socket = mischief.on_socket(await again(), again, self._note)
        except Refused as refused:
            self._violation(refused.code, refused.detail)
            return StreamEnd.REFUSED
        owner = TaskOwner(f"stream.{self.sid[-6:]}")
        self._send(media.Connected())
        self._send(self._start())
        clock = open_line()
        self._connected = clock.connect(self)
        sending = owner.start("send", self._write(socket))
        reading = owner.start("read", self._read(socket, clock))
        try:
            await asyncio.wait({reading})
            return StreamEnd.SERVER_CLOSED
        finally:
            clock.disconnect()
            for echo in self.playout.abandon():
                self._note_mark(echo)
            if self._ended is None:
                await self._stop(socket, sending)
            else:
                self._found(Violation(clock.now(), self._ended.code, self._ended.detail))
            await owner.close()

    async def _stop(self, socket: StreamSocket, sending: asyncio.Task[None]) -> None:
        body = media.StopBody(self._leg.account_sid, self._leg.call_sid)
        self._send(media.Stop(body, self.sid, self._next()))
        self._outbox.put_nowait(None)
        _, unsent = await asyncio.wait({sending}, timeout=_STOP_SECONDS)
        if unsent:
            socket.abort()
        else:
            await socket.close()

    def _note(self, text: str) -> None:
        at = self._handset.time
        self._handset.notes.append(Annotation(NoteKind.NOTE, at, at, text))

    # -- the far end of the line --------------------------------------------------------------------------------------

    def play(self, at: float) -> bytes:
        played = self.playout.play(at)
        self._echo(played.echoes)
        return played.audio

    def take(self, spoken: Spoken, at: float) -> None:
        if spoken.digit:
            body = media.DtmfBody(spoken.digit, "inbound_track")
            self._send(media.Dtmf(body, self.sid, self._next()))
        if self._waiting >= MAX_WAITING_MESSAGES:
            if not self.frames_discarded:
                self._violation(ViolationCode.READS_TOO_SLOWLY, "the server does not read; caller audio is discarded")
            self.frames_discarded += 1
            return
        self.frames_sent += 1
        frame = media.MediaBody(spoken.audio, "inbound", str(self.frames_sent), str(max(0, round(at * 1000))))
        self._send(media.Media(frame, self.sid, self._next()))

    # -- the socket ---------------------------------------------------------------------------------------------------

    async def _write(self, socket: StreamSocket) -> None:
        """Send what could not leave at once."""
        while (message := await self._outbox.get()) is not None:
            try:
                await socket.send(message)
            except SocketEnded:
                return  # the reader knows, and says why
            self._waiting -= 1

    async def _read(self, socket: StreamSocket, clock: LineClock) -> None:
        while True:
            try:
                message = await socket.receive()
            except SocketEnded as ended:
                self._ended = ended
                return
            clock.catch_up(clock.now())
            clears = len(self.playout.clears)
            self._echo(self.playout.receive(message))
            for rejected in self.playout.violations[self._rejected :]:
                self._rejected += 1
                self._found(Violation(self._connected + rejected.at, rejected.code, rejected.detail))
            if len(self.playout.clears) > clears:
                at = self._connected + self.playout.clears[-1]
                self._handset.notes.append(Annotation(NoteKind.CLEAR, at, at, "clear"))

    def _start(self) -> media.Start:
        body = media.StartBody(
            self._leg.account_sid,
            self.sid,
            self._leg.call_sid,
            ["inbound"],
            media.MediaFormat(),
            dict(self._verb.parameters),
        )
        return media.Start(body, self.sid, self._next())

    def _echo(self, echoes: tuple[Echo, ...] | list[Echo]) -> None:
        for echo in echoes:
            self._note_mark(echo)
            # The codec types what it reads, which is less strict than what is written; on the wire they are the same.
            self._send(media.Mark(media.EchoedMarkBody(echo.name), self.sid, self._next()))

    def _note_mark(self, echo: Echo) -> None:
        at, until = self._connected + echo.set_at, self._connected + echo.at
        self._handset.notes.append(Annotation(NoteKind.MARK, at, until, echo.name, echo.outcome))

    def _send(
        self, message: media.Connected | media.Start | media.Media | media.Dtmf | media.Mark | media.Stop
    ) -> None:
        text = media.encode_to_server(message)
        if self._waiting or self._socket is None or not self._socket.send_now(text):
            self._waiting += 1
            self._outbox.put_nowait(text)

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _violation(self, code: ViolationCode, detail: str) -> None:
        self._found(Violation(len(self._handset.ear) / 8000, code, detail))
