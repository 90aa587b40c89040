"""Tones, read back by a detector and measured."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.measure import level_dbfs, speech_spans
from voice_runtime.audio.mixing import mix_frames
from voice_runtime.audio.tones import DtmfReader, beep, busy, detect_dtmf, dtmf, ringback, silence, tone

ALL = "1234567890*#ABCD"


@settings(deadline=None, max_examples=30)
@given(st.text(ALL, max_size=8), st.integers(0, 400))
def test_digits_are_heard_as_dialled(digits: str, offset: int) -> None:
    """Repeated digits too, wherever the detector starts."""
    assert detect_dtmf(silence(offset / 8) + dtmf(digits)) == digits


def test_the_shortest_legal_tones_are_heard() -> None:
    """40 ms on and 40 ms off, the minimum of Q.24."""
    assert detect_dtmf(dtmf(ALL + "11", on_ms=40, off_ms=40)) == ALL + "11"


def test_timing_and_pauses() -> None:
    """100 ms on, 100 ms off; w waits 0.5 s, W 1 s; letters may be small."""
    assert [(s.start_ms, s.end_ms) for s in speech_spans(dtmf("1w2W3"), min_gap_ms=0)] == [
        (0, 100),
        (700, 800),
        (1900, 2000),
    ]
    assert len(dtmf("1w2W3")) == 8 * 2100
    assert dtmf("abcd") == dtmf("ABCD")
    assert dtmf("") == b""


def test_tones_do_not_clip_or_click() -> None:
    """Well below full scale, and from silence into silence."""
    for digit in ALL:
        samples = struct.unpack("<800h", decode_ulaw(dtmf(digit, off_ms=0)))
        assert 0.5 < max(map(abs, samples)) / 32767 < 0.7
        assert max(map(abs, samples[:4] + samples[-4:])) < 3000


def test_another_character_is_an_error() -> None:
    """The offender is named."""
    with pytest.raises(ValueError, match="'x' is not a DTMF digit"):
        dtmf("12x")


def test_other_sounds_are_not_digits() -> None:
    """Progress tones, a beep, noise, silence, and two tones of very different strength."""
    noise = bytes((i * i * 7919 >> 3) % 256 for i in range(8000))
    lopsided = tone(((697, 0.05), (1209, 0.4)), 200)
    for sound in (ringback(), ringback(region="us"), busy(), busy(region="us"), beep(), noise, silence(500), lopsided):
        assert detect_dtmf(sound) == ""


def test_digits_are_heard_through_a_quiet_voice() -> None:
    """Something else on the line does not hide a key."""
    voice = tone(((300, 0.03), (1800, 0.03)), 200)
    digit = dtmf("5")
    mixed = b"".join(mix_frames(digit[i : i + 160], voice[i : i + 160]) for i in range(0, 1600, 160))
    assert detect_dtmf(mixed) == "5"


@pytest.mark.parametrize(
    ("sound", "on", "total"),
    [
        (ringback(), [(0, 1000)], 5000),
        (ringback(region="us"), [(0, 2000)], 6000),
        (ringback(6500), [(0, 1000), (5000, 6000)], 6500),
        (busy(), [(0, 500)], 1000),
        (busy(1300, "us"), [(0, 500), (1000, 1300)], 1300),
        (beep(ms=400), [(0, 400)], 400),
    ],
)
def test_cadences(sound: bytes, on: list[tuple[int, int]], total: int) -> None:
    """On and off as long as the standards say, repeated up to the asked length."""
    assert [(s.start_ms, s.end_ms) for s in speech_spans(sound, min_gap_ms=50)] == on
    assert len(sound) == 8 * total


def test_the_frequency_is_right() -> None:
    """A thousand hertz crosses zero two thousand times a second."""
    samples = struct.unpack("<8000h", decode_ulaw(beep(ms=1000)))
    crossings = sum((a < 0) != (b < 0) for a, b in zip(samples, samples[1:], strict=False))
    assert abs(crossings - 2000) < 4
    assert -14 < level_dbfs(beep()) < -13


def test_a_tone_that_could_clip_is_refused() -> None:
    """The sum of the amplitudes is what counts; a tone of no length is no bytes."""
    with pytest.raises(ValueError, match="more than 1"):
        tone(((440, 0.6), (480, 0.6)), 100)
    assert tone(((440, 1.0),), 0) == b""


def test_keys_are_read_as_they_come() -> None:
    """In pieces of any size, each key once."""
    sound, reader = dtmf("159#"), DtmfReader()
    read = [reader.feed(sound[start : start + 133]) for start in range(0, len(sound), 133)]
    assert [key for key in read if key] == ["1", "5", "9", "#"]
