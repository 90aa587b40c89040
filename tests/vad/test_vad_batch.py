"""One model for many calls: who shares a run, and what happens to calls when it fails or hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from voice_runtime.providers import vad_batch
from voice_runtime.providers.vad_batch import Batches, Member, Piece


class Counting:
    """Answers each piece with how many the call has had; notes how many came at once. Fails or hangs when told to."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, pieces: Sequence[bytes], states: Sequence[object | None]) -> tuple[list[float], list[object]]:
        assert self.go_on.wait(30)
        if self.error is not None:
            raise self.error
        self.runs.append(len(pieces))
        counts = [(0.0 if state is None else float(str(state))) + 1 for state in states]
        return counts, list(counts)


class Call:
    def __init__(self, batches: Batches) -> None:
        self.results: list[tuple[int, float]] = []
        self.failed: list[str] = []
        self.news = asyncio.Event()
        self.member = Member(self._result, self._failure)
        batches.join(self.member)

    def _result(self, at: int, number: float) -> None:
        self.results.append((at, number))
        self.news.set()

    def _failure(self, reason: str) -> None:
        self.failed.append(reason)
        self.news.set()


async def test_calls_share_a_run_and_keep_their_own_state() -> None:
    """What several calls say in the same moment is one batch; the second piece of one call follows on its first."""
    model = Counting()
    batches = Batches(lambda: model)
    calls = [Call(batches) for _ in range(3)]
    for call in calls:
        batches.add(call.member, Piece(0, b"a"))
    batches.add(calls[0].member, Piece(1, b"b"))
    async with asyncio.timeout(30):
        while len(calls[0].results) < 2:
            calls[0].news.clear()
            await calls[0].news.wait()
    assert [call.results for call in calls] == [[(0, 1.0), (1, 2.0)], [(0, 1.0)], [(0, 1.0)]]
    assert model.runs == [3, 1]
    await batches.aclose()


async def test_a_model_that_fails_is_told_to_the_calls_of_that_run_and_tried_by_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call that was in the run goes on without; one log line; the next call has it again."""
    model = Counting()
    model.error = RuntimeError("out of luck")
    batches = Batches(lambda: model)
    first, second = Call(batches), Call(batches)
    batches.add(first.member, Piece(0, b"a"))
    async with asyncio.timeout(30):
        await first.news.wait()
    model.error = None
    batches.add(first.member, Piece(1, b"b"))
    batches.add(second.member, Piece(0, b"a"))
    async with asyncio.timeout(30):
        await second.news.wait()
    assert first.failed == ["RuntimeError('out of luck')"] and first.results == []
    assert second.failed == [] and second.results == [(0, 1.0)]
    assert [record.message for record in caplog.records] == ["voice detection failed: RuntimeError('out of luck')"]
    await batches.aclose()


async def test_a_model_that_hangs_costs_no_call_more_than_its_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls are told, those that come meanwhile at once; when it goes on, so does detection for new ones."""
    monkeypatch.setattr(vad_batch, "STALL_SECONDS", 0.05)
    model = Counting()
    model.go_on.clear()
    batches = Batches(lambda: model)
    first, second = Call(batches), Call(batches)
    batches.add(first.member, Piece(0, b"a"))
    async with asyncio.timeout(30):
        await second.news.wait()
    late = Call(batches)
    batches.add(late.member, Piece(0, b"a"))
    assert first.failed == second.failed == late.failed == ["it hangs"]
    model.go_on.set()
    async with asyncio.timeout(30):
        while True:  # until the thread is free
            third = Call(batches)
            batches.add(third.member, Piece(0, b"a"))
            await third.news.wait()
            if not third.failed:
                break
            await asyncio.sleep(0.005)
    assert third.results == [(0, 1.0)] and first.results == []
    await batches.aclose()


async def test_a_call_that_is_over_hears_nothing_more() -> None:
    """Its last piece may be in the thread when it ends."""
    batches = Batches(Counting)
    over, live = Call(batches), Call(batches)
    for call in (over, live):
        batches.add(call.member, Piece(0, b"a"))
    batches.leave(over.member)
    async with asyncio.timeout(30):
        await live.news.wait()
    assert over.results == over.failed == []
    await batches.aclose()
