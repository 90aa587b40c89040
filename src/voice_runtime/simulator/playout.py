"""What Twilio does with what a server sends on a stream. Messages and time go in, sound and echoes come out; no clock.

"Media Streams - WebSocket Messages": media and marks share one queue that is played in the order received; a mark is
echoed when all media before it has been played, at once when nothing is queued; `clear` empties the queue and has all
pending marks echoed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, assert_never

from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_BYTE
from voice_runtime.events import MarkOutcome
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.wire.media import Clear, Malformed, PlayMedia, SetMark, Unknown, decode_from_server

__all__ = ["MAX_QUEUED_SECONDS", "Echo", "Played", "Playout"]

MAX_QUEUED_SECONDS: Final = 600
"""More is discarded, warning 31931."""

_LOGGED_ONCE: Final = frozenset({ViolationCode.INVALID_MESSAGE, ViolationCode.QUEUE_FULL, ViolationCode.SUSPECT_AUDIO})


@dataclass(frozen=True, slots=True)
class Echo:
    """A mark goes back to the server. `set_at`, `at`: seconds since the stream began. Only we know the `outcome`."""

    name: str
    set_at: float
    at: float
    outcome: MarkOutcome


@dataclass(frozen=True, slots=True)
class Played:
    """What the ear heard, silence where nothing was queued, and the marks that were reached meanwhile."""

    audio: bytes
    echoes: tuple[Echo, ...]


@dataclass(frozen=True, slots=True)
class _Pending:
    name: str
    set_at: float
    after: int  # echoed when this many bytes of server audio have been played


class Playout:
    """The playout queue of one stream.

    `receive` takes a message as it arrives, `play` moves time. All times are seconds since the stream began.
    """

    def __init__(self, stream_sid: str) -> None:
        self._stream_sid = stream_sid
        self._position = 0  # bytes of time passed, silence included
        self._chunks: deque[memoryview] = deque()
        self._queued = 0
        self._played = 0  # bytes of server audio that left the queue, played or cleared
        self._marks: deque[_Pending] = deque()
        self._violations: list[Violation] = []
        self.received_bytes = 0
        self.cleared_bytes = 0
        self.rejected_messages = 0
        self.clears: list[float] = []

    @property
    def position(self) -> float:
        """Seconds played so far."""
        return self._position / SAMPLE_RATE

    @property
    def queued_seconds(self) -> float:
        return self._queued / SAMPLE_RATE

    @property
    def violations(self) -> list[Violation]:
        """What Twilio would have logged: 31951 and 31931 only once per stream. `at` is seconds of the stream."""
        return list(self._violations)

    def receive(self, message: str | bytes) -> list[Echo]:
        """Take one WebSocket message (text or binary frame); returns the marks that are echoed at once."""
        if isinstance(message, bytes):
            return self._reject(ViolationCode.BINARY_FRAME, f"binary frame of {len(message)} bytes")
        decoded = decode_from_server(message)
        match decoded:
            case Unknown():
                return self._reject(ViolationCode.INVALID_MESSAGE, f"unknown event {decoded.event!r}")
            case Malformed():
                return self._reject(ViolationCode.INVALID_MESSAGE, decoded.reason)
            case PlayMedia() | SetMark() | Clear() if decoded.stream_sid != self._stream_sid:
                return self._reject(ViolationCode.INVALID_MESSAGE, "streamSid is not that of this stream")
            case PlayMedia():
                self._look_at(decoded.media.payload)
                self.queue(decoded.media.payload)
                return []
            case SetMark():
                return self._set_mark(decoded.mark.name)
            case Clear():
                return self._clear()
            case _:
                assert_never(decoded)

    def queue(self, audio: bytes) -> None:
        """Put mu-law audio at the end of the queue."""
        if self._queued + len(audio) > MAX_QUEUED_SECONDS * SAMPLE_RATE:
            self._reject(ViolationCode.QUEUE_FULL, "more than 10 minutes of audio queued")
            return
        self.received_bytes += len(audio)
        self._queued += len(audio)
        if audio:
            self._chunks.append(memoryview(audio))

    def play(self, until: float) -> Played:
        """Let time pass until `until`. A time already passed plays nothing."""
        wanted = max(0, round(until * SAMPLE_RATE) - self._position)
        heard = bytearray()
        echoes: list[Echo] = []
        begin = self._position
        while len(heard) < wanted and self._chunks:
            chunk = self._chunks.popleft()
            part, rest = chunk[: wanted - len(heard)], chunk[wanted - len(heard) :]
            if rest:
                self._chunks.appendleft(rest)
            before, self._played = self._played, self._played + len(part)
            self._queued -= len(part)
            while self._marks and self._marks[0].after <= self._played:
                at = begin + len(heard) + self._marks[0].after - before
                echoes.append(self._echo(self._marks.popleft(), at, MarkOutcome.PLAYED))
            heard += part
        self._position += wanted
        return Played(bytes(heard).ljust(wanted, bytes([SILENCE_BYTE])), tuple(echoes))

    def _set_mark(self, name: str) -> list[Echo]:
        mark = _Pending(name, self.position, self._played + self._queued)
        if self._queued:
            self._marks.append(mark)
            return []
        return [self._echo(mark, self._position, MarkOutcome.PLAYED)]

    def _clear(self) -> list[Echo]:
        self.clears.append(self.position)
        self.cleared_bytes += self._queued
        self._played += self._queued
        self._queued = 0
        self._chunks.clear()
        echoes = [self._echo(mark, self._position, MarkOutcome.CLEARED) for mark in self._marks]
        self._marks.clear()
        return echoes

    def abandon(self) -> list[Echo]:
        """The stream is over: nothing more is played, no mark is echoed. Returns the marks that were pending."""
        self._chunks.clear()
        self._queued = 0
        lost = [self._echo(mark, self._position, MarkOutcome.DISCONNECTED) for mark in self._marks]
        self._marks.clear()
        return lost

    @staticmethod
    def _echo(mark: _Pending, at: int, outcome: MarkOutcome) -> Echo:
        return Echo(mark.name, mark.set_at, at / SAMPLE_RATE, outcome)

    def _look_at(self, audio: bytes) -> None:
        """ "Payload must not contain audio file type header bytes": they are played as noise, and nothing says so."""
        if not audio:
            self._log(ViolationCode.SUSPECT_AUDIO, "an empty payload")
        elif audio[:4] == b".snd" or (audio[:4], audio[8:12]) == (b"RIFF", b"WAVE"):
            self._log(ViolationCode.SUSPECT_AUDIO, "the payload begins with the header of a sound file")

    def _reject(self, code: ViolationCode, detail: str) -> list[Echo]:
        self.rejected_messages += 1
        self._log(code, detail)
        return []

    def _log(self, code: ViolationCode, detail: str) -> None:
        if code not in _LOGGED_ONCE or all(known.code is not code for known in self._violations):
            self._violations.append(Violation(self.position, code, detail))
