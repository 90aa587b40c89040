"""What was measured: of each call, over all of them, and of ourselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from voice_runtime.simulator.load.probe import ServerUse

__all__ = ["LATE_MS", "CallMeasure", "Delays", "LoadReport", "OwnLoad", "percentile"]

LATE_MS: Final = 20.0
"""An echoed frame that took longer than its own length is late."""
_OUR_LAG_MS: Final = 5.0
_OUR_CPU_SHARE: Final = 0.85


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the sorted values are."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True)
class Delays:
    """How long something took, in milliseconds."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Delays | None:
        """None when there is nothing to summarise."""
        ordered = sorted(values)
        if not ordered:
            return None
        return cls(len(ordered), percentile(ordered, 0.50), percentile(ordered, 0.99), ordered[-1])


@dataclass(frozen=True, slots=True)
class CallMeasure:
    """One call. Times in milliseconds; None: it did not come so far. `error`: why there was no call at all."""

    webhook_ms: float | None
    handshake_ms: float | None
    first_audio_ms: float | None
    """From `start` to the first audio."""
    frames_sent: int
    frames_back: int
    """Frames whose echo was recognised. 0: this application gives back something else, or nothing."""
    frames_lost: int
    """Frames that did not come back although later ones did."""
    frames_discarded: int
    """Frames that could not be sent, for the server did not read."""
    delays_ms: Sequence[float]
    answers_ms: Sequence[float]
    """From the end of each of the caller's utterances to the first sound that came after it."""
    gaps_ms: Sequence[float]
    """Silences inside the sound, for the playout queue ran dry."""
    most_queued_ms: float
    clears_at: Sequence[float]
    """When a clear came, in seconds of this machine's monotonic clock; so are the times of `marks_at`."""
    marks_at: Sequence[tuple[str, float]]
    rejected: Sequence[str]
    """Why messages of the server were none: Twilio would drop them (31950, 31951)."""
    error: str = ""
    closed_early: str = ""
    """The server ended the socket before the caller hung up."""

    @property
    def late_frames(self) -> int:
        return sum(delay > LATE_MS for delay in self.delays_ms)


@dataclass(frozen=True, slots=True)
class OwnLoad:
    """How well we kept our own time: a load that comes late measures itself."""

    cpu_share: float
    lag_p99_ms: float
    lag_max_ms: float

    @property
    def spoiled(self) -> str:
        """Why the numbers are not to be trusted; "" when they are."""
        if self.lag_p99_ms > _OUR_LAG_MS:
            return f"the load came late itself: 1 % of its steps by more than {self.lag_p99_ms:.1f} ms"
        if self.cpu_share > _OUR_CPU_SHARE:
            return f"the load took {self.cpu_share:.0%} of its core: it is the bottleneck"
        return ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """All calls of one run. `seconds`: from the first dialling to the last hang-up."""

    calls: tuple[CallMeasure, ...]
    seconds: float
    own: OwnLoad
    server: ServerUse | None

    def delays(self) -> Delays | None:
        """Added delay of echoed frames."""
        return Delays.of(delay for call in self.calls for delay in call.delays_ms)

    def answers(self) -> Delays | None:
        """How long callers waited for an answer, from the end of what they said to the first sound."""
        return Delays.of(answer for call in self.calls for answer in call.answers_ms)

    def setup(self, stage: str) -> Delays | None:
        """Of `webhook`, `handshake` or `first_audio`."""
        times: list[float | None] = [getattr(call, f"{stage}_ms") for call in self.calls]
        return Delays.of(time for time in times if time is not None)

    def gaps(self) -> list[float]:
        """Gaps at all ears, in milliseconds."""
        return [gap for call in self.calls for gap in call.gaps_ms]

    def total(self, count: str) -> int:
        """The sum of one of the `frames_` counts, or of `late_frames`, over all calls."""
        return sum(getattr(call, count) for call in self.calls)

    def errors(self) -> Counter[str]:
        """Why calls did not come about."""
        return Counter(call.error for call in self.calls if call.error)

    def early_ends(self) -> Counter[str]:
        """How the server ended calls before the caller did."""
        return Counter(call.closed_early for call in self.calls if call.closed_early)

    def rejected(self) -> Counter[str]:
        """Messages that Twilio would not have taken."""
        return Counter(reason for call in self.calls for reason in call.rejected)
