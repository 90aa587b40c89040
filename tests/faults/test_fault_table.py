"""docs/faults.md tells the truth: every switch is in it, and every row names tests that there are."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from voice_runtime.simulator import BadDay

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]


def test_every_switch_is_described() -> None:
    """And no switch that there is not."""
    described = {row[0].strip("`") for row in ROWS if len(row) == 2} - {"switch"}
    assert described == {field.name for field in dataclasses.fields(BadDay)}


def test_every_row_has_a_test() -> None:
    """The table is what the tests show."""
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    rows = [row for row in ROWS if len(row) == 5 and row[0] != "fault"]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[4])
        assert named and set(named) <= there, row
