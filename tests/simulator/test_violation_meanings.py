"""What a violation's number means, for whoever reads it in a terminal."""

from __future__ import annotations

from voice_runtime.simulator import ViolationCode


def test_every_code_says_what_it_means() -> None:
    """One sentence each, without a full stop, and no two the same."""
    meanings = [code.meaning for code in ViolationCode]
    assert all(meaning and not meaning.endswith(".") for meaning in meanings)
    assert len(set(meanings)) == len(meanings)
