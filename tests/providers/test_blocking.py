"""Blocking speech, whatever the vendor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from fakes.line import Line
from voice_runtime.providers.blocking import speak_blocking

PATIENCE_S = 30.0


def speak(
    line: Line,
    synthesize: Callable[[str], Iterable[bytes]],
    stop: threading.Event | None = None,
    text: str = "hi",
) -> tuple[dict[str, object], list[Exception]]:
    failures: list[Exception] = []

    def fail(error: Exception) -> str:
        failures.append(error)
        return f"failed: {error}"

    return speak_blocking(text, line, stop, synthesize, fail), failures


def test_audio_then_tap_then_the_mark() -> None:
    line = Line()
    result, _ = speak(line, lambda _text: [b"a", b"b"])
    assert result == {"last_spoken": "hi"}
    assert line.heard == line.tapped == [b"a", b"b"]
    assert line.marks == [("tts_complete", 30.0)]


def test_nothing_to_say_touches_nothing() -> None:
    line = Line()
    assert speak(line, lambda _text: [b"a"], text="")[0] == {"last_spoken": ""}
    assert (line.heard, line.marks) == ([], [])


def test_a_call_that_is_over_is_not_spoken_to() -> None:
    line = Line()
    line.is_disconnected = True
    assert speak(line, lambda _text: [b"a"])[0] == {"last_spoken": "", "call_disconnected": True}


def test_a_mark_without_an_answer_is_no_failure() -> None:
    line = Line()
    line.mark_error = TimeoutError()
    assert speak(line, lambda _text: [b"a"]) == ({"last_spoken": "hi"}, [])


def test_a_time_out_of_the_vendor_is_a_failure_and_not_a_missing_mark() -> None:
    line = Line()

    def synthesize(_text: str) -> Iterator[bytes]:
        yield b"a"
        raise TimeoutError("vendor")

    result, failures = speak(line, synthesize)
    assert result == {"last_spoken": "hi", "error": "failed: vendor"}
    assert len(failures) == 1
    assert line.marks == []


def test_a_failure_before_the_first_chunk_is_reported() -> None:
    def synthesize(_text: str) -> Iterable[bytes]:
        raise ConnectionError("refused")

    assert speak(Line(), synthesize)[0]["error"] == "failed: refused"


def test_an_error_of_the_session_is_the_programs_to_see() -> None:
    line = Line()
    line.mark_error = RuntimeError("wrong thread")
    with pytest.raises(RuntimeError, match="wrong thread"):
        speak(line, lambda _text: [b"a"])


def test_an_interruption_before_the_first_chunk_says_nothing() -> None:
    line, stop = Line(), threading.Event()
    stop.set()
    assert speak(line, lambda _text: [b"a"], stop)[0] == {"last_spoken": "hi", "interrupted": True}
    assert (line.heard, line.marks) == ([], [])


def test_an_interruption_returns_while_the_vendor_is_silent_and_the_stream_is_closed_afterwards() -> None:
    line, stop = Line(), threading.Event()
    release, closed = threading.Event(), threading.Event()

    def synthesize(_text: str) -> Iterator[bytes]:
        try:
            yield b"a"
            release.wait(PATIENCE_S)
            yield b"late"
        finally:
            closed.set()

    line.on_audio = stop.set
    started = time.monotonic()
    assert speak(line, synthesize, stop)[0] == {"last_spoken": "hi", "interrupted": True}
    assert time.monotonic() - started < PATIENCE_S / 2
    release.set()
    assert closed.wait(PATIENCE_S)
    assert line.heard == [b"a"]


def test_a_hang_up_stops_pulling() -> None:
    line, closed = Line(), threading.Event()
    pulled = []

    def synthesize(_text: str) -> Iterator[bytes]:
        try:
            for number in range(10_000):
                pulled.append(number)
                yield b"x"
        finally:
            closed.set()

    def hang_up() -> None:
        line.is_disconnected = True

    line.on_audio = hang_up
    assert speak(line, synthesize)[0] == {"last_spoken": "hi", "call_disconnected": True}
    assert closed.wait(PATIENCE_S)
    assert len(pulled) < 200


def test_an_abortable_stream_is_aborted_while_it_waits() -> None:
    class Stream:
        def __init__(self) -> None:
            self.aborted = threading.Event()

        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            self.aborted.wait(PATIENCE_S)

        def abort(self) -> None:
            self.aborted.set()

    line, stop, stream = Line(), threading.Event(), Stream()
    line.on_audio = stop.set
    assert speak(line, lambda _text: stream, stop)[0]["interrupted"] is True
    assert stream.aborted.is_set()


def test_a_stream_that_cannot_be_closed_is_logged_and_no_failure() -> None:
    class Stream(list[bytes]):
        def close(self) -> None:
            raise RuntimeError("no")

    assert speak(Line(), lambda _text: Stream([b"a"])) == ({"last_spoken": "hi"}, [])
