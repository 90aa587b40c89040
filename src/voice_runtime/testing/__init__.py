"""Tests of phone applications: simulated time, a carrier and the application in one process, a pytest plugin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice_runtime.testing.phone_system import PhoneSystem
    from voice_runtime.testing.phone_tests import PhoneTests
    from voice_runtime.testing.simulated_time import Deadlock, ScaledLoop, VirtualLoop, run

__all__ = ["Deadlock", "PhoneSystem", "PhoneTests", "ScaledLoop", "VirtualLoop", "run"]

_HOMES = {
    "PhoneSystem": "phone_system",
    "PhoneTests": "phone_tests",
    **dict.fromkeys(("Deadlock", "ScaledLoop", "VirtualLoop", "run"), "simulated_time"),
}


def __getattr__(name: str) -> object:
    # Imported when used: pytest loads this package with its plugin, also for tests that have no use for it.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
