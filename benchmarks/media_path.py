"""What a call costs: ours beside an echo with nothing around it, on the fast path and on ASGI, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.machine import server
from benchmarks.table import Row, each
from voice_runtime.simulator.load import Delays, LoadReport, ServerUse

NAMES = {
    "picows": "bare picows echo",
    "ours": "voice-runtime",
    "bare": "bare FastAPI echo",
    "ours-asgi": "voice-runtime, ASGI",
}
PAIRS = (("ours", "picows"), ("ours-asgi", "bare"))


@dataclass
class Rounds:
    """What the rounds with one number of calls gave, for each server."""

    calls: int
    reports: dict[str, list[LoadReport]] = field(default_factory=lambda: {kind: [] for kind in NAMES})

    def cpu(self, kind: str) -> list[float]:
        return [_use(report).cpu_ms_per_call_second for report in self.reports[kind]]

    def p99(self, kind: str) -> list[float]:
        return [_delays(report).p99 for report in self.reports[kind]]

    def p50(self, kind: str) -> list[float]:
        return [_delays(report).p50 for report in self.reports[kind]]

    def delays(self, kind: str) -> list[float]:
        return [delay for report in self.reports[kind] for call in report.calls for delay in call.delays_ms]

    def doubts(self) -> list[str]:
        """Rounds whose numbers are not to be trusted, or in which something went wrong."""
        found = []
        for kind, reports in self.reports.items():
            for number, report in enumerate(reports, 1):
                wrong = [report.own.spoiled, *report.errors(), *report.early_ends(), *report.rejected()]
                if lost := report.total("frames_lost"):
                    wrong.append(f"{lost} frames lost")
                found += [f"{NAMES[kind]}, {self.calls} calls, round {number}: {what}" for what in wrong if what]
        return found


def _use(report: LoadReport) -> ServerUse:
    if report.server is None:
        raise SystemExit(f"calls did not stay up together: {report.errors() or report.early_ends()}")
    return report.server


def _delays(report: LoadReport) -> Delays:
    delays = report.delays()
    if delays is None:
        raise SystemExit(f"nothing came back: {report.errors() or report.early_ends()}")
    return delays


def measure(calls: int, seconds: float, rounds: int) -> Rounds:
    """`rounds` times each server in turn: what the machine does besides is shared by all."""
    found = Rounds(calls)
    for _ in range(rounds):
        for kind in NAMES:
            with server(kind) as running:
                found.reports[kind].append(running.load(calls, seconds))
    return found


def costs(found: Rounds) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """The absolute numbers behind the ratios, medians of the rounds."""
    columns = ("server", "CPU ms / call / s", "calls / core", "p50 ms", "p99 ms")
    rows = []
    for kind, name in NAMES.items():
        cpu = median(found.cpu(kind))
        times = (f"{median(found.p50(kind)):.2f}", f"{median(found.p99(kind)):.2f}")
        rows.append((name, f"{cpu:.2f}", f"{1000 / cpu:,.0f}", *times))
    return columns, rows


def ratios(found: Rounds) -> list[Row]:
    """Ours over the floor of the same path: each round a pair, and of the pairs the median."""
    rows = []
    for kind, floor in PAIRS:
        cpu = [a / b for a, b in zip(found.cpu(kind), found.cpu(floor), strict=True)]
        what = f"{found.calls} calls: CPU, {NAMES[kind]} / {NAMES[floor]}"
        rows.append(Row(what, median(cpu), " times", 1.5, each(cpu)))
    for kind, floor in PAIRS:
        delay = [a / b for a, b in zip(found.p99(kind), found.p99(floor), strict=True)]
        what = f"{found.calls} calls: added delay p99, {NAMES[kind]} / {NAMES[floor]}"
        rows.append(Row(what, median(delay), " times", 2.0, each(delay), _spoiled(found, kind, floor)))
    return rows


def _spoiled(found: Rounds, *kinds: str) -> str:
    """How many rounds of a comparison of delays the load came late to."""
    late = sum(bool(report.own.spoiled) for kind in kinds for report in found.reports[kind])
    return f"the load came late itself in {late} of {sum(len(found.reports[k]) for k in kinds)} rounds" if late else ""
