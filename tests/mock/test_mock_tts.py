"""The voice for tests: the same text, the same audio."""

from __future__ import annotations

import asyncio
import threading

import pytest

from voice_runtime.audio.spelling import read_spelling
from voice_runtime.errors import TtsError
from voice_runtime.mock.tts import MockTts
from voice_runtime.tts import create_tts


class Line:
    def __init__(self) -> None:
        self.is_disconnected = False
        self.heard = b""
        self.marks: list[tuple[str, float]] = []
        self.mark_error: Exception | None = None

    def put_outbound_sync(self, data: bytes) -> None:
        self.heard += data

    def tap_agent(self, data: bytes) -> None:
        pass

    def send_mark_and_wait(self, name: str, timeout: float = 10.0) -> object:
        self.marks.append((name, timeout))
        if self.mark_error is not None:
            raise self.mark_error
        return None


def test_it_spells_its_text_at_the_speed_of_speech() -> None:
    audio = MockTts.render("Yes, no")
    assert [word.text for word in read_spelling(audio)] == ["yes,", "no"]
    assert 0.4 < len(audio) / 8000 < 0.7
    assert MockTts.render("Yes, no") == audio
    assert MockTts.render("") == b""


async def test_the_stream_is_the_rendering() -> None:
    tts = MockTts()
    assert b"".join([chunk async for chunk in tts.synthesize("hello there")]) == MockTts.render("hello there")
    assert [chunk async for chunk in tts.synthesize("")] == []
    assert tts.spoken == ["hello there"]


def test_speak_puts_the_same_audio_and_waits_for_the_mark() -> None:
    line, said = Line(), []
    tts = MockTts(on_spoken=said.append)
    assert tts.speak("hello", line) == {"last_spoken": "hello", "interrupted": False}
    assert line.heard == MockTts.render("hello")
    assert (tts.spoken, said, line.marks) == (["hello"], ["hello"], [("tts_complete", 10.0)])


def test_an_interrupted_speak_says_so() -> None:
    line, stop = Line(), threading.Event()
    stop.set()
    assert MockTts().speak("hello", line, stop) == {"last_spoken": "hello", "interrupted": True}
    assert (line.heard, line.marks) == (b"", [])


def test_a_call_that_is_over_hears_nothing() -> None:
    line = Line()
    line.is_disconnected = True
    assert MockTts().speak("hello", line)["call_disconnected"] is True
    assert line.heard == b""


def test_a_missing_mark_is_for_the_test_to_see() -> None:
    line = Line()
    line.mark_error = TimeoutError()
    with pytest.raises(TimeoutError):
        MockTts().speak("hello", line)


def test_a_failing_callback_does_not_end_the_speech() -> None:
    def fail(_text: str) -> None:
        raise RuntimeError("user code")

    line = Line()
    MockTts(on_spoken=fail).speak("hello", line)
    assert line.heard


async def test_it_fails_on_request() -> None:
    tts = MockTts(fail_after_ms=100)
    errors: list[str] = []
    tts.on_error = errors.append
    heard = []
    with pytest.raises(TtsError):
        async for chunk in tts.synthesize("hello"):
            heard.append(chunk)
    assert len(b"".join(heard)) == 800
    assert tts.speak("hello", Line())["error"] == errors[0] == "mock_tts_failed: as the test asked"
    assert "error" in MockTts(fail_after_ms=0).speak("hello", Line())


async def test_it_stalls_on_request() -> None:
    audio = MockTts(stall_after_ms=100).synthesize("hello")
    assert len(await anext(audio)) == 800
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(audio)


def test_it_is_the_provider_called_mock_and_takes_any_option() -> None:
    assert isinstance(create_tts("mock", voice_id="x"), MockTts)
