"""What happens in a soak of agents: each call follows from the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from typing import Any

from voice_runtime.events import FloorState
from voice_runtime.simulator import BadDay
from voice_runtime.simulator.rest import FAULTS

__all__ = ["TalkPlan"]

BRAINS = (
    "fast", "slow", "tardy", "stalls", "fails", "empty", "endless", "circles", "plain", "chain",
    "tools", "tools", "tools", "tools",
)  # fmt: skip
VOICES = (*["good"] * 6, "fails", "fails_now_and_then", "stalls", "stalls_now_and_then", "slow", "chain")
EARS = (*["good"] * 8, "dies", "stalls", "deaf", "absent", "chain_dies", "chain_stalls", "chain_deaf")
VADS = ("off", "on", "on", "fails")
HOOKS = (
    *["none"] * 5, "says", "says", "edits", "answers", "silent", "raises", "replies", "replies", "enter_raises", "slow",
    "hangs_up",
)  # fmt: skip
MODELS = ("none", "none", "random", "slow", "fails")
ASIDES = ("none", "none", "background", "thinking", "both")
CALLERS = ("talks", "talks", "interrupts", "interrupts", "mumbles", "coughs", "presses", "silent", *["mixed"] * 6)
BREAKS = ("cuts_after", "half_open_after", "stops_reading_after", "keeps_socket_open", "missing_stop")


@dataclass(frozen=True)
class TalkPlan:
    """One call to an agent, and everything that goes wrong in it. `leaves`: the caller hangs up so many seconds after
    the floor is in that state for the nth time."""

    seed: int
    number: int
    brain: str
    voice: str
    ears: str
    vad: str
    hooks: str
    model: str
    aside: str
    caller: str
    preemptive: bool
    desks: int
    limits: dict[str, Any]
    policy: dict[str, Any]
    day: BadDay
    rest_faults: tuple[str, ...]
    leaves: tuple[FloorState, int, float] | None

    @classmethod
    def of(cls, seed: int, number: int) -> TalkPlan:
        chance = Random(f"{seed}/talk/{number}")
        brain = chance.choice(BRAINS)
        return cls(
            seed=seed,
            number=number,
            brain=brain,
            voice=chance.choice(VOICES),
            ears=chance.choice(EARS),
            vad=chance.choice(VADS),
            hooks=chance.choice(HOOKS),
            model=chance.choice(MODELS),
            aside=chance.choice(ASIDES),
            caller=chance.choice(CALLERS),
            preemptive=chance.random() < 0.4,
            desks=chance.choice((1, 1, 2, 3)),
            limits=_limits(chance),
            policy=_policy(chance),
            day=_day(chance) if chance.random() < 0.5 else BadDay(),
            rest_faults=tuple(chance.sample(sorted(FAULTS), 2)) if chance.random() < 0.15 else (),
            leaves=_leaves(chance) if chance.random() < 0.3 else None,
        )

    def chance(self, of: str) -> Random:
        return Random(f"{self.seed}/talk/{self.number}/{of}")

    @property
    def broken(self) -> bool:
        """The socket may break: nobody can say what was heard at its end."""
        return any(getattr(self.day, name) not in (None, False) for name in BREAKS)

    @property
    def lossy(self) -> bool:
        """Some of what the caller says is lost on its way, or comes in another order."""
        return bool(self.day.loss or self.day.holes_every or self.day.reorders or self.broken)

    @property
    def hears(self) -> bool:
        """All that the caller says is understood."""
        return self.ears == "good" and not self.lossy

    def __str__(self) -> str:
        calm = BadDay()
        day = {n: getattr(self.day, n) for n in BadDay.__slots__ if getattr(self.day, n) != getattr(calm, n)}
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("seed", "day")}
        return " ".join(f"{name}={value}" for name, value in {**told, "day": day}.items())


def _limits(chance: Random) -> dict[str, Any]:
    possible: dict[str, Any] = {
        "patience": chance.choice((1.0, 1.5)),
        "failures": chance.choice((1, 3)),
        "max_turns": chance.choice((1, 3)),
        "max_seconds": chance.uniform(3, 40),
        "max_spend": chance.uniform(0.1, 1),
        "tool_calls": 3,
        "transfer_to": "+15551230009",
    }
    return {name: possible[name] for name in chance.sample(sorted(possible), chance.choice((0, 0, 1, 2)))}


def _policy(chance: Random) -> dict[str, Any]:
    possible: dict[str, Any] = {
        "min_wait": chance.uniform(0.0, 1.0),
        "resume_after": chance.choice((None, 0.5, 3.0)),
        "keys_interrupt": False,
        "max_keys": 2,
        "max_turn": 3.0,
        "max_turn_words": 3,
        "min_words": 1,
        "silence": (4.0, 4.0, 4.0),
    }
    return {name: possible[name] for name in chance.sample(sorted(possible), chance.choice((0, 0, 1, 2)))}


def _leaves(chance: Random) -> tuple[FloorState, int, float]:
    states = [state for state in FloorState if state is not FloorState.ENDED]
    return chance.choice(states), chance.choice((1, 1, 2, 3)), chance.choice((0.0, 0.01, chance.uniform(0, 1.5)))


def _day(chance: Random) -> BadDay:
    """One or two things go wrong."""
    soon, share = chance.uniform(0, 15), chance.choice((0.05, 0.3, 1.0))
    possible: dict[str, Any] = {
        "jitter_ms": chance.uniform(20, 400),
        "loss": chance.uniform(0, 0.1),
        "holes_every": chance.uniform(2, 8),
        "lost_marks": share,
        "late_marks": chance.uniform(0.1, 5),
        "doubled_marks": share,
        "unknown_marks": share,
        "stops_reading_after": soon,
        "half_open_after": soon,
        "cuts_after": soon,
        "late_stop": chance.uniform(0.1, 5),
        "missing_stop": True,
        "stop_twice": True,
        "media_after_stop": 5,
        "keeps_socket_open": True,
    }
    return BadDay(**{name: possible[name] for name in chance.sample(sorted(possible), chance.choice((1, 1, 2)))})
