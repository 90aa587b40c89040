"""Simulated time: it jumps, it stands still for threads, and it says who waits when it cannot go on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from voice_runtime.clock import LoopClock, time_held, time_lent
from voice_runtime.testing.simulated_time import Deadlock, ScaledLoop, VirtualLoop, run


def really(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_an_hour_takes_no_time_and_everything_comes_in_order() -> None:
    """Timers go off at their time, in their order, however far apart."""
    log: list[str] = []

    async def nap(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        log.append(f"{name} {asyncio.get_running_loop().time():.2f}")

    async def main() -> None:
        await asyncio.gather(nap("late", 3600), nap("early", 0.02), nap("middle", 60.5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.Event().wait()
        log.append(f"{LoopClock(asyncio.get_running_loop(), wall=1000).wall():.2f}")

    assert really(lambda: run(main())) < 15
    assert log == ["early 0.02", "middle 60.50", "late 3600.00", "4610.00"]


def test_time_stands_still_for_a_thread() -> None:
    """A timer of a millisecond waits for work that really takes a tenth of a second."""
    log: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.001, log.append, "timer")
        await asyncio.to_thread(time.sleep, 0.1)
        log.append(f"thread {asyncio.get_running_loop().time()}")
        await asyncio.sleep(0.001)

    run(main())
    assert log == ["thread 0.0", "timer"]


def test_time_passes_while_a_thread_waits_for_the_loop() -> None:
    """What a thread asks of the loop may take simulated time; what it then computes takes none."""
    times: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        async def pause(seconds: float) -> None:
            with time_lent(loop, "test"):
                await asyncio.sleep(seconds)

        def work() -> None:
            for _ in range(3):
                asyncio.run_coroutine_threadsafe(pause(100), loop).result(5)
                time.sleep(0.02)
                times.append(loop.time())
            loop.call_soon_threadsafe(done.set_result, None)

        ticks = [loop.call_later(n, lambda: None) for n in range(1000)]  # chances to go on without us
        with time_held(loop, "test"):
            threading.Thread(target=work).start()
            await done
        assert len(ticks) == 1000

    run(main())
    assert times == [100, 200, 300]


def test_a_deadlock_names_who_waits() -> None:
    """When nothing can happen any more the loop says so, with the tasks and where they wait."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(waits_for_ever(), name="the one")

    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"task the one waits in .*waits_for_ever") as stuck:
        run(main())
    assert "at 0.000 s of simulated time" in str(stuck.value)


def test_scaled_time_is_real_time_many_times_as_fast() -> None:
    """At a hundred times the speed ten seconds take a tenth of one."""

    async def main() -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        assert 10 <= asyncio.get_running_loop().time() - began < 800

    assert 0.1 <= really(lambda: run(main(), lambda: ScaledLoop(100))) < 8


def test_sockets_work_on_virtual_time() -> None:
    """Both ends of a socket on one loop: what is sent arrives before the time-out."""

    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        async with asyncio.timeout(60):
            assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_a_virtual_loop_is_an_event_loop() -> None:
    """A task that raises raises from `run`."""

    async def main() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main(), VirtualLoop)


def test_on_a_machine_that_does_not_keep_up_scaled_time_passes_more_slowly() -> None:
    """What blocks the loop for 20 simulated seconds makes nobody late by more than one."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        loop.call_later(1, lambda: times.append(loop.time()))
        time.sleep(0.2)  # noqa: ASYNC251 - this is what blocks
        times.append(loop.time())
        await asyncio.sleep(2)
        return [*times, loop.time()]

    began, after, timer, end = run(main(), lambda: ScaledLoop(100))
    assert began <= after <= began + 1.1 and began + 1 <= timer <= began + 2.2
    assert after + 2 <= end < began + 20
