"""The lag of the event loop: measured, judged without flapping, and its cause named."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from voice_runtime.clock import ManualClock
from voice_runtime.telemetry.loop_lag import TURN_SECONDS, LoopLag
from voice_runtime.telemetry.loop_watch import watched

pytestmark = pytest.mark.alone


async def running(lag: LoopLag) -> asyncio.Task[None]:
    measuring = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    return measuring


async def turns(lag: LoopLag, clock: ManualClock, late_ms: float, count: int) -> list[bool]:
    """The loop turns `count` times, so late each; whether it counts as overloaded after each."""
    judged = []
    for _ in range(count):
        clock.advance(TURN_SECONDS + late_ms / 1000)
        lag.turned()
        judged.append(lag.overloaded)
    return judged


async def test_a_loop_that_stays_late_is_overloaded_until_it_is_well_below_the_limit() -> None:
    """One change each way: not for one stall, not by turns around the limit."""
    clock = ManualClock()
    lag = LoopLag(limit_ms=250, clock=clock)
    measuring = await running(lag)
    assert not any(await turns(lag, clock, 0, 50))
    assert not any(await turns(lag, clock, 600, 1) + await turns(lag, clock, 0, 50)), "one stall"
    rising = await turns(lag, clock, 500, 10)
    assert rising == sorted(rising) and rising[-1], "once"
    assert all(await turns(lag, clock, 200, 100)), "still above half of the limit"
    falling = await turns(lag, clock, 0, 30)
    assert falling == sorted(falling, reverse=True) and not falling[-1]
    measuring.cancel()


async def test_the_turn_that_does_not_come_counts_already() -> None:
    """Asked right after a stall, before the next turn, the lag is not that of the good times before it."""
    clock = ManualClock()
    lag = LoopLag(limit_ms=250, clock=clock)
    measuring = await running(lag)
    await turns(lag, clock, 0, 20)
    clock.advance(5.0)
    assert lag.overloaded and lag.worst_ms == pytest.approx(4900) and 4000 < lag.average_ms < 4900
    measuring.cancel()


async def test_no_limit_and_nobody_measuring_mean_never_overloaded() -> None:
    """0 is off; a server without a life cycle measures nothing and takes calls."""
    clock = ManualClock()
    off = LoopLag(limit_ms=0, clock=clock)
    measuring = await running(off)
    assert not any(await turns(off, clock, 5000, 5)) and off.average_ms > 1000
    measuring.cancel()
    idle = LoopLag(limit_ms=1, clock=clock)
    clock.advance(60)
    assert not idle.overloaded and idle.average_ms == idle.worst_ms == 0


def blocks_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_what_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """File, line and task; one line for two stalls in a short time."""
    lag = LoopLag()
    measuring = await running(lag)

    async def handler() -> None:
        for _ in range(2):
            blocks_the_loop(0.6)
            await asyncio.sleep(0.3)

    with caplog.at_level(logging.WARNING), watched(lag):
        await asyncio.create_task(handler(), name="call.handler")
    measuring.cancel()
    (line,) = (record.getMessage() for record in caplog.records if record.name.endswith("loop_watch"))
    number = blocks_the_loop.__code__.co_firstlineno + 1
    assert f"{__file__}:{number} in blocks_the_loop (task call.handler)" in line
    assert "loop-watch" not in {thread.name for thread in threading.enumerate()}
