"""docs/holes.md tells the truth: no hole is left out, and every row names tests that there are, or says why none."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "holes.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| \w.*\|$", line)
]
NOT_FOR_A_PHONE = {66, 74, 82, 113, 118, 119}


def test_no_hole_and_no_capability_is_left_out() -> None:
    """Forty holes; 119 capabilities, but for those that are named as out of place."""
    firsts = [row[0] for row in ROWS]
    assert [first for first in firsts if re.fullmatch(r"H\d\d", first)] == [f"H{n:02}" for n in range(1, 41)]
    assert [int(first) for first in firsts if first.isdigit()] == sorted({*range(1, 120)} - NOT_FOR_A_PHONE)


def test_every_row_names_tests_that_there_are_or_says_why_none() -> None:
    """A test that is renamed or goes is missed here."""
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for row in ROWS:
        named = re.findall(r"`(test_\w+)`", row[2])
        assert set(named) <= there, (row[0], set(named) - there)
        assert named or row[2].startswith("none") or row[0] == "issues", row
