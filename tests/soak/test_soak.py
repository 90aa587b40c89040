"""A short soak of the suite: random calls on random bad days. `make soak` is the long one."""

from __future__ import annotations

from soak import soak


def test_a_short_soak_leaves_nothing() -> None:
    """Every call ends once, for a reason that was provoked, and nothing of it stays."""
    total, told = soak(0.0, seed=2026)
    assert not total.failures, "\n".join(told)
    assert total.dialled > 40 and len(total.reasons) > 3
