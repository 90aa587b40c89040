"""Who has which number, and what happens when it rings there."""

from __future__ import annotations

from dataclasses import dataclass, field

from voice_runtime.audio.spelling import spell
from voice_runtime.simulator.person import Voice
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.script import Script, waits_for_hang_up

__all__ = ["Phone"]


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone. `outcome`: COMPLETED when it is answered after `rings` seconds, else BUSY, NO_ANSWER or FAILED.

    `voice` says the words of the script.
    """

    script: Script = field(default_factory=waits_for_hang_up)
    rings: float = 1.0
    outcome: CallStatus = CallStatus.COMPLETED
    voice: Voice = spell

    @property
    def never_rings(self) -> bool:
        return self.outcome in (CallStatus.BUSY, CallStatus.FAILED)
