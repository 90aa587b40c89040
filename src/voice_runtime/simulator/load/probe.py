"""What a server process on this machine uses, from /proc: processor time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ServerProbe", "ServerUse"]


@dataclass(frozen=True, slots=True)
class ServerUse:
    """`cpu_ms_per_call_second` while all calls were up; memory in bytes: before the first call, and at the most."""

    cpu_ms_per_call_second: float
    cpu_share: float
    """Of one core, while all calls were up."""
    idle_bytes: int
    peak_bytes: int
    calls: int

    @property
    def bytes_per_call(self) -> float:
        return (self.peak_bytes - self.idle_bytes) / self.calls if self.calls else 0.0


class ServerProbe:
    """Looks at one process. Raises ValueError when there is no such process to look at."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        try:
            self.cpu_seconds()
            self.memory_bytes()
        except OSError as error:
            raise ValueError(
                f"process {pid} cannot be looked at: {error.strerror or error} ({error.filename})"
            ) from error

    def cpu_seconds(self) -> float:
        """User and system time of all its threads since it began, to 10 ms."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Resident memory."""
        return int((self._folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
