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

CALLS, SECONDS, ROUNDS = (50, 100), 6.0, 3
SERVERS = {
    "picows": "bare picows echo",
    "ours": "voice-runtime echo",
    "bare": "bare FastAPI echo",
    "ours-asgi": "voice-runtime, ASGI",
}
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


def media_path(calls: int) -> None:
    """CPU of a whole echo call: ours on the fast path and on ASGI, each beside an echo with nothing around it."""
    costs: dict[str, list[float]] = {kind: [] for kind in SERVERS}
    facts: dict[str, list[dict[str, float]]] = {kind: [] for kind in SERVERS}
    for _ in range(ROUNDS):
        for kind in SERVERS:
            with server(kind) as (pid, port):
                before = cpu_seconds(pid)
                load = subprocess.run(
                    [sys.executable, "-m", "benchmarks.load", str(port), str(calls), str(SECONDS)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                costs[kind].append((cpu_seconds(pid) - before) / calls / SECONDS * 1000)
                facts[kind].append(json.loads(load.stdout))
    print(f"\n{calls} calls for {SECONDS:g} s, {ROUNDS} rounds in turns, medians")
    print(f"{'server':22} {'CPU ms / call / s':>18} {'came back':>10} {'p50 ms':>8} {'p99 ms':>8}")
    middle = {
        kind: {key: statistics.median(fact[key] for fact in facts[kind]) for key in facts[kind][0]} for kind in SERVERS
    }
    for kind, name in SERVERS.items():
        cost, fact = statistics.median(costs[kind]), middle[kind]
        print(f"{name:22} {cost:18.2f} {fact['back']:10.1%} {fact['p50_ms']:8.2f} {fact['p99_ms']:8.2f}")
    for kind, floor in (("ours", "picows"), ("ours-asgi", "bare"), ("ours", "bare")):
        pairs = [ours / least for ours, least in zip(costs[kind], costs[floor], strict=True)]
        delay = middle[kind]["p99_ms"] / middle[floor]["p99_ms"]
        print(
            f"{SERVERS[kind]} / {SERVERS[floor]}: CPU {statistics.median(pairs):.2f}"
            f" (pairs: {', '.join(f'{p:.2f}' for p in pairs)}), p99 {delay:.2f}"
        )
    print("target: CPU at most 1.50, p99 at most 2.00 times the floor of the same path")


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
    for calls in CALLS:
        media_path(calls)
