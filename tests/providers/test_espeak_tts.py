"""The offline voice, with the real library."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import numpy as np
import pytest

from voice_runtime.audio import decode_ulaw, gaps, level_dbfs
from voice_runtime.errors import TtsError
from voice_runtime.providers.espeak_tts import EspeakTTS

TEXT = "Your parcel is on its way. It will arrive on Friday, before noon. Is there anything else?"


async def say(text: str, tts: EspeakTTS | None = None) -> bytes:
    return b"".join([chunk async for chunk in (tts or EspeakTTS()).synthesize(text)])


async def test_the_same_text_gives_the_same_bytes_whatever_was_said_in_between() -> None:
    first = await say(TEXT)
    await say("Something else entirely, with fish.")

    assert await say(TEXT) == first


async def test_two_calls_at_once_do_not_disturb_each_other() -> None:
    alone = [await say(TEXT), await say("Goodbye.")]

    assert await asyncio.gather(say(TEXT), say("Goodbye.")) == alone


async def test_speech_is_at_telephone_level_without_clipping_or_long_gaps() -> None:
    audio = await say(TEXT)
    peak = np.abs(np.frombuffer(decode_ulaw(audio), "<i2").astype(int)).max() / 32768

    assert -23 < level_dbfs(audio) < -17
    assert 20 * np.log10(peak) < -2.5
    assert 4 < len(audio) / 8000 < 8
    assert max(gap.duration_ms for gap in gaps(audio)) < 500


async def test_the_first_sentence_comes_without_waiting_for_the_rest() -> None:
    everything = EspeakTTS().synthesize("Hello. " + "And so on, and so on. " * 400)
    before = time.monotonic()

    first = await anext(everything)
    took = time.monotonic() - before
    rest = [chunk async for chunk in everything]

    assert first and rest
    assert took < (time.monotonic() - before) / 2


async def test_a_cancelled_piece_stops_at_the_next_callback() -> None:
    class SetOnThirdLook(threading.Event):
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks >= 4  # one look before the library is loaded, then one for each 60 ms

    pcm, rate = EspeakTTS()._run_library("a long sentence " * 20, SetOnThirdLook())

    assert 0 < len(pcm) / 2 / rate < 0.25


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "\x00\x01\x02",
        "...",
        "😀😀 \N{ZERO WIDTH JOINER}",
        "<speak><break time='5s'/>hello</speak>",
        "[[h@loU]] {x} &amp; %s",
        "half a \ud83d pair",
        "你好, привет, hyvää päivää",
        "x" * 10_000,
        "word " * 1_000,
    ],
)
async def test_no_text_is_too_odd(text: str) -> None:
    heard = [chunk async for chunk in EspeakTTS().synthesize(text)]

    assert all(heard)
    assert bool(heard) == bool(re.search(r"\w|😀", text))


async def test_markup_is_read_out_not_obeyed() -> None:
    assert len(await say("<break time='30s'/> hello")) < 8 * 8000


async def test_an_unknown_voice_is_an_error_with_its_name() -> None:
    with pytest.raises(TtsError, match="no voice 'klingon-x'") as caught:
        await say("hello", EspeakTTS(voice="klingon-x"))

    assert (caught.value.provider, caught.value.reason) == ("espeak", "bad_request")


async def test_rate_pitch_volume_and_voice_are_heard() -> None:
    plain = await say(TEXT)

    assert len(await say(TEXT, EspeakTTS(rate_wpm=300))) < 0.8 * len(plain)
    assert level_dbfs(await say(TEXT, EspeakTTS(volume=0.5))) == pytest.approx(level_dbfs(plain) - 6, abs=0.5)
    assert await say(TEXT, EspeakTTS(pitch=80)) != plain
    assert await say(TEXT, EspeakTTS(voice="en-us+f3")) != plain


class Ear:
    """What `speak` speaks into."""

    def __init__(self) -> None:
        self.is_disconnected = False
        self.outbound = b""
        self.tapped = b""
        self.marks: list[str] = []

    def put_outbound_sync(self, data: bytes) -> None:
        self.outbound += data

    def tap_agent(self, data: bytes) -> None:
        self.tapped += data

    def send_mark_and_wait(self, name: str, timeout: float = 0) -> None:
        self.marks.append(name)


async def test_speak_says_the_same_as_synthesize() -> None:
    ear = Ear()

    result = await asyncio.to_thread(EspeakTTS().speak, TEXT, ear)

    assert result == {"last_spoken": TEXT}
    assert ear.outbound == ear.tapped == await say(TEXT)
    assert ear.marks == ["tts_complete"]


def test_speak_stops_when_told() -> None:
    ear, stop = Ear(), threading.Event()
    stop.set()

    assert EspeakTTS().speak(TEXT, ear, stop) == {"last_spoken": TEXT, "interrupted": True}
    assert ear.outbound == b""


def test_speak_reports_a_failure_and_returns_it() -> None:
    tts, errors = EspeakTTS(voice="klingon-x"), list[str]()
    tts.on_error = errors.append

    result = tts.speak("hello", Ear())

    assert result == {"last_spoken": "hello", "error": errors[0]}
    assert errors[0].startswith("espeak_tts_failed: espeak: bad_request")
