"""The recogniser for tests: scripted, injected, failing on request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import beep, silence
from voice_runtime.errors import SttError
from voice_runtime.mock.stt import MockStt
from voice_runtime.stt import SttFailure, SttFault, create_stt

PATIENCE_S = 30.0
FRAME = b"\x55" * 160
SILENCE = b"\xff"


class Ear:
    def __init__(self, stt: MockStt) -> None:
        self.said: list[tuple[str, str]] = []
        self._news = asyncio.Event()
        stt.on_committed = lambda text: self._note("committed", text)
        stt.on_recognizing = lambda text: self._note("recognizing", text)
        stt.on_error = lambda text: self._note("error", text)
        stt.on_speech_started = lambda: self._note("speech", "")

    def _note(self, kind: str, text: str) -> None:
        self.said.append((kind, text))
        self._news.set()

    async def until(self, done: Callable[[list[tuple[str, str]]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done(self.said):
                self._news.clear()
                await self._news.wait()


async def test_injected_texts_are_committed_in_order_also_from_threads() -> None:
    stt = MockStt()
    ear = Ear(stt)
    stt.inject("before")
    await stt.start(asyncio.Queue())
    await asyncio.to_thread(stt.inject, "one")
    stt.inject_partial("tw")
    stt.inject("two")
    await ear.until(lambda said: ("committed", "two") in said)
    assert ear.said == [
        ("speech", ""),
        ("committed", "before"),
        ("speech", ""),
        ("committed", "one"),
        ("speech", ""),
        ("recognizing", "tw"),
        ("committed", "two"),
    ]
    await stt.stop()


async def test_scripted_texts_are_committed_when_that_much_audio_has_arrived() -> None:
    stt = MockStt(script=[(60, "second"), (40, "first")])
    ear = Ear(stt)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    await stt.start(queue)
    for frame in (FRAME, None, FRAME):
        queue.put_nowait(frame)
    await ear.until(lambda said: len(said) == 2)
    assert (ear.said[-1], stt.audio_ms) == (("committed", "first"), 40)
    queue.put_nowait(FRAME)
    await ear.until(lambda said: ("committed", "second") in said)
    assert stt.heard_bytes == 480
    await stt.stop()


async def heard(audio: bytes, *, frame: int = 160, end: bool = False, **options: float) -> list[tuple[str, str]]:
    """What a recogniser says of `audio`; `end`: the line says that there is no more."""
    stt = MockStt(die_after_ms=(len(audio) + 1) / 8, **options)  # type: ignore[arg-type]
    ear = Ear(stt)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    for start in range(0, len(audio), frame):
        queue.put_nowait(audio[start : start + frame])
    for last in (None, SILENCE) if end else (SILENCE,):
        queue.put_nowait(last)
    await stt.start(queue)
    await ear.until(lambda said: ("error", "mock_died") in said)
    await stt.stop()
    return ear.said[:-1]


@pytest.mark.parametrize("frame", [160, 37, 1000, 100_000])
async def test_spelled_speech_is_understood_word_by_word_and_at_its_end(frame: int) -> None:
    """In frames of any size; the second piece of speech begins anew."""
    audio = spell("Yes, please") + silence(900) + spell("no") + silence(700)
    said = await heard(audio, frame=frame)
    assert said == [
        ("speech", ""),
        ("recognizing", "yes,"),
        ("recognizing", "yes, please"),
        ("committed", "yes, please"),
        ("speech", ""),
        ("recognizing", "no"),
        ("committed", "no"),
    ]


async def test_speech_ends_with_600_ms_of_audio_or_with_the_audio() -> None:
    """And only once. Until then it is not over, and other sounds are no speech."""
    assert (await heard(spell("yes") + silence(500)))[-1] == ("recognizing", "yes")
    assert (await heard(spell("yes") + silence(500), end=True)).count(("committed", "yes")) == 1
    assert (await heard(spell("yes") + silence(5000), end=True)).count(("committed", "yes")) == 1
    assert (await heard(spell("yes") + silence(300), end_of_speech_ms=200))[-1] == ("committed", "yes")
    assert (await heard(spell("yes") + silence(100) + beep() + spell("no") + silence(700)))[-1][1] == "yes no"
    assert await heard(beep() + silence(1000), end=True) == []


async def test_speech_cut_off_is_understood_as_far_as_it_went() -> None:
    """Also before a whole character."""
    assert (await heard(spell("hello")[:1700] + silence(700)))[-1] == ("committed", "he")
    assert await heard(spell("hello")[:500] + silence(700)) == [("speech", "")]


async def test_a_recogniser_that_is_told_what_it_hears_does_not_read() -> None:
    """The text relay of mock calls says it beside the audio: nothing is understood twice."""
    assert await heard(spell("yes") + silence(700), script=[(100, "told")]) == [  # type: ignore[arg-type]
        ("speech", ""),
        ("committed", "told"),
    ]


@pytest.mark.parametrize(("how", "error"), [(True, SttError), (ConnectionError("x"), ConnectionError)])
async def test_start_fails_on_request(how: bool | Exception, error: type[Exception]) -> None:
    with pytest.raises(error):
        await MockStt(fail_start=how).start(asyncio.Queue())


async def test_it_dies_on_request_and_says_so_once() -> None:
    stt = MockStt(die_after_ms=40, script=[(60, "never")])
    ear = Ear(stt)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    await stt.start(queue)
    for _ in range(5):
        queue.put_nowait(FRAME)
    await ear.until(lambda said: bool(said))
    ((kind, fault),) = ear.said
    assert kind == "error"
    assert isinstance(fault, SttFault)
    assert fault.failure is SttFailure.CRASHED
    await stt.stop()


async def test_it_stalls_on_request_and_says_nothing() -> None:
    stt = MockStt(stall_after_ms=20, script=[(40, "never")])
    ear = Ear(stt)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    await stt.start(queue)
    for _ in range(5):
        queue.put_nowait(FRAME)
    stt.inject("sync")
    await ear.until(lambda said: ("committed", "sync") in said)
    assert queue.qsize() == 4
    assert ear.said == [("speech", ""), ("committed", "sync")]
    await stt.stop()


async def test_a_failing_callback_does_not_end_it() -> None:
    stt = MockStt()
    done = asyncio.Event()

    def fail_once(text: str) -> None:
        if text == "two":
            done.set()
        else:
            raise RuntimeError("user code")

    stt.on_committed = fail_once
    await stt.start(asyncio.Queue())
    stt.inject("one")
    stt.inject("two")
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    await stt.stop()


async def test_stop_leaves_nothing_and_start_works_again() -> None:
    stt = MockStt()
    ear = Ear(stt)
    await stt.stop()
    for text in ("one", "two"):
        await stt.start(asyncio.Queue())
        stt.inject(text)
        await ear.until(lambda said, text=text: ("committed", text) in said)  # type: ignore[misc]
        await stt.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("mock_stt")]
    assert threading.active_count() >= 1


def test_texts_injected_after_the_loop_is_gone_wait() -> None:
    stt = MockStt()
    asyncio.run(_start(stt))
    stt.inject("late")


async def _start(stt: MockStt) -> None:
    await stt.start(asyncio.Queue())


def test_it_is_the_provider_called_mock_and_takes_any_option() -> None:
    stt = create_stt("mock", language_code="fi")
    assert isinstance(stt, MockStt)
    stt.set_speaking(True)
    assert stt.speaking
