"""The error tree and the clocks: what programs may rely on."""

from __future__ import annotations

import pytest

from voice_runtime import errors
from voice_runtime.clock import ManualClock, SystemClock
from voice_runtime.errors import (
    AudioFormatError,
    CallHangupError,
    CallLimitError,
    CallNotAnsweredError,
    CarrierTimeoutError,
    MissingSettingError,
    MissingStreamUrlError,
    NothingHeardError,
    ProviderLoadError,
    SttError,
    TwilioCallListDamagedError,
    TwilioCallNotFoundError,
    UnknownProviderError,
    VoiceRuntimeError,
)
from voice_runtime.events import EndReason, Fault


def test_every_error_is_in_one_tree_and_exported() -> None:
    """`except VoiceRuntimeError` catches all of them."""
    classes = {name: thing for name, thing in vars(errors).items() if isinstance(thing, type)}
    ours = {name for name, thing in classes.items() if thing.__module__ == errors.__name__}
    assert ours == set(errors.__all__)
    assert all(issubclass(classes[name], VoiceRuntimeError) for name in ours)


@pytest.mark.parametrize(
    ("error", "also", "says"),
    [
        (MissingSettingError("VOICE_X", needed_for="this"), RuntimeError, "Set VOICE_X in the environment."),
        (MissingStreamUrlError(), Exception, "VOICE_SERVER_PORT"),
        (UnknownProviderError("STT", "x", ["b", "a"]), ValueError, "Unknown STT provider: x. Known here: a, b."),
        (ProviderLoadError("TTS", "x", "no such file", remedy="Do that."), ImportError, "Do that."),
        (CallNotAnsweredError(30.0), TimeoutError, "30.0s timeout"),
        (CallHangupError(), Exception, "hung up"),
        (NothingHeardError(2.0), TimeoutError, "2.0 s"),
        (CallLimitError(7), Exception, "All 7 calls are taken."),
        (CallLimitError(0), Exception, "draining"),
        (SttError("x", "auth", "no key"), Exception, "x: auth: no key"),
        (CarrierTimeoutError("late", status=0), TimeoutError, "late"),
        (TwilioCallNotFoundError("CA1", ("a", "b")), RuntimeError, "asked a, b"),
        (TwilioCallListDamagedError("host", 2, "why"), ValueError, "after 2 pages: why"),
        (AudioFormatError("odd"), ValueError, "odd"),
    ],
)
def test_each_error_says_what_was_wrong_and_what_to_do(error: Exception, also: type[Exception], says: str) -> None:
    """The text names the thing; the type is what programs already catch."""
    assert says in str(error) and isinstance(error, also) and isinstance(error, VoiceRuntimeError)


def test_every_end_of_a_call_is_somebodys_doing() -> None:
    """No reason without a fault."""
    assert {reason.fault for reason in EndReason} <= set(Fault)


def test_a_manual_clock_moves_when_told_and_never_back() -> None:
    """Time is the test's."""
    clock = ManualClock(5.0)
    clock.advance(1.5)
    assert clock.monotonic() == clock.wall() == 6.5
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


def test_the_systems_clock_is_the_machines() -> None:
    """Monotonic does not go back, wall is Unix time."""
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic() and clock.wall() > 1.7e9
