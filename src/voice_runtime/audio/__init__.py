"""Telephone audio without any I/O: frames, G.711, mixing, resampling, WAV, tones, measures, the playout ledger.

Nothing here knows asyncio, threads, sockets, clocks, the environment or logging; where time matters it is an argument.

Two kinds of names are imported only when they are used:

* `Resampler`, `LinearResampler` and `LiveResampler`, because they bring numpy and soxr;
* `AudioMixer`, the compatibility door: programs written for 0.1 import it from here, but it has a thread and a file,
  so it lives a floor up, in `voice_runtime.recording`. New programs import it from there.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from voice_runtime.audio.frames import (
    BYTES_PER_MS,
    FRAME_BYTES,
    FRAME_INTERVAL,
    MAX_FRAMES,
    SAMPLE_RATE,
    SILENCE_BYTE,
    SILENCE_FRAME,
    Framer,
    bytes_to_ms,
    ms_to_bytes,
    split_frames,
)
from voice_runtime.audio.g711 import (
    _ULAW_TO_LINEAR as _ULAW_TO_LINEAR,
)
from voice_runtime.audio.g711 import (
    _linear_to_ulaw as _linear_to_ulaw,
)
from voice_runtime.audio.g711 import (
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)
from voice_runtime.audio.ledger import Playout, PlayoutLedger
from voice_runtime.audio.measure import Span, gaps, level_dbfs, silent_runs, speech_spans
from voice_runtime.audio.mixing import gain, mix_frames, mix_pcm16
from voice_runtime.audio.timeline import CallTimeline
from voice_runtime.audio.tones import beep, busy, detect_dtmf, dtmf, ringback, silence, tone
from voice_runtime.audio.wav import Wav, WavWriter, read_wav, to_ulaw_8k

if TYPE_CHECKING:
    from voice_runtime.audio.live import LiveResampler
    from voice_runtime.audio.resample import LinearResampler, Resampler

    AudioMixer: Any  # typed in voice_runtime.recording; importing it here, even for types only, would be upwards

__all__ = [
    "BYTES_PER_MS",
    "FRAME_BYTES",
    "FRAME_INTERVAL",
    "MAX_FRAMES",
    "SAMPLE_RATE",
    "SILENCE_BYTE",
    "SILENCE_FRAME",
    "AudioMixer",
    "CallTimeline",
    "Framer",
    "LinearResampler",
    "LiveResampler",
    "Playout",
    "PlayoutLedger",
    "Resampler",
    "Span",
    "Wav",
    "WavWriter",
    "beep",
    "busy",
    "bytes_to_ms",
    "decode_alaw",
    "decode_ulaw",
    "detect_dtmf",
    "dtmf",
    "encode_alaw",
    "encode_ulaw",
    "gain",
    "gaps",
    "level_dbfs",
    "mix_frames",
    "mix_pcm16",
    "ms_to_bytes",
    "read_wav",
    "ringback",
    "silence",
    "silent_runs",
    "speech_spans",
    "split_frames",
    "to_ulaw_8k",
    "tone",
]

_LAZY: Final = {
    "AudioMixer": "voice_runtime.recording",
    "LinearResampler": "voice_runtime.audio.resample",
    "LiveResampler": "voice_runtime.audio.live",
    "Resampler": "voice_runtime.audio.resample",
}

if not TYPE_CHECKING:  # a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_LAZY[name]), name)
