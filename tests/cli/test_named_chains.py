"""Chains by name: a setting with commas."""

from __future__ import annotations

import pytest

from voice_runtime.errors import UnknownProviderError
from voice_runtime.fallback.names import stt_called, tts_called
from voice_runtime.fallback.stt import ChainedStt
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.mock import MockStt, MockTts


def test_one_name_is_that_provider_and_several_are_a_chain() -> None:
    """`mock` is the mock itself; `mock,espeak` a chain of two."""
    assert isinstance(stt_called("mock")(), MockStt)
    assert isinstance(tts_called(" mock "), MockTts)
    assert isinstance(stt_called("mock,pocketsphinx")(), ChainedStt)
    assert isinstance(tts_called("mock, espeak"), FallbackTts)


def test_an_unknown_name_in_a_chain_is_named() -> None:
    """The phone has not rung yet when it is found."""
    with pytest.raises(UnknownProviderError, match="mokc"):
        stt_called("mock,mokc")
