"""A unidirectional stream: a copy of the audio of a call goes to a server, which has nothing to say."""

from __future__ import annotations

import asyncio
from typing import Final

from voice_runtime.audio.frames import FRAME_BYTES, FRAME_INTERVAL, SAMPLE_RATE, SILENCE_FRAME
from voice_runtime.simulator.handset import Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.parameters import new_sid
from voice_runtime.simulator.record import StreamRecord
from voice_runtime.simulator.stream import MAX_WAITING_MESSAGES, StreamEnd
from voice_runtime.simulator.stream_opening import open_socket
from voice_runtime.simulator.stream_socket import Refused, SocketEnded, StreamSocket, check
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire import media
from voice_runtime.wire.twiml import StartStream

__all__ = ["Fork"]

_TRACKS: Final = {
    "inbound_track": ["inbound"],
    "outbound_track": ["outbound"],
    "both_tracks": ["inbound", "outbound"],
}
_STOP_SECONDS: Final = 0.5


class Fork:
    """Runs beside whatever the call does, until it is stopped (cancelled) or the server closes its socket."""

    def __init__(self, verb: StartStream, call: LiveCall, sid: str = "") -> None:
        self.sid = sid or new_sid("MZ")
        self.name = verb.name or self.sid
        self.frames = 0
        self.discarded = 0
        self.end = StreamEnd.STOPPED
        self._verb, self._call = verb, call
        self._tracks = _TRACKS.get(verb.track, [])
        self._outbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._sequence = 0
        self._began = 0

    async def run(self) -> None:
        try:
            socket = await self._open()
        except Refused as refused:
            self.end = StreamEnd.REFUSED
            self._call.complain(refused.code, refused.detail)
            self._report("stream-error", str(refused.code.value))
            self._record()
            return
        self._report("stream-started")
        self._send(media.Connected())
        self._send(self._start())
        self._began = max(len(self._call.handset.mouth), len(self._call.handset.ear)) // FRAME_BYTES
        owner = TaskOwner(f"fork.{self.sid[-6:]}")  # its own: at the end of the call, `stop` is still to be sent
        sending = owner.start("send", self._write(socket))
        reading = owner.start("read", self._read(socket))
        hearing = owner.start("hear", self._call.line.listen(self._take))
        try:
            await asyncio.wait({reading})
            why = reading.result()
            self._call.complain(why.code, why.detail)
            if why.code is not ViolationCode.PROTOCOL_ERROR:
                self.end = StreamEnd.SERVER_CLOSED
        finally:
            hearing.cancel()
            await self._stop(socket, sending)
            await owner.close()
            self._report("stream-stopped")
            self._record()

    async def _open(self) -> StreamSocket:
        if not self._tracks:
            raise Refused(ViolationCode.BAD_TRACK, f"there is no track {self._verb.track}")
        check(self._verb.url, "inbound_track")
        return await open_socket(self._verb.url, self._call.network.auth_token, self._call.network.addresses)

    async def _stop(self, socket: StreamSocket, sending: asyncio.Task[None]) -> None:
        if self.end is StreamEnd.STOPPED:
            body = media.StopBody(self._call.leg.account_sid, self._call.leg.call_sid)
            self._send(media.Stop(body, self.sid, self._next()))
        self._outbox.put_nowait(None)
        _, unsent = await asyncio.wait({sending}, timeout=_STOP_SECONDS)
        if unsent:
            socket.abort()
        else:
            await socket.close()

    def _take(self, spoken: Spoken, at: float) -> bool:
        if self._outbox.qsize() >= MAX_WAITING_MESSAGES:
            if not self.discarded:
                self._call.complain(ViolationCode.READS_TOO_SLOWLY, "the server does not read; audio is discarded")
            self.discarded += 1
            return False
        frame = round(at / FRAME_INTERVAL)
        if frame < self._began:
            return False
        self.frames += 1
        # What the person hears in these 20 ms is known only afterwards: the outbound track is one frame behind.
        ear = bytes(self._call.handset.ear[(frame - 1) * FRAME_BYTES : frame * FRAME_BYTES]) or SILENCE_FRAME
        timestamp = str(round((frame - self._began) * FRAME_BYTES * 1000 / SAMPLE_RATE))
        for track in self._tracks:
            audio = spoken.audio if track == "inbound" else ear
            self._send(media.Media(media.MediaBody(audio, track, str(self.frames), timestamp), self.sid, self._next()))
        return False

    async def _write(self, socket: StreamSocket) -> None:
        while (message := await self._outbox.get()) is not None:
            try:
                await socket.send(message)
            except SocketEnded:
                return  # the reader knows

    async def _read(self, socket: StreamSocket) -> SocketEnded:
        """Why it is over."""
        try:
            await socket.receive()
        except SocketEnded as ended:
            return ended
        return SocketEnded(ViolationCode.PROTOCOL_ERROR, "the server sent something on a unidirectional stream")

    def _start(self) -> media.Start:
        leg = self._call.leg
        body = media.StartBody(
            leg.account_sid, self.sid, leg.call_sid, self._tracks, media.MediaFormat(), dict(self._verb.parameters)
        )
        return media.Start(body, self.sid, self._next())

    def _send(self, message: media.Connected | media.Start | media.Media | media.Stop) -> None:
        self._outbox.put_nowait(media.encode_to_server(message))

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _report(self, event: str, error: str = "") -> None:
        verb = self._verb
        self._call.reports.stream(
            verb.status_callback, self.sid, self.name, event, error, method=verb.status_callback_method
        )

    def _record(self) -> None:
        self._call.streams.append(StreamRecord(self.sid, self.end, self.frames, self.discarded, 0, 0, 0))
