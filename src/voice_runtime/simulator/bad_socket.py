"""A media socket on a bad day: what goes through it is late, lost, doubled, or comes to nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

from voice_runtime.audio.frames import SILENCE_FRAME
from voice_runtime.simulator.bad_day import BadDay
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.stream_socket import SocketEnded, StreamSocket
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire import media

__all__ = ["BadSocket"]

_MOST_UNDER_WAY: Final = 500
_PIECES: Final = (1, 37, 160, 1600, 8000)  # bytes
_HOLD_SHARE: Final = 0.05  # of frames that jitter holds up, and all behind them


class BadSocket:
    """A `StreamSocket` around another. What it does late, it does in tasks of `owner`."""

    def __init__(self, socket: StreamSocket, day: BadDay, random: Random, pace: Pace, owner: TaskOwner) -> None:
        self._socket, self._day, self._random, self._pace, self._owner = socket, day, random, pace, owner
        self.opening: list[str] = []
        """`connected` and `start`, as they were sent."""
        self._opened = pace.now()
        self._under_way: deque[tuple[float, str]] = deque()
        self._leaves_at = 0.0  # when the last of those leaves
        self._swapped = ""
        self._unpacked, self._piece = bytearray(), 1
        self._sent_chars = 0
        self._closing = False
        self._reading = asyncio.Lock()  # at the end, the stream's reader and our own may meet
        self._moved = asyncio.Event()
        self._broken: asyncio.Future[SocketEnded] = asyncio.get_running_loop().create_future()
        self._hole_from = self._next_hole()
        self._delivering = owner.start("deliver", self._deliver())
        self._cutting = owner.start("cut", self._cut(day.cuts_after)) if day.cuts_after is not None else None

    # -- StreamSocket --------------------------------------------------------------------------------------------------

    def send_now(self, message: str) -> bool:
        if len(self._under_way) >= _MOST_UNDER_WAY or self._broken.done():
            return False
        self._take(message)
        return True

    async def send(self, message: str) -> None:
        while not self.send_now(message):
            if self._broken.done():
                raise self._broken.result()
            self._moved.clear()
            await self._moved.wait()

    async def receive(self) -> str | bytes:
        if self._takes_nothing:
            raise await asyncio.shield(self._broken)
        async with self._reading:
            message = await self._socket.receive()
        if self._takes_nothing:
            raise await asyncio.shield(self._broken)
        if self._day.reads_per_second is not None:
            await self._pace.sleep(len(message) / self._day.reads_per_second)
        return message

    async def close(self) -> None:
        self._closing = True
        self._moved.set()
        self._owner.start("linger", self._linger())

    def abort(self) -> None:
        self._socket.abort()
        self._break("the carrier closed the socket")

    async def tear(self, message: str, characters: int) -> None:
        await self._socket.tear(message, characters)
        self._break("the connection broke in the middle of a message")

    # -- what becomes of a message -------------------------------------------------------------------------------------

    def _take(self, message: str) -> None:
        event = message[10 : message.index('"', 10)]  # {"event":"media",...
        match event:
            case "media" if self._day.repacks:
                for piece in self._repacked(message):
                    self._take_media(piece)
            case "media":
                self._take_media(message)
            case "mark":
                self._take_echo(message)
            case "start":
                for _ in range(self._day.frames_before_start):
                    self._pass_on(_silence(message))
                self._pass_on(message, message if self._day.start_twice else "")
                self.opening.append(message)
            case "stop":
                self._take_stop(message)
            case _:
                self._pass_on(message)
                if event == "connected":
                    self.opening.append(message)

    def _repacked(self, message: str) -> Iterator[str]:
        whole = media.decode_from_carrier(message)
        assert isinstance(whole, media.Media)
        self._unpacked += whole.media.payload
        while len(self._unpacked) >= self._piece:
            body = msgspec.structs.replace(whole.media, payload=bytes(self._unpacked[: self._piece]))
            del self._unpacked[: self._piece]
            self._piece = self._random.choice(_PIECES)
            yield media.encode_to_server(msgspec.structs.replace(whole, media=body))

    def _take_media(self, message: str) -> None:
        day, now = self._day, self._pace.now()
        if now >= self._hole_from + day.hole_seconds:
            self._hole_from = self._next_hole()
        if now >= self._hole_from or self._random.random() < day.loss:
            return
        if day.jitter_ms and self._random.random() < _HOLD_SHARE:
            self._leaves_at = max(self._leaves_at, now + self._random.uniform(0, day.jitter_ms / 1000))
        if self._swapped:
            self._pass_on(message, self._swapped)
            self._swapped = ""
        elif self._random.random() < day.reorders:
            self._swapped = message
        else:
            self._pass_on(message)

    def _take_echo(self, message: str) -> None:
        day, chance = self._day, self._random.random
        if chance() < day.unknown_marks:
            body = media.EchoedMarkBody(f"never set {self._random.randrange(1000)}")
            self._pass_on(media.encode_to_server(media.Mark(body, _stream_of(message))))
        if chance() < day.lost_marks:
            return
        copies = 2 if chance() < day.doubled_marks else 1
        for _ in range(copies):
            if day.late_marks:
                self._owner.start("late mark", self._later(self._random.uniform(0, day.late_marks), message))
            else:
                self._pass_on(message)

    async def _later(self, seconds: float, message: str) -> None:
        await self._pace.sleep(seconds)
        self._pass_on(message)

    def _take_stop(self, message: str) -> None:
        if self._day.keeps_socket_open or self._half_open:
            return
        self._leaves_at = max(self._leaves_at, self._pace.now()) + self._day.late_stop
        if not self._day.missing_stop:
            self._pass_on(message, message if self._day.stop_twice else "")
        for _ in range(self._day.media_after_stop):
            self._pass_on(_silence(message))

    def _pass_on(self, *messages: str) -> None:
        self._leaves_at = max(self._leaves_at, self._pace.now())
        self._under_way.extend((self._leaves_at, message) for message in messages if message)
        self._moved.set()

    async def _deliver(self) -> None:
        while True:
            while not self._under_way:
                if self._closing:
                    return
                self._moved.clear()
                await self._moved.wait()
            at, message = self._under_way.popleft()
            self._moved.set()
            if at > self._pace.now():
                await self._pace.sleep_until(at)
            if self._half_open:
                continue
            before, self._sent_chars = self._sent_chars, self._sent_chars + len(message)
            if self._day.cuts_at_byte is not None and self._sent_chars > self._day.cuts_at_byte:
                return await self.tear(message, self._day.cuts_at_byte - before)
            try:
                if not self._socket.send_now(message):
                    await self._socket.send(message)
            except SocketEnded as ended:
                self._break(ended.detail, ended.code)
                return

    # -- the connection ------------------------------------------------------------------------------------------------

    @property
    def _age(self) -> float:
        return self._pace.now() - self._opened

    @property
    def _half_open(self) -> bool:
        return self._day.half_open_after is not None and self._age >= self._day.half_open_after

    @property
    def _takes_nothing(self) -> bool:
        stopped = self._day.stops_reading_after
        return self._half_open or (stopped is not None and self._age >= stopped)

    def _next_hole(self) -> float:
        every = self._day.holes_every
        return float("inf") if every is None else self._pace.now() + self._random.expovariate(1 / every)

    async def _cut(self, after: float) -> None:
        await self._pace.sleep(after)
        self._socket.abort()
        self._break("the connection broke")

    def _break(self, detail: str, code: ViolationCode = ViolationCode.BROKEN_PIPE) -> None:
        if not self._broken.done():
            self._broken.set_result(SocketEnded(code, detail))
        self._moved.set()

    async def _linger(self) -> None:
        """What is late comes, then the socket is closed; or it stays until the server closes it."""
        try:
            if self._day.keeps_socket_open or self._half_open:
                async with self._reading:
                    while True:
                        await self._socket.receive()
            await asyncio.wait({self._delivering})
            await self._socket.close()
        except SocketEnded:
            pass
        finally:
            self._socket.abort()
            self._delivering.cancel()
            if self._cutting is not None:
                self._cutting.cancel()


def _stream_of(message: str) -> str:
    decoded = media.decode_from_carrier(message)
    return decoded.stream_sid if isinstance(decoded, media.Start | media.Mark | media.Stop) else ""


def _silence(message: str) -> str:
    """A frame for the stream of that message."""
    body = media.MediaBody(SILENCE_FRAME, "inbound", "1", "0")
    return media.encode_to_server(media.Media(body, _stream_of(message), "1"))
