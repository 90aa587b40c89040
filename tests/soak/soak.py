"""Random calls on random bad days, and nothing left of them: `make soak SECONDS=120 SEED=1`.

Every eighth batch goes over real sockets. Between the batches, agents are talked to, one call at a time. Whatever fails
is named with the line that does it again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter

from soak_batch import Outcome, run_batch
from soak_plans import BatchPlan, CallPlan
from soak_talk_plans import TalkPlan
from soak_talks import run_talk

__all__ = ["main", "soak", "talks"]

CALLS, CALLS_OVER_SOCKETS, TALKS = 60, 12, 60
FLAT_KILOBYTES = 12_000
"""What the second half of a soak may add to the memory that the first half has needed."""


def batch(seed: int, number: int, only: int | None = None) -> Outcome:
    """Batch `number`, or one of its calls alone."""
    plan = BatchPlan.of(seed, number)
    count = CALLS_OVER_SOCKETS if plan.over_sockets else CALLS
    numbers = range(number * CALLS, number * CALLS + count) if only is None else [only]
    return run_batch(plan, [CallPlan.of(seed, one) for one in numbers])


def talks(seed: int, numbers: range) -> tuple[Outcome, list[str]]:
    """These calls to agents. What went wrong comes with how to see it again."""
    total, told = Outcome(), list[str]()
    for number in numbers:
        done = run_talk(TalkPlan.of(seed, number))
        told += [f"python tests/soak/soak.py --seed {seed} --talk {number}: {why}" for _, why in done.failures]
        told += done.transcripts.values()
        total.add(done)
    return total, told


def soak(seconds: float, seed: int, talking: int = TALKS) -> tuple[Outcome, list[str]]:
    """At least one batch, and more until the time is up, with so many talks after each."""
    total, told, memory, began, number = Outcome(), list[str](), list[tuple[float, int]](), time.monotonic(), 0
    while not number or time.monotonic() - began < seconds:
        done = batch(seed, number)
        again = f"python tests/soak/soak.py --seed {seed}"
        for call, why in done.failures:
            told.append(f"{again} --batch {number}: {why}" if call is None else f"{again} --only {call}: {why}")
        told += done.transcripts.values()
        total.add(done)
        talked, what = talks(seed, range(number * talking, (number + 1) * talking))
        told += what
        total.add(talked)
        memory.append((time.monotonic() - began, _resident_kilobytes()))
        number += 1
    if grown := _grown(memory):
        told.append(f"memory grew by {grown} kB in the second half")
        total.fail(None, told[-1])
    return total, told


def _resident_kilobytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def _grown(memory: list[tuple[float, int]]) -> int:
    if len(memory) < 8:
        return 0
    half = len(memory) // 2
    grown = max(size for _, size in memory[half:]) - max(size for _, size in memory[:half])
    return grown if grown > FLAT_KILOBYTES else 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, help="this call, alone")
    options.add_argument("--batch", type=int, help="this batch of calls")
    options.add_argument("--talk", type=int, help="this call to an agent")
    options.add_argument("--talks", action="store_true", help="nothing but calls to agents")
    asked = options.parse_args()
    began = time.monotonic()
    gc.freeze()  # what is there now stays, and need not be looked through after each call
    if asked.talk is not None:
        total, told = talks(asked.seed, range(asked.talk, asked.talk + 1))
    elif asked.talks:
        total, told, number = Outcome(), [], 0
        while time.monotonic() - began < asked.seconds:
            done, what = talks(asked.seed, range(number, number + 1))
            total.add(done)
            told, number = told + what, number + 1
    elif asked.only is not None or asked.batch is not None:
        number = asked.batch if asked.only is None else asked.only // CALLS
        total = batch(asked.seed, number, asked.only)
        told = [f"{'batch' if call is None else call}: {why}" for call, why in total.failures]
        told += total.transcripts.values()
    else:
        total, told = soak(asked.seconds, asked.seed)
    sys.stdout.write("\n".join([*told, _summary(total, time.monotonic() - began)]) + "\n")
    return 1 if total.failures else 0


def _summary(total: Outcome, seconds: float) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(total.reasons).most_common())
    return (
        f"{total.dialled} calls in {seconds:.0f} s, {total.carried} of them carried by a stream ({reasons}); "
        f"{len(total.failures)} failures"
    )


if __name__ == "__main__":
    sys.exit(main())
