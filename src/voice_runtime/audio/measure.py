"""What is in a piece of mu-law audio: how loud, where there is speech, where there are holes in it.

For tests and the demo, which must show that speech arrived whole, and for reports on recordings.
"""

import math
import re
from typing import Final, NamedTuple

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import bytes_to_ms, ms_to_bytes
from voice_runtime.audio.g711 import decode_ulaw

__all__ = ["FLOOR_DBFS", "Span", "gaps", "level_dbfs", "silent_runs", "speech_spans"]

FLOOR_DBFS: Final = -96.0
"""The level of silence, and of no audio at all: the bottom of 16 bits."""

_WINDOW_BYTES: Final = 80  # 10 ms


class Span(NamedTuple):
    """A stretch of audio, in milliseconds from its beginning."""

    start_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        """Milliseconds from start to end."""
        return self.end_ms - self.start_ms


def level_dbfs(ulaw: bytes) -> float:
    """The RMS level in dB relative to full scale: 0 is a full-scale square wave, a loud voice about -15."""
    rms = audioop.rms(decode_ulaw(ulaw), 2)
    return 20 * math.log10(rms / 32768) if rms else FLOOR_DBFS


def speech_spans(ulaw: bytes, threshold_dbfs: float = -45.0, min_gap_ms: float = 200.0) -> list[Span]:
    """The stretches louder than `threshold_dbfs`, to 10 ms; those less than `min_gap_ms` apart are one.

    "Speech" is anything loud: this measures energy, it does not recognise voices.
    """
    spans: list[Span] = []
    for start in range(0, len(ulaw), _WINDOW_BYTES):
        window = ulaw[start : start + _WINDOW_BYTES]
        if level_dbfs(window) <= threshold_dbfs:
            continue
        begin, end = bytes_to_ms(start), bytes_to_ms(start + len(window))
        if spans and (begin == spans[-1].end_ms or begin - spans[-1].end_ms < min_gap_ms):
            spans[-1] = Span(spans[-1].start_ms, end)
        else:
            spans.append(Span(begin, end))
    return spans


def gaps(ulaw: bytes, threshold_dbfs: float = -45.0, min_gap_ms: float = 60.0) -> list[Span]:
    """The quiet stretches of `min_gap_ms` or more between the first and the last speech, to 10 ms."""
    spans = speech_spans(ulaw, threshold_dbfs, min_gap_ms)
    return [Span(before.end_ms, after.start_ms) for before, after in zip(spans, spans[1:], strict=False)]


def silent_runs(ulaw: bytes, min_ms: float = 5.0) -> list[Span]:
    """The runs of exact digital silence (0xFF or 0x7F) of `min_ms` or more, to the sample, wherever they are.

    A synthesiser's pauses carry a little noise, an underrun or padding is exact: this is how to tell them apart.
    """
    pattern = re.compile(rb"[\x7f\xff]{%d,}" % max(1, ms_to_bytes(min_ms)))
    return [Span(bytes_to_ms(run.start()), bytes_to_ms(run.end())) for run in pattern.finditer(ulaw)]
