"""Bad moments of a live system, and what the callers notice."""

from __future__ import annotations

import asyncio
import ssl
from statistics import median

import uvloop

from benchmarks.machine import Server, server
from benchmarks.table import Row, each
from voice_runtime.simulator.load import Delays, LoadReport, run_load

FLAT_BYTES = 2 * 1024 * 1024
FULL_QUEUES_SECONDS = 12.0
"""The caller's audio waits for a recogniser for up to 10 s."""
OWN_LAG_MS = 10.0


def stalls(calls: int, seconds: float) -> Row:
    """The loop stands still for 200 ms in every second while all calls play speech."""
    with server("stalling") as running:
        report = running.load(calls, seconds)
    longest = max(report.gaps(), default=0.0)
    what = f"loop stalls 200 ms every second, {_connected(report)} calls playing speech: gaps at the ear"
    return Row(what, len(report.gaps()), "", 0, f"the longest {longest:.0f} ms" if report.gaps() else "")


def stalls_of_a_paced_talker(calls: int, seconds: float) -> Row:
    """The same for a program that does not send ahead, to show that gaps are found."""
    with server("paced") as running:
        report = running.load(calls, seconds)
    what = f"the same, a program that sends a frame every 20 ms ({_connected(report)} calls)"
    return Row(what, len(report.gaps()), "", None, f"the longest {max(report.gaps(), default=0.0):.0f} ms")


def _connected(report: LoadReport) -> int:
    return sum(not call.error for call in report.calls)


def storm(live: int, new: int, rounds: int) -> Row:
    """`new` calls begin in one second beside `live` ones: how late is the latest frame of the live ones?

    One late moment of the load is the largest delay of all: rounds in which it had one are done again, if that helps.
    """
    kept: list[tuple[float, float]] = []
    for _ in range(2 * rounds - 1):
        with server("ours") as running:
            report = uvloop.run(_storm(running, live, new))
        delays = report.delays()
        kept.append((report.own.lag_max_ms, delays.max if delays else float("inf")))
        if sum(lag <= OWN_LAG_MS for lag, _ in kept) == rounds:
            break
    calm = [latest for lag, latest in kept if lag <= OWN_LAG_MS]
    lag = min(lag for lag, _ in kept)
    latest = calm or [latest for _, latest in kept]
    return Row(
        f"{new} new calls in one second beside {live} live ones: latest live frame",
        median(latest),
        " ms",
        20,
        each(latest),
        doubt="" if calm else f"the load itself was never less than {lag:.0f} ms late in a storm",
    )


async def _storm(running: Server, live: int, new: int) -> LoadReport:
    tls = ssl.create_default_context()
    await run_load(running.plan(2, 0.1, webhook=True), tls=tls)  # what the first webhook imports is imported
    ramp_seconds = live / new

    async def later() -> LoadReport:
        await asyncio.sleep(ramp_seconds + 0.5)
        return await run_load(running.plan(new, 1.5, new, webhook=True), tls=tls)

    calls, others = await asyncio.gather(
        run_load(running.plan(live, ramp_seconds + 2.5, new, webhook=True), tls=tls), later()
    )
    if wrong := calls.errors() + others.errors():
        raise SystemExit(f"not all calls came about: {wrong}")
    return calls


def clears(calls: int, seconds: float) -> Row:
    """Asked for until received at the other end, with seconds of audio queued on every call."""
    with server("clearing") as running:
        report = running.load(calls, seconds)
    took = []
    for call in report.calls:
        asked = [float(name.partition(":")[2].partition("__")[0]) for name, _ in call.marks_at]
        took += [(cleared - at) * 1000 for at, cleared in zip(asked, call.clears_at, strict=False)]
    delays = Delays.of(took)
    if delays is None:
        raise SystemExit(f"no clear came: {report.errors()}")
    what = f"clear asked for until it is on the wire, {calls} calls with seconds of audio queued: p99"
    return Row(
        what,
        delays.p99,
        " ms",
        5,
        f"{delays.count} clears, p50 {delays.p50:.2f}, most {delays.max:.2f}",
        report.own.spoiled,
    )


def memory_per_call(calls: int) -> Row:
    """Resident memory with `calls` up, less that before. They are long enough for every bounded queue to fill."""
    with server("ours") as running:
        use = running.load(calls, FULL_QUEUES_SECONDS).server
    if use is None:
        raise SystemExit("calls did not stay up together")
    detail = f"{use.idle_bytes / 2**20:.0f} MB idle, {use.peak_bytes / 2**20:.0f} MB with {calls} calls"
    return Row("memory per call, handler included", use.bytes_per_call / 1024, " KB", 150, detail)


def memory(calls: int, in_a_second: int) -> tuple[Row, list[tuple[int, float]]]:
    """Three times as many calls, one after the other: what does the server keep of the last third of them?

    Before that, memory grows until the collector of cycles runs in earnest for the first time. Returns also the
    memory in MB after so many calls.
    """
    curve: list[tuple[int, float]] = []
    with server("ours") as running:

        def look(_: int, over: int) -> None:
            curve.append((over, running.probe.memory_bytes() / 2**20))

        uvloop.run(run_load(running.plan(3 * calls, 0.5, in_a_second), progress=look))
        look(0, 3 * calls)
    settled = next(megabytes for over, megabytes in curve if over >= 2 * calls)
    growth = max(0.0, curve[-1][1] - settled)
    what = f"memory over {calls:,} calls, after twice as many others: growth"
    return Row(what, growth, " MB", FLAT_BYTES / 2**20, f"{settled:.0f} to {curve[-1][1]:.0f} MB"), curve
