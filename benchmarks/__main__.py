"""`make bench`: what a call costs, beside the floor, in one run. Ratios count; absolute times are this machine's."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from voice_runtime import VoiceSession

CALLS, SECONDS, ROUNDS = 50, 6.0, 3
FRAME = b"\xff" * 160


@contextmanager
def server(kind: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own, on the first core: (pid, port)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.servers", kind, str(port)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {0})
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def media_path() -> None:
    """CPU of a whole echo call, ours against the bare FastAPI echo, in turns."""
    results: dict[str, list[tuple[float, dict[str, float]]]] = {"bare": [], "ours": []}
    for _ in range(ROUNDS):
        for kind in results:
            with server(kind) as (pid, port):
                before = cpu_seconds(pid)
                load = subprocess.run(
                    [sys.executable, "-m", "benchmarks.load", str(port), str(CALLS), str(SECONDS)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                cost = (cpu_seconds(pid) - before) / CALLS / SECONDS * 1000
                results[kind].append((cost, json.loads(load.stdout)))
    print(f"\n{CALLS} calls for {SECONDS:g} s, {ROUNDS} rounds in turns, medians")
    print(f"{'server':22} {'CPU ms / call / s':>18} {'came back':>10} {'p50 ms':>8} {'p99 ms':>8}")
    medians = {}
    for kind, name in (("bare", "bare FastAPI echo"), ("ours", "voice-runtime echo")):
        costs = [cost for cost, _ in results[kind]]
        medians[kind] = statistics.median(costs)
        facts = [fact for _, fact in results[kind]]
        middle = {key: statistics.median(fact[key] for fact in facts) for key in facts[0]}
        print(f"{name:22} {medians[kind]:18.2f} {middle['back']:10.1%} {middle['p50_ms']:8.2f} {middle['p99_ms']:8.2f}")
    pairs = [ours[0] / bare[0] for bare, ours in zip(results["bare"], results["ours"], strict=True)]
    print(f"ratio {statistics.median(pairs):.2f} (pairs: {', '.join(f'{p:.2f}' for p in pairs)}); target: at most 1.50")


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


if __name__ == "__main__":
    print(f"put_inbound on the loop                    {asyncio.run(inbound_cost()):5.2f} us   target: under 1")
    print(f"put_outbound_sync, other thread, in a burst {asyncio.run(outbound_cost()):4.2f} us   target: under 2")
    media_path()
