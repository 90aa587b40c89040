"""Blocking vendor calls in threads of their own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from voice_runtime.providers.threads import in_thread

PATIENCE_S = 30.0


async def test_the_result_comes_back_from_a_thread_of_that_name() -> None:
    assert await in_thread("vendor", lambda: threading.current_thread().name) == "vendor"


async def test_the_failure_comes_back() -> None:
    def fail() -> None:
        raise ConnectionError("vendor")

    with pytest.raises(ConnectionError, match="vendor"):
        await in_thread("vendor", fail)


async def test_an_abandoned_call_bothers_nobody() -> None:
    release, ended = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(PATIENCE_S)
        ended.set()

    future = in_thread("vendor", work)
    future.cancel()
    release.set()
    assert await asyncio.to_thread(ended.wait, PATIENCE_S)
    assert future.cancelled()


def test_a_call_that_outlives_the_loop_bothers_nobody() -> None:
    release, threads = threading.Event(), []

    def work() -> None:
        threads.append(threading.current_thread())
        release.wait(PATIENCE_S)

    async def main() -> None:
        in_thread("vendor", work)

    asyncio.run(main())
    release.set()
    threads[0].join(PATIENCE_S)
    assert not threads[0].is_alive()


async def test_many_blocking_calls_do_not_wait_for_one_another() -> None:
    barrier = threading.Barrier(64)
    await asyncio.wait_for(asyncio.gather(*[in_thread("vendor", barrier.wait) for _ in range(64)]), PATIENCE_S)
