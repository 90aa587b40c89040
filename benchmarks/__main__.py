"""`make bench`: what a call costs beside the floors, and the bad moments. Ratios count; times are this machine's."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import agent, machine, media_path, pictures, scenarios, session_cost, start_up, voice_detection
from benchmarks.media_path import Rounds
from benchmarks.table import COLUMNS, Row
from voice_runtime.cli.output import say, show_table
from voice_runtime.cli.plots import markdown

OUT = Path("bench-output")
CALLS = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. The targets are the same."""

    rounds: int
    seconds: float
    sweep: tuple[int, ...]
    storms: int
    scenario_seconds: float
    passing_calls: int
    starts: int
    detections: int
    agent_seconds: float


FULL = Size(3, 6.0, (20, 50, 100, 200), 3, 8.0, 1000, 9, 5, 20.0)
QUICK = Size(1, 2.0, (), 1, 3.0, 700, 3, 2, 12.0)


def main() -> None:
    began = time.monotonic()
    size = QUICK if os.environ.get("QUICK") else FULL
    facts = machine.facts()
    machine.pin(machine.LOAD_CORE)
    rows: list[Row] = []

    say(f"{CALLS} calls, {size.rounds} rounds of four servers in turns")
    rounds = media_path.measure(CALLS, size.seconds, size.rounds)
    rows += media_path.ratios(rounds)

    say("stalls, storm, clears, memory")
    rows.append(scenarios.stalls(CALLS, size.scenario_seconds))
    if size is FULL:
        rows.append(scenarios.stalls_of_a_paced_talker(CALLS, size.scenario_seconds))
    rows.append(scenarios.storm(CALLS, CALLS // 2, size.storms))
    rows.append(scenarios.clears(CALLS, size.scenario_seconds))
    rows.append(scenarios.memory_per_call(CALLS))
    passing, curve = scenarios.memory(size.passing_calls, 250)
    rows.append(passing)
    rows += start_up.rows(size.starts)
    rows += session_cost.rows()
    rows += voice_detection.rows(size.detections)

    say("agents")
    rows += agent.cost(agent.CALLS_PER_CORE, size.agent_seconds)
    rows.append(agent.latency(agent.LATENCY_CALLS, size.agent_seconds))

    if size.sweep:
        say(f"{', '.join(map(str, size.sweep))} calls")
    sweep = [media_path.measure(calls, 4.0, 1) for calls in size.sweep]

    show_table(COLUMNS, [row.cells for row in rows])
    doubts = [f"{row.what}: {row.doubt}" for row in rows if row.doubt]
    doubts += [doubt for found in (rounds, *sweep) for doubt in found.doubts()]
    for doubt in doubts:
        say(f"doubtful: {doubt}")
    OUT.mkdir(exist_ok=True)
    _draw(rounds, sweep, curve)
    _write(facts, rows, doubts, (rounds, *sweep), time.monotonic() - began)
    say(f"{time.monotonic() - began:.0f} s; written: {OUT / 'report.md'}")


def _draw(rounds: Rounds, sweep: Sequence[Rounds], curve: list[tuple[int, float]]) -> None:
    for old in (*OUT.glob("*.svg"), *OUT.glob("*.png")):
        old.unlink()
    try:
        pictures.delays(OUT, rounds)
        pictures.memory(OUT, curve)
        if sweep:
            pictures.cost(OUT, list(sweep))
    except ImportError:
        say("no pictures: matplotlib is missing; install voice-runtime[bench]")


def _write(
    facts: Sequence[str], rows: Sequence[Row], doubts: Sequence[str], all_rounds: Sequence[Rounds], seconds: float
) -> None:
    lines = ["# Benchmarks", "", *(f"* {fact}" for fact in facts), f"* the run took {seconds:.0f} s", ""]
    lines += markdown(COLUMNS, [row.cells for row in rows])
    lines += ["", *(f"* doubtful: {doubt}" for doubt in doubts)]
    for found in all_rounds:
        rounds = len(found.reports["ours"])
        lines += ["", f"## {found.calls} calls, {f'medians of {rounds} rounds' if rounds > 1 else 'one round'}", ""]
        lines += markdown(*media_path.costs(found))
    lines += [line for path in sorted(OUT.glob("*.svg")) for line in ("", f"![{path.stem}]({path.name})")]
    (OUT / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
