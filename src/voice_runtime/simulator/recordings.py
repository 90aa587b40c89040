"""Recordings of a call: begun, paused, ended; told to a callback; there as WAV afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_BYTE
from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.mixing import mix_pcm16
from voice_runtime.audio.wav import WavWriter
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.parameters import Form, rfc2822
from voice_runtime.simulator.rest import RecordingStatus, RestState, SimulatedRecording

__all__ = ["Recorder", "RecordingOrder", "Tape", "url_of"]

_API: Final = "https://api.twilio.com"
_HUSH: Final = bytes([SILENCE_BYTE])

Tape = Callable[[], tuple[bytes | bytearray, bytes | bytearray]]
"""Both lanes of what is recorded, mu-law, growing: the recorded leg's own voice, and what it hears."""


@dataclass(frozen=True, slots=True)
class RecordingOrder:
    """What to record. `track`: inbound, outbound or both; `channels`: 1, or 2 with the leg's own voice first."""

    source: str
    channels: int = 1
    track: str = "both"
    trim: bool = False
    callback: Document = Document()
    events: frozenset[str] = frozenset({"completed"})


@dataclass(slots=True)
class _Take:
    order: RecordingOrder
    started: str
    since: int
    recording: bool = True
    skips: bool = False
    cuts: list[tuple[int, int, bool]] = field(default_factory=list)
    """From, to, and whether it is silence."""

    def cut(self, now: int) -> None:
        if self.recording or not self.skips:
            self.cuts.append((self.since, now, not self.recording))
        self.since = now


class Recorder:
    """Records one tape. The recordings themselves are `rest`'s; `tell` sends the form of a status callback."""

    def __init__(self, call_sid: str, tape: Tape, rest: RestState, tell: Callable[[Document, Form], None]) -> None:
        self._call_sid, self._tape, self._rest, self._tell = call_sid, tape, rest, tell
        self._takes: dict[str, _Take] = {}

    def start(
        self, order: RecordingOrder, known: SimulatedRecording | None = None, *, conference_sid: str = ""
    ) -> SimulatedRecording:
        """`known`: the recording that was asked for by REST."""
        recording = known or self._rest.add_recording(
            self._call_sid, source=order.source, conference_sid=conference_sid, channels=order.channels
        )
        recording.track = order.track
        self._takes[recording.sid] = _Take(order, rfc2822(), self._position())
        self._report(recording)
        return recording

    def pause(self, recording: SimulatedRecording, *, skip: bool = False) -> None:
        """Until `resume` there is silence in it; with `skip`, nothing."""
        if (take := self._takes.get(recording.sid)) and take.recording:
            take.cut(self._position())
            take.recording, take.skips = False, skip
            self._rest.set_recording_status(recording, RecordingStatus.PAUSED)

    def resume(self, recording: SimulatedRecording) -> None:
        if (take := self._takes.get(recording.sid)) and not take.recording:
            take.cut(self._position())
            take.recording = True
            self._rest.set_recording_status(recording, RecordingStatus.IN_PROGRESS)

    def stop(self, recording: SimulatedRecording) -> None:
        """No more of it; it is told when it can be fetched. Again does nothing."""
        if (take := self._takes.get(recording.sid)) is None:
            return
        take.cut(self._position())
        own, heard = _lanes(take, self._tape())
        recording.duration = round(len(own) / SAMPLE_RATE)
        recording.wav = _wav(take.order, own, heard) if own else b""
        self._rest.set_recording_status(recording, RecordingStatus.COMPLETED if own else RecordingStatus.ABSENT)
        self._report(recording)
        del self._takes[recording.sid]

    def stop_all(self) -> None:
        for sid in list(self._takes):
            self.stop(self._rest.recordings[sid])

    def form(self) -> Form:
        """What the last status callback of a call says about the recording that its creation asked for."""
        mine = (r for r in self._rest.recordings.values() if r.call_sid == self._call_sid)
        for recording in mine:
            if recording.source == "OutboundAPI":
                known = [("RecordingUrl", url_of(recording)), ("RecordingSid", recording.sid)]
                return [*known, ("RecordingDuration", str(recording.duration or 0))]
        return []

    def _position(self) -> int:
        return min(map(len, self._tape()))

    def _report(self, recording: SimulatedRecording) -> None:
        take = self._takes[recording.sid]
        order = take.order
        if not order.callback.url or recording.status not in order.events:
            return
        form = [
            ("AccountSid", recording.account_sid),
            ("CallSid", recording.call_sid),
            ("RecordingSid", recording.sid),
            ("RecordingUrl", url_of(recording)),
            ("RecordingStatus", str(recording.status)),
            ("RecordingDuration", str(recording.duration or 0)),
            ("RecordingChannels", str(order.channels)),
            ("RecordingStartTime", take.started),
            ("RecordingSource", recording.source),
            ("RecordingTrack", order.track),
        ]
        form += [("ConferenceSid", recording.conference_sid)] if recording.conference_sid else []
        self._tell(order.callback, form)


def url_of(recording: SimulatedRecording) -> str:
    """RecordingUrl: without .wav, which the API takes too."""
    return _API + recording.path


def _lanes(take: _Take, tape: tuple[bytes | bytearray, bytes | bytearray]) -> tuple[bytes, bytes]:
    def lane(whole: bytes | bytearray) -> bytes:
        return b"".join(_HUSH * (end - begin) if silent else whole[begin:end] for begin, end, silent in take.cuts)

    own, heard = map(lane, tape)
    if not take.order.trim:
        return own, heard
    lanes = {"inbound": (own,), "outbound": (heard,)}.get(take.order.track, (own, heard))
    begin = min(len(lane) - len(lane.lstrip(_HUSH)) for lane in lanes)
    end = max(len(lane.rstrip(_HUSH)) for lane in lanes)
    return own[begin:end], heard[begin:end]


def _wav(order: RecordingOrder, own_ulaw: bytes, heard_ulaw: bytes) -> bytes:
    """16 bit, 8 kHz."""
    own, heard = decode_ulaw(own_ulaw), decode_ulaw(heard_ulaw)
    file = io.BytesIO()
    with WavWriter(file, channels=order.channels, encoding="pcm16") as writer:
        if order.channels == 2:
            both = bytearray(2 * len(own))
            for offset, lane in ((0, own), (2, heard)):
                both[offset::4], both[offset + 1 :: 4] = lane[::2], lane[1::2]
            writer.write(bytes(both))
        elif order.track == "both":
            writer.write(mix_pcm16(own, heard))
        else:
            writer.write(own if order.track == "inbound" else heard)
    return file.getvalue()
