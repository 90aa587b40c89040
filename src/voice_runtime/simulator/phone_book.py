"""Who has which number, and what happens when it rings there."""

from __future__ import annotations

from dataclasses import dataclass, field

from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.script import Script, waits_for_hang_up

__all__ = ["Phone"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone. `outcome`: COMPLETED when it is answered after `rings` seconds, else BUSY, NO_ANSWER or FAILED."""

    script: Script = field(default_factory=waits_for_hang_up)
    rings: float = 1.0
    outcome: CallStatus = CallStatus.COMPLETED

    @property
    def never_rings(self) -> bool:
        return self.outcome in (CallStatus.BUSY, CallStatus.FAILED)
