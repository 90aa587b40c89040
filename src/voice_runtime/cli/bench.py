"""`voice-runtime bench`: many phone lines against a server, and what its callers would have noticed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.cli.output import FAILED, USAGE, give_up, say, show_json, show_table
from voice_runtime.cli.plots import draw_delays, markdown
from voice_runtime.cli.serving import loop_factory
from voice_runtime.errors import AudioFormatError
from voice_runtime.settings import Settings
from voice_runtime.simulator.load import Delays, LoadPlan, LoadReport, ServerProbe, run_load

__all__ = ["Wanted", "facts", "remarks", "rows", "run_bench"]

COLUMNS = ("what", "p50", "p99", "most", "count")
STAGES = {
    "webhook": "webhook answered",
    "handshake": "socket open",
    "first_audio": "first audio after start",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The load, as the command line has it."""

    url: str
    calls: int
    seconds: float
    ramp: float
    auth_token: str | None
    public_url: str
    allowed_hosts: list[str]
    speech: Path | None
    pause: float


def run_bench(wanted: Wanted, pid: int | None, report: Path | None, as_json: bool) -> int:
    """Put the load on, show what was measured. Returns the exit code: 0 when every call came about."""
    try:
        plan = _plan(wanted)
        probe = None if pid is None else ServerProbe(pid)
    except ValueError as error:
        give_up(f"{error}.", USAGE)
    if report is not None:
        try:
            report.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            give_up(f"--report {report}: {error.strerror}.", USAGE)
    measured = _run(plan, probe)
    if as_json:
        show_json(facts(measured))
    else:
        show_table(COLUMNS, rows(measured))
    for line in remarks(measured):
        say(line)
    if report is not None:
        for path in _write(report, plan, measured):
            say(f"written: {path}")
    return FAILED if measured.errors() else 0


def _plan(wanted: Wanted) -> LoadPlan:
    token = wanted.auth_token
    return LoadPlan(
        url=wanted.url,
        calls=wanted.calls,
        seconds=wanted.seconds,
        ramp=wanted.ramp,
        auth_token=Settings().twilio_auth_token.get_secret_value() if token is None else token,
        public_url=wanted.public_url,
        allowed_hosts=frozenset(wanted.allowed_hosts),
        speech=_speech(wanted.speech) if wanted.speech else b"",
        pause=wanted.pause,
    )


def _speech(path: Path) -> bytes:
    try:
        return to_ulaw_8k(read_wav(path))
    except OSError as error:
        raise ValueError(f"--speech {path}: {error.strerror}") from error
    except AudioFormatError as error:
        raise ValueError(f"--speech {path}: {str(error).rstrip('.')}") from error


def _write(folder: Path, plan: LoadPlan, measured: LoadReport) -> list[Path]:
    """The report, the numbers, and the picture if it can be drawn. Returns what was written."""
    report, numbers = folder / "report.md", folder / "numbers.json"
    lines = [f"# {plan.calls} calls of {plan.seconds:g} s to {plan.url}", "", *markdown(COLUMNS, rows(measured)), ""]
    lines += [f"* {remark}" for remark in remarks(measured)]
    numbers.write_text(json.dumps(facts(measured), indent=2), encoding="utf-8")
    delays = sorted(delay for call in measured.calls for delay in call.delays_ms)
    pictures = []
    if delays:
        try:
            pictures.append(draw_delays(folder / "delay.svg", {plan.url: delays}))
            lines += ["", f"![added delay]({pictures[0].name})"]
        except ImportError:
            say("no picture: matplotlib is missing; install voice-runtime[bench]")
    report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [report, numbers, *pictures]


def _run(plan: LoadPlan, probe: ServerProbe | None) -> LoadReport:
    console = Console(stderr=True)
    with console.status("dialling") as status, asyncio.Runner(loop_factory=loop_factory()) as runner:

        def show(up: int, over: int) -> None:
            status.update(f"{up} calls up, {over} over")

        return runner.run(run_load(plan, probe=probe, progress=show if console.is_terminal else None))


