"""docs/faults.md and docs/holes.md tell the truth: nothing is left out, and every row names tests that there are."""

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
HOLES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "holes.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \w.*\|$", line)
]
NOT_FOR_A_PHONE = {66, 74, 82, 113, 118, 119}


def test_every_switch_is_described() -> None:
    """And no switch that there is not."""
    described = {row[0].strip("`") for row in ROWS if len(row) == 2} - {"switch"}
    assert described == {field.name for field in dataclasses.fields(BadDay)}


def test_every_row_has_a_test() -> None:
    """The table is what the tests show."""
    there = _tests()
    rows = [row for row in ROWS if len(row) == 5 and row[0] != "fault"]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[4])
        assert named and set(named) <= there, row


def test_no_hole_and_no_capability_is_left_out() -> None:
    """Forty holes; 119 capabilities, but for those that are named as out of place."""
    firsts = [row[0] for row in HOLES]
    assert [first for first in firsts if re.fullmatch(r"H\d\d", first)] == [f"H{n:02}" for n in range(1, 41)]
    assert [int(first) for first in firsts if first.isdigit()] == sorted({*range(1, 120)} - NOT_FOR_A_PHONE)


def test_every_hole_has_a_test_or_says_why_none() -> None:
    """A test that is renamed, or goes, is missed here."""
    there = _tests()
    for row in HOLES:
        named = re.findall(r"`(test_\w+)`", row[2])
        assert set(named) <= there, (row[0], set(named) - there)
        assert named or row[2].startswith("none") or row[0] == "issues", row


def _tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
