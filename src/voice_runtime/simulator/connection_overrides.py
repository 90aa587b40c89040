"""How long a webhook request may take and how often it is repeated: what the fragment of its address says.

"Webhooks Connection Overrides": https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

__all__ = ["ConnectionOverrides"]


@dataclass(frozen=True, slots=True)
class ConnectionOverrides:
    """Seconds. `retry_on`: of 4xx, 5xx, ct (no connection) and rt (no answer in time)."""

    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    total_timeout: float = 15.0
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, url: str) -> ConnectionOverrides:
        """What does not make sense has its default; what is out of range, the nearest limit."""
        said = {name: values[-1] for name, values in parse_qs(urlsplit(url).fragment).items()}
        policy = frozenset(said.get("rp", "ct").split(","))
        return cls(
            connect_timeout=_whole(said.get("ct"), 5000, 100, 10_000) / 1000,
            read_timeout=_whole(said.get("rt"), 15_000, 100, 15_000) / 1000,
            total_timeout=_whole(said.get("tt"), 15_000, 100, 15_000) / 1000,
            retries=_whole(said.get("rc"), 1, 0, 5),
            retry_on=frozenset({"4xx", "5xx", "ct", "rt"}) if "all" in policy else policy,
        )


def _whole(value: str | None, default: int, least: int, most: int) -> int:
    if value is None or not (value.isascii() and value.isdigit()):
        return default
    return max(least, min(most, int(value)))
