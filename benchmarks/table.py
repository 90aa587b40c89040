"""The table that `make bench` ends with: what was measured, what was to be reached, and whether it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("what", "measured", "target", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """`measured` is compared with `most`; a row without that is a fact beside the others."""

    what: str
    measured: float
    unit: str = ""
    most: float | None = None
    detail: str = ""
    doubt: str = ""
    """Why the number may be wrong."""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        shown = f"{_number(self.measured)}{self.unit}{f' ({self.detail})' if self.detail else ''}"
        if self.most is None:
            return self.what, shown, "", ""
        met = "yes" if self.measured <= self.most else "NO"
        met += ", doubtful" if self.doubt else ""
        return self.what, shown, f"at most {_number(self.most)}{self.unit}", met


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}"


def each(values: Sequence[float]) -> str:
    """The rounds beside a median, for whoever doubts it."""
    return "rounds: " + ", ".join(f"{value:.2f}" for value in values) if len(values) > 1 else ""
