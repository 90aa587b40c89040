"""The pictures of a report, each as SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.media_path import NAMES, Rounds
from voice_runtime.cli.plots import COLOURS, draw, draw_delays

FORMATS = ("svg", "png")


def delays(folder: Path, rounds: Rounds) -> None:
    found = {f"{name}": rounds.delays(kind) for kind, name in NAMES.items()}
    for ending in FORMATS:
        draw_delays(folder / f"delay.{ending}", found)


def cost(folder: Path, sweep: list[Rounds]) -> None:
    """CPU of a call over the number of calls: it falls, for one wake-up of the loop serves several."""

    def plot(axes: Any) -> None:
        for (kind, name), colour in zip(NAMES.items(), COLOURS, strict=False):
            counts = [rounds.calls for rounds in sweep]
            axes.plot(counts, [min(rounds.cpu(kind)) for rounds in sweep], "o-", label=name, color=colour)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)

    for ending in FORMATS:
        draw(folder / f"cpu.{ending}", "Processor time of a call", "calls at once", "ms per call and second", plot)


def memory(folder: Path, curve: list[tuple[int, float]]) -> None:
    """Resident memory while calls come and go."""

    def plot(axes: Any) -> None:
        axes.plot([over for over, _ in curve], [megabytes for _, megabytes in curve], color=COLOURS[1])
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)

    for ending in FORMATS:
        draw(folder / f"memory.{ending}", "Memory of the server", "calls that are over", "MB", plot)