def rows(measured: LoadReport) -> list[tuple[str, str, str, str, str]]:
    """What was measured, for people: times in milliseconds."""
    found: list[tuple[str, str, str, str, str]] = []
    for name, what in STAGES.items():
        if (took := measured.setup(name)) is not None:
            found.append((f"{what}, ms", f"{took.p50:.1f}", f"{took.p99:.1f}", f"{took.max:.1f}", str(took.count)))
    if (delays := measured.delays()) is not None:
        shown = (f"{delays.p50:.2f}", f"{delays.p99:.2f}", f"{delays.max:.2f}", str(delays.count))
        found.append(("added delay of an echoed frame, ms", *shown))
        found.append(("frames later than 20 ms", "", "", "", str(measured.total("late_frames"))))
        found.append(("frames lost", "", "", "", str(measured.total("frames_lost"))))
    if (answers := measured.answers()) is not None:
        shown = (f"{answers.p50:.0f}", f"{answers.p99:.0f}", f"{answers.max:.0f}", str(answers.count))
        found.append(("end of the caller's speech to the first sound, ms", *shown))
    gaps = measured.gaps()
    found.append(("gaps at the ear, ms", "", "", f"{max(gaps):.0f}" if gaps else "", str(len(gaps))))
    if discarded := measured.total("frames_discarded"):
        found.append(("frames not sent, for the server did not read", "", "", "", str(discarded)))
    if (use := measured.server) is not None:
        found.append(("server CPU, ms per call and second", f"{use.cpu_ms_per_call_second:.2f}", "", "", ""))
        found.append(("server CPU, share of a core", f"{use.cpu_share:.0%}", "", "", ""))
        found.append(("server memory per call, KB", f"{use.bytes_per_call / 1024:.0f}", "", "", ""))
    own = measured.own
    found.append(("our own lateness, ms", "", f"{own.lag_p99_ms:.1f}", f"{own.lag_max_ms:.1f}", ""))
    found.append(("our own CPU, share of a core", f"{own.cpu_share:.0%}", "", "", ""))
    return found


def remarks(measured: LoadReport) -> list[str]:
    """What went wrong, a line for each reason, and whether the numbers can be trusted."""
    lines = _counted("not connected", measured.errors())
    lines += _counted("ended by the server", measured.early_ends())
    lines += _counted("not to be taken by Twilio (31950, 31951)", measured.rejected(), what="message")
    if measured.delays() is None and measured.answers() is None and not measured.errors():
        lines.append("no echo: this server does not give back what it hears, so that no added delay is known")
    if measured.own.spoiled and any(not call.error for call in measured.calls):
        lines.append(f"do not trust these times: {measured.own.spoiled}. Use another core, or fewer calls")
    return lines


def _counted(title: str, reasons: Counter[str], what: str = "call") -> list[str]:
    return [f"{count} {what}{'' if count == 1 else 's'} {title}: {reason}" for reason, count in reasons.most_common(10)]


def facts(measured: LoadReport) -> dict[str, object]:
    """What was measured, for programs: times in milliseconds, memory in bytes."""
    use, own, gaps = measured.server, measured.own, measured.gaps()
    return {
        "calls": len(measured.calls),
        "connected": sum(not call.error for call in measured.calls),
        "seconds": round(measured.seconds, 3),
        "setup_ms": {name: _times(measured.setup(name)) for name in STAGES},
        "answer_ms": _times(measured.answers()),
        "delay_ms": _times(measured.delays()),
        "frames": {
            "sent": measured.total("frames_sent"),
            "back": measured.total("frames_back"),
            "lost": measured.total("frames_lost"),
            "late": measured.total("late_frames"),
            "discarded": measured.total("frames_discarded"),
        },
        "gaps": {"count": len(gaps), "longest_ms": max(gaps, default=0.0)},
        "errors": dict(measured.errors()),
        "ended_by_server": dict(measured.early_ends()),
        "rejected_messages": dict(measured.rejected()),
        "server": None
        if use is None
        else {
            "cpu_ms_per_call_second": use.cpu_ms_per_call_second,
            "cpu_share": use.cpu_share,
            "idle_bytes": use.idle_bytes,
            "peak_bytes": use.peak_bytes,
            "bytes_per_call": use.bytes_per_call,
        },
        "own": {
            "cpu_share": own.cpu_share,
            "lag_p99_ms": own.lag_p99_ms,
            "lag_max_ms": own.lag_max_ms,
            "spoiled": own.spoiled,
        },
    }


def _times(took: Delays | None) -> dict[str, float] | None:
    return None if took is None else asdict(took)
