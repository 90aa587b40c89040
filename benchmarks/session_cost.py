"""What one frame costs in a session alone, without a socket."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time

from benchmarks.table import Row
from voice_runtime import VoiceSession

FRAME = b"\xff" * 160


def rows() -> list[Row]:
    return [
        Row("`put_inbound` on the loop", asyncio.run(inbound_cost()), " µs", 1.0),
        Row("`put_outbound_sync`, other thread, in a burst", asyncio.run(outbound_cost()), " µs", 2.0),
    ]


async def inbound_cost(count: int = 100_000) -> float:
    """Microseconds of `put_inbound` on the loop, while something reads."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())
    best = float("inf")
    for _ in range(7):
        spent = 0.0
        for _ in range(count // 400):
            began = time.perf_counter()
            for _ in range(400):
                session.put_inbound(FRAME)
            spent += time.perf_counter() - began
            session.clear_inbound()
        best = min(best, spent / count * 1e6)
    return best


async def outbound_cost(count: int = 3_000) -> float:
    """Microseconds of `put_outbound_sync` from another thread, in a burst (one minute of speech), loop alive."""
    session = VoiceSession()
    session.set_loop(asyncio.get_running_loop())
    session.signal_ws_connected("MZ")
    costs: list[float] = []

    def burst() -> None:
        began = time.perf_counter()
        for _ in range(count):
            session.put_outbound_sync(FRAME)
        costs.append((time.perf_counter() - began) / count * 1e6)

    for _ in range(15):
        thread = threading.Thread(target=burst)
        thread.start()
        await asyncio.to_thread(thread.join)
        session.request_clear_buffer()
    return statistics.median(costs)
