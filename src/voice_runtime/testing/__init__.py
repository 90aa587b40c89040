"""Tests of phone applications: simulated time, a carrier and the application in one process, a pytest plugin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice_runtime.testing.phone_system import PhoneSystem
    from voice_runtime.testing.phone_tests import PhoneTests
    from voice_runtime.testing.scripted_brain import Fail, ScriptedBrain, Stall, UseTool, Wait
    from voice_runtime.testing.simulated_time import Deadlock, ScaledLoop, VirtualLoop, run
    from voice_runtime.testing.talk_ends import talk
    from voice_runtime.testing.talking import Talk, TalkTurn, ToolUse

__all__ = [
    "Deadlock",
    "Fail",
    "PhoneSystem",
    "PhoneTests",
    "ScaledLoop",
    "ScriptedBrain",
    "Stall",
    "Talk",
    "TalkTurn",
    "ToolUse",
    "UseTool",
    "VirtualLoop",
    "Wait",
    "run",
    "talk",
]

_HOMES = {
    "PhoneSystem": "phone_system",
    "PhoneTests": "phone_tests",
    **dict.fromkeys(("Fail", "ScriptedBrain", "Stall", "UseTool", "Wait"), "scripted_brain"),
    **dict.fromkeys(("Talk", "TalkTurn", "ToolUse"), "talking"),
    "talk": "talk_ends",
    **dict.fromkeys(("Deadlock", "ScaledLoop", "VirtualLoop", "run"), "simulated_time"),
}


def __getattr__(name: str) -> object:
    # Imported when used: pytest loads this package with its plugin, also for tests that have no use for it.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
