"""What an agent costs, and how long it takes to answer: everything of it, on providers that take no time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import uvloop

import voice_runtime.simulator
from benchmarks.machine import server
from benchmarks.table import Row
from voice_runtime.audio import beep
from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.simulator.load import ServerUse, run_load
from voice_runtime.turns.policy import FloorPolicy

CALLS_PER_CORE = 250
LATENCY_CALLS = 50
ADDED_MS = 15.0
PAUSE_SECONDS = 4.0
WAIT_MS = 1000 * FloorPolicy().min_wait
CLIP = Path(voice_runtime.simulator.__file__).parent / "clips" / "change-to-friday.wav"


def cost(calls: int, seconds: float) -> list[Row]:
    """Processor time and memory with `calls` conversations up: real speech, the neural detector."""
    with server("agent") as running:
        plan = replace(running.plan(calls, seconds), speech=to_ulaw_8k(read_wav(CLIP)), pause=PAUSE_SECONDS)
        report = uvloop.run(run_load(plan, probe=running.probe))
    use, answers = report.server, report.answers()
    if use is None or answers is None:
        raise SystemExit(f"the agent's calls did not stay up together: {report.errors() or report.early_ends()}")
    wrong = ", ".join([report.own.spoiled, *report.errors(), *report.early_ends(), *report.rejected()]).strip(", ")
    what = f"agent (detector, turns, recording), {calls} calls"
    return [
        Row(f"{what}: calls per core", 1000 / use.cpu_ms_per_call_second, "", None, _per_second(use), wrong),
        Row(f"{what}: CPU per call and second", use.cpu_ms_per_call_second, " ms", 1000 / CALLS_PER_CORE),
        Row(f"{what}: memory per call", use.bytes_per_call / 2**20, " MB", 1.0),
        Row(f"{what}: gaps at the ear", len(report.gaps()), "", None, f"{answers.count} answers"),
    ]


def _per_second(use: ServerUse) -> str:
    return f"{use.cpu_share:.0%} of the core"


def latency(calls: int, seconds: float) -> Row:
    """From the end of what the caller said to the first sound, less the wait that ends a turn."""
    with server("agent-mock") as running:
        plan = replace(running.plan(calls, seconds), speech=beep(400, 1000), pause=PAUSE_SECONDS)
        report = uvloop.run(run_load(plan, probe=running.probe))
    answers = report.answers()
    if answers is None:
        raise SystemExit(f"the agent did not answer: {report.errors() or report.early_ends()}")
    detail = f"{answers.count} answers, p50 {answers.p50 - WAIT_MS:.1f}, most {answers.max - WAIT_MS:.1f}"
    what = f"agent, {calls} calls: answer later than the configured wait of {WAIT_MS:.0f} ms, p99"
    return Row(what, answers.p99 - WAIT_MS, " ms", ADDED_MS, detail, report.own.spoiled)
