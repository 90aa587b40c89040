"""--bad-day: what is to go wrong, as `BadDay` names it, from one word of the command line."""

from __future__ import annotations

from dataclasses import fields

from voice_runtime.simulator import BadDay
from voice_runtime.simulator.rest import FAULTS

__all__ = ["parse_bad_day"]


def parse_bad_day(text: str) -> BadDay:
    """`jitter_ms=200,loss=0.05,start_twice`; several faults of the REST API are `rest=stall+disconnect`.

    Raises ValueError with one sentence.
    """
    calm = BadDay()
    known = {field.name: (str(field.type), getattr(calm, field.name)) for field in fields(BadDay)}
    switches: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, given = part.partition("=")
        if name not in known:
            raise ValueError(f"--bad-day: there is no {name!r}; there are {', '.join(known)}")
        kind, default = known[name]
        if isinstance(default, bool):
            if given:
                raise ValueError(f"--bad-day: {name} is on or not there, and takes no value")
            switches[name] = True
        elif isinstance(default, tuple):
            switches[name] = _faults(given)
        else:
            switches[name] = _number(name, given, whole=kind.startswith("int"))
    return BadDay(**switches)  # type: ignore[arg-type]


def _number(name: str, given: str, *, whole: bool) -> float:
    try:
        number = int(given) if whole else float(given)
    except ValueError:
        number = -1
    if not 0 <= number < 86_400_000:
        raise ValueError(f"--bad-day: {name} needs a {'whole ' if whole else ''}number, as in {name}=1, not {given!r}")
    return number


def _faults(given: str) -> tuple[str, ...]:
    names = tuple(given.split("+"))
    if wrong := [name for name in names if name not in FAULTS]:
        raise ValueError(f"--bad-day: rest has no fault {wrong[0]!r}; it has {', '.join(FAULTS)}")
    return names
