"""Telephone tones as mu-law 8 kHz: DTMF, ringback, busy, beep, silence; and a detector that reads DTMF back.

Frequencies are ITU-T Q.23 (DTMF) and E.180 (progress tones). Amplitudes are fractions of full scale. Every tone fades
in and out over 5 ms, because an edge is a click.
"""

import math
from array import array
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import SAMPLE_RATE, SILENCE_BYTE, ms_to_bytes
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw

__all__ = ["DtmfReader", "Region", "beep", "busy", "detect_dtmf", "dtmf", "ringback", "silence", "tone"]

Region = Literal["eu", "us"]

_RAMP_MS: Final = 5.0
_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_FREQUENCIES: Final = {
    key: (row, column)
    for row, keys in zip(_ROWS, _KEYS, strict=True)
    for column, key in zip(_COLUMNS, keys, strict=True)
}
_PAUSES_MS: Final = {"w": 500, "W": 1000}  # as in Twilio's `<Play digits>`
_ROW_LEVEL: Final = 0.27  # -8 dBm0
_COLUMN_LEVEL: Final = 0.34  # 2 dB louder: the line attenuates high tones more. The sum, 0.61, cannot clip.

# One cadence: the frequencies, milliseconds on, milliseconds off.
_RINGBACK: Final[dict[Region, tuple[tuple[int, ...], int, int]]] = {
    "eu": ((425,), 1000, 4000),
    "us": ((440, 480), 2000, 4000),
}
_BUSY: Final[dict[Region, tuple[tuple[int, ...], int, int]]] = {
    "eu": ((425,), 500, 500),
    "us": ((480, 620), 500, 500),
}
_PROGRESS_LEVEL: Final = 0.16  # each tone; about -13 dBm0


def silence(ms: float) -> bytes:
    """`ms` milliseconds of nothing."""
    return bytes([SILENCE_BYTE]) * ms_to_bytes(ms)


def tone(parts: Sequence[tuple[float, float]], ms: float) -> bytes:
    """A sum of sines, each (Hz, amplitude), for `ms` milliseconds.

    Raises ValueError when the amplitudes add up to more than 1, that is, when the sum could clip.
    """
    if sum(amplitude for _, amplitude in parts) > 1:
        raise ValueError("the amplitudes of a tone must not add up to more than 1")
    count = ms_to_bytes(ms)
    ramp = min(ms_to_bytes(_RAMP_MS), count // 2)
    steps = [(2 * math.pi * hz / SAMPLE_RATE, 32767 * amplitude) for hz, amplitude in parts]
    samples = array("h", bytes(2 * count))
    for i in range(count):
        edge = min(i, count - 1 - i)
        envelope = edge / ramp if edge < ramp else 1.0
        samples[i] = round(envelope * sum(peak * math.sin(step * i) for step, peak in steps))
    return encode_ulaw(samples.tobytes())


def dtmf(digits: str, *, on_ms: float = 100, off_ms: float = 100) -> bytes:
    """Touch tones for `digits`: 0-9, *, #, A-D (or a-d), each followed by `off_ms` of silence.

    `w` is a pause of 0.5 s and `W` of 1 s. Receivers need at least 40 ms on and 40 ms off (ITU-T Q.24). Raises
    ValueError for another character, before any audio is made.
    """
    pieces: list[bytes] = []
    for digit in digits:
        if digit in _PAUSES_MS:
            pieces.append(silence(_PAUSES_MS[digit]))
        elif digit.upper() in _FREQUENCIES:
            pieces.append(_key(digit.upper(), on_ms) + silence(off_ms))
        else:
            raise ValueError(f"{digit!r} is not a DTMF digit: use 0-9, *, #, A-D, w and W")
    return b"".join(pieces)


@cache
def _key(digit: str, on_ms: float) -> bytes:
    row, column = _FREQUENCIES[digit]
    return tone(((row, _ROW_LEVEL), (column, _COLUMN_LEVEL)), on_ms)


def ringback(ms: float | None = None, region: Region = "eu") -> bytes:
    """What a caller hears while the phone rings; one cadence (5 s in Europe, 6 s in the US) unless `ms` says more."""
    return _cadence(*_RINGBACK[region], ms)


def busy(ms: float | None = None, region: Region = "eu") -> bytes:
    """The busy tone; one cadence (1 s) unless `ms` says more."""
    return _cadence(*_BUSY[region], ms)


def _cadence(frequencies: tuple[int, ...], on_ms: int, off_ms: int, ms: float | None) -> bytes:
    once = tone([(hz, _PROGRESS_LEVEL) for hz in frequencies], on_ms) + silence(off_ms)
    if ms is None:
        return once
    wanted = ms_to_bytes(ms)
    return (once * (wanted // len(once) + 1))[:wanted]


def beep(hz: float = 1000, ms: float = 400, level: float = 0.3) -> bytes:
    """One tone, like an answering machine's."""
    return tone(((hz, level),), ms)


_BLOCK: Final = 160  # 20 ms: a 40 ms tone always fills one, wherever the blocks start
_HOP: Final = 80
_MIN_BLOCKS: Final = 2
_MIN_RMS: Final = 400  # about -38 dBFS
_MIN_PURITY: Final = 0.7  # of the energy is in the two tones
_MAX_TWIST: Final = 6.3  # 8 dB between the two


class DtmfReader:
    """Reads touch tones as they come, in pieces of any size. Tones of 40 ms and gaps of 40 ms are enough.

    A Goertzel filter per frequency, every 10 ms; a key counts when two blocks in a row agree on it.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._current, self._agreed = "", 0

    def feed(self, ulaw: bytes) -> str:
        """The keys that were recognised in this piece of mu-law audio."""
        audio = self._rest + ulaw
        digits: list[str] = []
        start = 0
        while start + _BLOCK <= len(audio):
            key = _key_in(decode_ulaw(audio[start : start + _BLOCK]))
            self._agreed = self._agreed + 1 if key == self._current else 1
            self._current = key
            if key and self._agreed == _MIN_BLOCKS:
                digits.append(key)
            start += _HOP
        self._rest = audio[start:]
        return "".join(digits)


def detect_dtmf(ulaw: bytes) -> str:
    """The touch tones in mu-law audio, in order, as a `DtmfReader` reads them."""
    return DtmfReader().feed(ulaw)


def _key_in(pcm16: bytes) -> str:
    rms = audioop.rms(pcm16, 2)
    if rms < _MIN_RMS:
        return ""
    samples = array("h", pcm16)
    rows = [_goertzel(samples, hz) for hz in _ROWS]
    columns = [_goertzel(samples, hz) for hz in _COLUMNS]
    row, column = max(rows), max(columns)
    total = float(rms) ** 2 * len(samples)
    if (row + column) * 2 / len(samples) < _MIN_PURITY * total or max(row, column) > _MAX_TWIST * min(row, column):
        return ""
    return _KEYS[rows.index(row)][columns.index(column)]


def _goertzel(samples: Sequence[int], hz: float) -> float:
    """The squared magnitude of the spectrum of `samples` at `hz`."""
    coefficient = 2 * math.cos(2 * math.pi * hz / SAMPLE_RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    return before * before + last * last - coefficient * before * last
