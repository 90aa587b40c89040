"""A short soak of the suite: random calls on random bad days. `make soak` is the long one."""

from __future__ import annotations

from soak import soak, talks


def test_a_short_soak_leaves_nothing() -> None:
    """Every call ends once, for a reason that was provoked, and nothing of it stays."""
    total, told = soak(0.0, seed=2026, talking=0)
    assert not total.failures, "\n".join(told)
    assert total.dialled > 40 and len(total.reasons) > 3


def test_a_few_talks_with_agents_leave_nothing_and_lose_nothing() -> None:
    """Whatever fails meanwhile: what is remembered was heard, every turn is answered, and somebody is to blame."""
    total, told = talks(2026, range(8))
    assert not total.failures, "\n".join(told)
    assert total.carried == 8
