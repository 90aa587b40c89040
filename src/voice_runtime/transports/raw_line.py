"""A raw-audio client that streams: it sends what its microphone hears, plays what comes, and is told what happens."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, assert_never

from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_BYTE, split_frames
from voice_runtime.events import CallEvent
from voice_runtime.transport import CallPort, OutboundAudio, OutboundClear, OutboundItem, OutboundMark
from voice_runtime.transports.raw_audio import FromClient, ToClient
from voice_runtime.transports.raw_events import Narrator
from voice_runtime.transports.raw_outgoing import Outgoing
from voice_runtime.wire.raw import Hello, encode

__all__ = ["ClientLine", "Microphone", "StreamingLine"]

GAP_SECONDS: Final = 0.8
"""After so long without audio the microphone counts as muted. Less would tear words when the network stalls."""
AHEAD_SECONDS: Final = 2.0
"""A piece that is longer than this is not waited for to its end before silence is filled in."""
MAX_PIECE_SECONDS: Final = 5.0
"""Of audio in one message. Converting a longer one would hold up the other calls, and most of it would be lost."""


class ClientLine(Protocol):
    """How a client is served. Nothing here raises, or waits for the client."""

    def heard(self, data: bytes) -> None:
        """A binary message came."""

    def mark_played(self, name: str) -> None: ...
    def outbound(self, item: OutboundItem) -> bool:
        """As a `Wire`."""

    def told(self, event: CallEvent) -> None: ...
    async def run(self) -> None:
        """Whatever goes on beside the messages, until it is cancelled."""

    def close(self) -> None: ...


class Microphone:
    """Hands the caller's audio to the call, with silence where the client sends nothing.

    A telephone line is never mute, and recognisers count on that: they know that somebody is done by the silence.
    """

    def __init__(self, call: CallPort) -> None:
        self._call = call
        self._now = asyncio.get_running_loop().time
        self._heard_at = self._until = self._now()  # what has come lasts until then

    def hear(self, ulaw: bytes) -> None:
        self._heard_at = now = self._now()
        self._until = min(max(self._until, now) + len(ulaw) / SAMPLE_RATE, now + AHEAD_SECONDS)
        for piece in split_frames(ulaw, pad=None):
            self._call.caller_audio(piece)

    async def run(self) -> None:
        """Fill in silence, for ever."""
        while True:
            await asyncio.sleep(GAP_SECONDS / 3)
            # A client that is slower than its audio is not mute: what comes late is no less connected.
            if (missing := self._now() - max(self._until, self._heard_at)) >= GAP_SECONDS:
                self.hear(bytes([SILENCE_BYTE]) * int(min(missing, AHEAD_SECONDS) * SAMPLE_RATE))
                self._until = self._now()


class StreamingLine:
    """One client. It says what it has played, if it said that it would; else it is taken to play in real time."""

    def __init__(self, call: CallPort, hello: Hello, out: Outgoing) -> None:
        self._call = call
        self._out = out
        self._acknowledges = hello.marks
        width = 1 if hello.encoding == "mulaw" else 2
        self._longest = int(MAX_PIECE_SECONDS * hello.hz) * width
        self._from_client = FromClient(hello.encoding, hello.hz)
        self._to_client = ToClient(hello.encoding, hello.hz)
        self._microphone = Microphone(call)
        self._narrator = Narrator()
        self._loop = asyncio.get_running_loop()
        self._plays_until = 0.0
        self._echoes: set[asyncio.TimerHandle] = set()

    def heard(self, data: bytes) -> None:
        if 0 < len(data) <= self._longest:
            self._microphone.hear(self._from_client.process(data))
        else:
            why = f"a message without audio, or with more than {MAX_PIECE_SECONDS:g} s of it"
            self._out.put(encode("error", code="bad_audio", message=why))

    def mark_played(self, name: str) -> None:
        self._call.signal_mark_received(name)

    def told(self, event: CallEvent) -> None:
        self._out.put(*self._narrator.messages(event))

    def outbound(self, item: OutboundItem) -> bool:
        match item:
            case OutboundAudio(payload=payload):
                self._plays_until = max(self._plays_until, self._loop.time()) + len(payload) / SAMPLE_RATE
                audio = self._to_client.process(payload)
                return self._out.put(audio) if audio else self._out.put()
            case OutboundMark(name=name):
                if not self._acknowledges:
                    self._echo(name)
                rest = self._to_client.flush()
                return self._out.put(*([rest] if rest else []), encode("mark", name=name))
            case OutboundClear():
                self._to_client.clear()
                self._forget_echoes()
                return self._out.put(encode("clear"))
            case _:
                assert_never(item)

    def _echo(self, name: str) -> None:
        """When the audio before the mark has been played, by the clock."""

        def echo() -> None:
            self._echoes.discard(timer)
            self._call.signal_mark_received(name)

        timer = self._loop.call_at(max(self._plays_until, self._loop.time()), echo)
        self._echoes.add(timer)

    def _forget_echoes(self) -> None:
        self._plays_until = 0.0
        for timer in self._echoes:
            timer.cancel()
        self._echoes.clear()

    async def run(self) -> None:
        await self._microphone.run()

    def close(self) -> None:
        self._forget_echoes()
