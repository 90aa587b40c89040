"""The recogniser for tests: scripted, injected, failing on request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from voice_runtime.errors import SttError
from voice_runtime.mock.stt import MockStt
from voice_runtime.stt import SttFailure, SttFault, create_stt

PATIENCE_S = 5.0
FRAME = b"\x55" * 160


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
