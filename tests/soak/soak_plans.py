"""What happens in a soak: every call and every batch of calls follows from the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from soak_agents import AGENTS, BLOCKING_AGENTS, ENDS, PEOPLE

from voice_runtime.events import EndReason
from voice_runtime.simulator import BadDay
from voice_runtime.simulator.rest import FAULTS

__all__ = ["BatchPlan", "CallPlan"]

MAX_CALL_SECONDS = 60.0


@dataclass(frozen=True)
class CallPlan:
    """One call. Its chance is its own: it does the same alone as in a crowd."""

    seed: int
    number: int
    agent: str
    person: str
    outbound: bool
    starts_at: float
    day: BadDay

    @classmethod
    def of(cls, seed: int, number: int) -> CallPlan:
        chance = Random(f"{seed}/{number}")
        outbound = chance.random() < 0.15  # a call that we place has a calm day: the carrier gives those by the dozen
        return cls(
            seed=seed,
            number=number,
            agent=chance.choice([*AGENTS, *BLOCKING_AGENTS]),
            person=chance.choice([*PEOPLE]),
            outbound=outbound,
            starts_at=chance.uniform(0, 30),
            day=_day(chance) if not outbound and chance.random() < 0.5 else BadDay(),
        )

    @property
    def phone_number(self) -> str:
        return f"+1555{self.number:08d}"

    def chance(self, of: str) -> Random:
        return Random(f"{self.seed}/{self.number}/{of}")

    @property
    def troubled(self) -> bool:
        """The socket may end otherwise than either side wants."""
        return self.day.of_the_socket

    @property
    def ends(self) -> set[EndReason]:
        """How it ends if the person does not end it."""
        return ENDS[self.agent] | {EndReason.MAX_DURATION}

    def __str__(self) -> str:
        day = {name: value for name, value in _switches(self.day).items() if value != _CALM[name]}
        way = "dials" if self.outbound else "answers"
        return f"call {self.number}: {self.agent} {way}, {self.person} on the line, {day or 'a calm day'}"


@dataclass(frozen=True)
class BatchPlan:
    """Calls at the same time, to one application. What fails here can hit any of them."""

    seed: int
    number: int
    over_sockets: bool
    rest_faults: tuple[str, ...]
    records: bool
    recognition: dict[str, Any]

    @classmethod
    def of(cls, seed: int, number: int) -> BatchPlan:
        chance = Random(f"{seed}/batch/{number}")
        return cls(
            seed=seed,
            number=number,
            over_sockets=number % 8 == 7,
            rest_faults=tuple(chance.sample(sorted(FAULTS), 2)) if chance.random() < 0.4 else (),
            records=chance.random() < 0.3,
            recognition=chance.choice(
                [{}, {}, {"die_after_ms": 2000}, {"fail_start": True}, {"stall_after_ms": 1000}, {"script": _SCRIPT}]
            ),
        )


_SCRIPT = [(500.0, "hello"), (4000.0, "where is my parcel"), (9000.0, "goodbye")]


def _switches(day: BadDay) -> dict[str, Any]:
    return {name: getattr(day, name) for name in BadDay.__slots__}


_CALM = _switches(BadDay())


def _day(chance: Random) -> BadDay:
    """One to three things go wrong."""
    soon = chance.uniform(0, 8)
    share = chance.choice([0.05, 0.3, 1.0])
    possible: dict[str, Any] = {
        "jitter_ms": chance.uniform(20, 800),
        "loss": share,
        "holes_every": chance.uniform(1, 5),
        "reorders": share,
        "frames_before_start": 3,
        "start_twice": True,
        "reads_per_second": chance.choice([500.0, 8000.0, 30000.0]),
        "stops_reading_after": soon,
        "half_open_after": soon,
        "cuts_after": soon,
        "cuts_at_byte": chance.choice([1, 50, 400, 5000, 100_000]),
        "duplicate_socket_after": soon,
        "replays_socket": True,
        "late_stop": chance.uniform(0.1, 20),
        "missing_stop": True,
        "stop_twice": True,
        "media_after_stop": 5,
        "keeps_socket_open": True,
        "lost_marks": share,
        "late_marks": chance.uniform(0.1, 15),
        "doubled_marks": share,
        "unknown_marks": share,
        "lost_callbacks": share,
        "doubled_callbacks": share,
        "late_callbacks": share,
        "webhook_twice": True,
        "gives_up_on_webhook": True,
    }
    chosen = chance.sample(sorted(possible), chance.randint(1, 3))
    return BadDay(**{name: possible[name] for name in chosen})
