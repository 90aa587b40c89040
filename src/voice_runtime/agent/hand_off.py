"""`HandOff`: what a tool or a hook returns to let another agent go on with the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["HandOff"]


@dataclass(frozen=True, slots=True)
class HandOff:
    """From now on, `to` answers this call: with its own instructions, tools, brain, policy and phrases.

    `message` is said first. Then comes its greeting, or, if it has none or has answered on this call before, what its
    brain answers to the caller's last words. `keep_history`: what its brain is shown of what was said before this turn:
    all, nothing, or so many turns. The history itself stays whole.
    """

    to: Agent[Any]
    message: str = ""
    keep_history: bool | int = True
