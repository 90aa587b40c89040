"""<Record>: a message of the person."""

from __future__ import annotations

from typing import Final

from voice_runtime.audio.frames import FRAME_INTERVAL, SILENCE_FRAME
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.audio.tones import beep
from voice_runtime.simulator.handset import AUDIBLE_DBFS, Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.recordings import RecordingOrder, url_of
from voice_runtime.wire.twiml import Record

__all__ = ["perform_record"]

_BEEP: Final = beep(1000, 400)


class _Silence:
    """Hears when the person has finished: silence, a key, or too long."""

    def __init__(self, verb: Record) -> None:
        self._verb = verb
        self._quiet = self._time = 0.0
        self.spoke = False
        self.key = ""

    def __call__(self, spoken: Spoken, at: float) -> bool:
        self._time += FRAME_INTERVAL
        self._quiet += FRAME_INTERVAL
        if spoken.audio != SILENCE_FRAME and level_dbfs(spoken.audio) > AUDIBLE_DBFS:
            self.spoke, self._quiet = True, 0.0
        if spoken.digit and spoken.digit in self._verb.finish_on_key:
            self.key = spoken.digit
            return True
        return self._quiet >= self._verb.timeout or self._time >= self._verb.max_length


async def perform_record(verb: Record, base: str, call: LiveCall) -> Document | None:
    """Returns where to go on with the recording; None, the next verb, when nothing was said."""
    if verb.play_beep:
        await call.play(_BEEP)
    order = RecordingOrder(
        "RecordVerb",
        track="inbound",
        trim=verb.trim == "trim-silence",
        callback=Document(verb.recording_status_callback, verb.recording_status_callback_method, base=base),
        events=frozenset(verb.recording_status_callback_event.split()),
    )
    recording = call.recorder.start(order)
    silence = _Silence(verb)
    left = True
    try:
        await call.line.listen(silence)
        left = False
    finally:
        call.recorder.stop(recording)
        form = (
            ("RecordingUrl", url_of(recording)),
            ("RecordingSid", recording.sid),
            ("RecordingDuration", str(recording.duration)),
            ("Digits", "hangup" if left else silence.key),
        )
        action = Document(verb.action or base, verb.method, base=base, form=form)
        if left and silence.spoke:
            call.tell(action)
    return action if silence.spoke else None
