"""Two recognisers on one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from voice_runtime.errors import SttError
from voice_runtime.mock.stt import MockStt
from voice_runtime.stt_tee import SttTee

PATIENCE_S = 30.0


def frame(number: int) -> bytes:
    return bytes([number]) * 160


class Recorder:
    """A recogniser that writes down what it was given."""

    def __init__(self) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self.log: list[object] = []
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.fail_in: str = ""
        self.hang_in: str = ""

    def set_speaking(self, speaking: bool) -> None:
        self._step("set_speaking")
        self.log.append(speaking)

    def finalise(self) -> None:
        self._step("finalise")

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        self.queue = inbound_queue
        await self._async_step("start")

    async def stop(self) -> None:
        await self._async_step("stop")

    def _step(self, name: str) -> None:
        self.log.append(name)
        if self.fail_in == name:
            raise RuntimeError(name)

    async def _async_step(self, name: str) -> None:
        self._step(name)
        if self.hang_in == name:
            await asyncio.Event().wait()

    async def gets(self, count: int) -> list[bytes | None]:
        return [await asyncio.wait_for(self.queue.get(), PATIENCE_S) for _ in range(count)]


@pytest.fixture
async def both() -> AsyncIterator[tuple[Recorder, Recorder]]:
    yield Recorder(), Recorder()


async def test_both_hear_the_same_until_the_end(both: tuple[Recorder, Recorder]) -> None:
    primary, secondary = both
    tee, line = SttTee(primary, secondary), asyncio.Queue[bytes | None]()
    await tee.start(line)
    for item in (frame(1), frame(2), None):
        line.put_nowait(item)
    assert await primary.gets(3) == await secondary.gets(3) == [frame(1), frame(2), None]
    await tee.stop()
    assert primary.log == secondary.log == ["start", "stop"]


def test_callbacks_are_the_primarys(both: tuple[Recorder, Recorder]) -> None:
    primary, secondary = both
    tee = SttTee(primary, secondary)

    def on_text(_text: str) -> None: ...
    def on_speech() -> None: ...

    tee.on_committed = tee.on_recognizing = tee.on_error = on_text
    tee.on_speech_started = on_speech
    assert (primary.on_committed, primary.on_recognizing, primary.on_error) == (on_text, on_text, on_text)
    assert (tee.on_committed, tee.on_recognizing, tee.on_error) == (on_text, on_text, on_text)
    assert primary.on_speech_started is tee.on_speech_started is on_speech
    assert secondary.on_committed is None
    assert secondary.on_speech_started is None


def test_both_know_when_the_agent_speaks(both: tuple[Recorder, Recorder]) -> None:
    primary, secondary = both
    secondary.fail_in = "set_speaking"
    SttTee(primary, secondary).set_speaking(True)
    assert primary.log == ["set_speaking", True]
    assert secondary.log == ["set_speaking"]


async def test_a_primary_that_does_not_start_fails_the_start() -> None:
    secondary = Recorder()
    tee = SttTee(MockStt(fail_start=True), secondary)
    with pytest.raises(SttError):
        await tee.start(asyncio.Queue())
    assert secondary.log == []


@pytest.mark.parametrize("how", ["fail_in", "hang_in"])
async def test_a_secondary_that_does_not_start_leaves_the_primary_alone(
    both: tuple[Recorder, Recorder], how: str
) -> None:
    primary, secondary = both
    setattr(secondary, how, "start")
    tee, line = SttTee(primary, secondary), asyncio.Queue[bytes | None]()
    await asyncio.wait_for(tee.start(line), PATIENCE_S)
    line.put_nowait(frame(1))
    assert await primary.gets(1) == [frame(1)]
    await asyncio.wait_for(tee.stop(), PATIENCE_S)
    assert primary.log == ["start", "stop"]


@pytest.mark.parametrize("name", ["fail_in", "hang_in"])
async def test_one_that_does_not_stop_does_not_keep_the_other(
    both: tuple[Recorder, Recorder], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice_runtime.stt_tee._STOP_TIMEOUT_S", 0.02)
    primary, secondary = both
    setattr(primary, name, "stop")
    tee = SttTee(primary, secondary)
    await tee.start(asyncio.Queue())
    await asyncio.wait_for(tee.stop(), PATIENCE_S)
    assert secondary.log == ["start", "stop"]


async def test_a_stalled_secondary_drops_its_oldest_audio_and_costs_the_primary_nothing(
    both: tuple[Recorder, Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    primary, secondary = both
    tee, line = SttTee(primary, secondary), asyncio.Queue[bytes | None]()
    await tee.start(line)
    with caplog.at_level(logging.WARNING):
        for number in range(2500):
            line.put_nowait(frame(number % 251))
            assert await primary.gets(1) == [frame(number % 251)]
    assert secondary.queue.qsize() == 1500
    assert (await secondary.gets(1)) == [frame(1000 % 251)]
    assert (tee._secondary_drops, tee._primary_drops) == (1000, 0)
    assert len([r for r in caplog.records if "queue overflow" in r.message]) == 3, "the 1st, 500th and 1000th"
    await tee.stop()


@pytest.mark.parametrize("where", ["before the start", "before the first frame", "between frames"])
async def test_a_sentinel_of_an_earlier_call_makes_nobody_deaf(both: tuple[Recorder, Recorder], where: str) -> None:
    """4.2 item 15."""
    primary, secondary = both
    tee, line = SttTee(primary, secondary), asyncio.Queue[bytes | None]()
    if where == "before the start":
        line.put_nowait(None)
    await tee.start(line)
    if where == "before the first frame":
        line.put_nowait(None)
    line.put_nowait(frame(1))
    if where == "between frames":
        line.put_nowait(None)
    line.put_nowait(frame(2))
    assert await primary.gets(2) == await secondary.gets(2) == [frame(1), frame(2)]
    await tee.stop()


async def test_the_secondary_dying_later_changes_nothing() -> None:
    primary, secondary = MockStt(script=[(40, "heard")]), MockStt(die_after_ms=20)
    tee, line = SttTee(primary, secondary), asyncio.Queue[bytes | None]()
    heard = asyncio.Event()
    errors: list[str] = []
    tee.on_committed = lambda _text: heard.set()
    tee.on_error = errors.append
    await tee.start(line)
    for number in range(3):
        line.put_nowait(frame(number))
    await asyncio.wait_for(heard.wait(), PATIENCE_S)
    assert errors == []
    await tee.stop()


async def test_stop_leaves_no_task(both: tuple[Recorder, Recorder]) -> None:
    tee = SttTee(*both)
    await tee.stop()
    await tee.start(asyncio.Queue())
    await tee.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("stt_tee")]


def test_both_are_told_that_the_caller_has_stopped() -> None:
    """One that fails over it does not keep the other from it, and one that cannot be told is left alone."""
    primary, secondary = Recorder(), Recorder()
    primary.fail_in = "finalise"
    SttTee(primary, secondary).finalise()
    assert primary.log == secondary.log == ["finalise"]
