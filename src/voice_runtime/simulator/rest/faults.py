"""How the account is told to misbehave."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from types import MappingProxyType

__all__ = ["FAULTS", "Fault", "FaultKind", "Faults"]


class FaultKind(StrEnum):
    STALL = "stall"
    """Answer nothing for `seconds`, then rightly."""
    STATUS = "status"
    """Refuse with `status` and Twilio's error `code`."""
    NOT_JSON = "not-json"
    """Answer `status` with a page of HTML, as a proxy in between would."""
    REDIRECT = "redirect"
    """Send the client, and its credentials, to `location`."""
    DISCONNECT = "disconnect"
    """Do what was asked, and break the connection in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    kind: FaultKind
    seconds: float = 0.0
    status: int = 500
    code: int = 20500
    location: str = ""

    @classmethod
    def stall(cls, seconds: float) -> Fault:
        return cls(FaultKind.STALL, seconds=seconds)

    @classmethod
    def server_error(cls) -> Fault:
        return cls(FaultKind.STATUS)

    @classmethod
    def too_many_requests(cls) -> Fault:
        return cls(FaultKind.STATUS, status=429, code=20429)

    @classmethod
    def not_json(cls, status: int = 200) -> Fault:
        return cls(FaultKind.NOT_JSON, status=status)

    @classmethod
    def redirect(cls, location: str) -> Fault:
        return cls(FaultKind.REDIRECT, status=302, location=location)

    @classmethod
    def disconnect(cls) -> Fault:
        return cls(FaultKind.DISCONNECT)


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "stall": Fault.stall(30.0),
        "server-error": Fault.server_error(),
        "too-many-requests": Fault.too_many_requests(),
        "wrong-region": Fault(FaultKind.STATUS, status=404, code=20404),
        "not-json": Fault.not_json(502),
        "redirect": Fault.redirect("https://elsewhere.invalid/"),
        "disconnect": Fault.disconnect(),
    }
)
"""Each by its name."""


class Faults:
    """Which request meets which fault: those in turn first, then one by chance, then the constant one."""

    def __init__(self) -> None:
        self._in_turn: deque[Fault] = deque()
        self._constant: Fault | None = None
        self._random = Random(0)
        self._chance = 0.0
        self._choices: tuple[Fault, ...] = ()

    def in_turn(self, *faults: Fault) -> None:
        self._in_turn.extend(faults)

    def always(self, fault: Fault | None) -> None:
        self._constant = fault

    def by_chance(self, chance: float, seed: int, *faults: Fault) -> None:
        """Each request meets one of `faults` (all named ones) with this `chance`; the same seed, the same bad day."""
        self._chance, self._random = chance, Random(seed)
        self._choices = faults or tuple(FAULTS.values())

    def next(self) -> Fault | None:
        if self._in_turn:
            return self._in_turn.popleft()
        if self._chance and self._random.random() < self._chance:
            return self._random.choice(self._choices)
        return self._constant
