"""Pictures of measurements, drawn with matplotlib (extra `bench`), and tables for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["COLOURS", "draw", "draw_delays", "markdown"]

COLOURS = ("#888888", "#1f6feb", "#c98b00", "#b3409a", "#2a9d4f", "#d1242f")


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table, as lines of Markdown."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def draw(path: Path, title: str, x: str, y: str, plot: Callable[[Any], None]) -> Path:
    """An SVG at `path`: `plot` draws on matplotlib's axes. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure  # the extra `bench`

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    plot(axes)
    axes.set(title=title, xlabel=x, ylabel=y)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    figure.savefig(path)
    return path


def draw_delays(path: Path, delays_ms: Mapping[str, Sequence[float]], limit_ms: float = 20.0) -> Path:
    """How many frames took longer than so many milliseconds, for each server: the tail is what is heard."""

    def plot(axes: Any) -> None:
        for (name, delays), colour in zip(delays_ms.items(), COLOURS * len(delays_ms), strict=False):
            ordered = sorted(delays)
            # At most 2,000 points: all of the slowest thousand, and every so-manieth of the others.
            head, count = max(0, len(ordered) - 1000), len(ordered)
            kept = [*range(0, head, max(1, head // 1000)), *range(head, count)]
            longer = [(count - index) / count for index in kept]
            axes.plot([ordered[index] for index in kept], longer, label=name, color=colour, drawstyle="steps-post")
        axes.axvline(limit_ms, color="#d1242f", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([10.0**-n for n in range(6)], ["all", *(f"1 in {10**n:,}" for n in range(1, 6))])
        axes.minorticks_off()
        axes.set_xlim(left=0.01)
        axes.set_ylim(0.5 / max(map(len, delays_ms.values())), 1.2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    title = "Added delay of an echoed frame (dotted: 20 ms, a frame's own length)"
    return draw(path, title, "ms", "frames that took longer", plot)
