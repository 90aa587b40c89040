"""A model that runs over pieces of many calls at once, in one thread beside the loop.

A model costs a third for each call when 64 share a run of it. So what calls have to say is collected for a moment, the
longer the more calls there are, and one job in the thread takes all of it. While a job runs, the next one is collected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from voice_runtime.clock import SystemClock
from voice_runtime.telemetry.repeated import Repeated

__all__ = ["Batches", "Member", "Model", "Piece"]

log = logging.getLogger(__name__)

SECONDS_PER_MEMBER = 0.0005
LONGEST_COLLECTION_SECONDS = 0.032
"""A piece waits so long at most for those of other calls: as long as it takes to be spoken."""
STALL_SECONDS = 2.0
"""A job that takes longer hangs; calls go on without it."""
CLOSE_BEHIND = 2
"""With so many pieces that wait, a call is not behind."""
MAX_WAITING = 32
"""Pieces of one call that wait; then the oldest go."""


class Piece(NamedTuple):
    """`at`: what the call knows it by."""

    at: int
    audio: bytes


class Model(Protocol):
    """What runs in the thread. `State` is what it keeps of a call from one piece to the next; None at first."""

    def __call__(self, pieces: Sequence[bytes], states: Sequence[object | None]) -> tuple[list[float], list[object]]:
        """One piece of each of some calls, with their states: a number for each, and their new states."""


class Member:
    """A call. `on_result(at, number)` for its pieces in turn, `on_failure(reason)` once if that will not go on."""

    __slots__ = ("alive", "on_failure", "on_result", "state", "waiting")

    def __init__(self, on_result: Callable[[int, float], None], on_failure: Callable[[str], None]) -> None:
        self.on_result, self.on_failure = on_result, on_failure
        self.waiting: deque[Piece] = deque(maxlen=MAX_WAITING)
        self.state: object | None = None
        self.alive = True


class Batches:
    """The model of one process, loaded by `load` in the thread when it is first needed. Everything on the loop."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._model: Model | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._members: set[Member] = set()
        self._collecting: list[Member] = []  # those with something that waits
        self._next: asyncio.TimerHandle | None = None
        self._job: asyncio.Future[list[list[float]]] | None = None
        self._hangs = False
        self._log = Repeated(log)
        self._took = 0.0  # the last batch, in seconds
        self.on_batch: Callable[[float], None] | None = None

    async def warm(self, audio: bytes) -> None:
        """Load the model and run it once. Raises what that raises."""
        nobody = Member(lambda at, number: None, lambda reason: None)
        await asyncio.get_running_loop().run_in_executor(self._thread(), self._run, [(nobody, [Piece(0, audio)])])

    def join(self, member: Member) -> None:
        """A call begins."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a program may bring up its application again, on another loop
            self._loop, self._next, self._job, self._hangs = loop, None, None, False
            self._collecting, self._members = [], set()
        self._members.add(member)

    def leave(self, member: Member) -> None:
        """It is over: nothing more is told of it."""
        member.alive = False
        member.waiting.clear()
        self._members.discard(member)

    def add(self, member: Member, piece: Piece) -> None:
        """The next piece of a call. The oldest goes when too many wait."""
        if not member.alive:
            return
        if self._hangs:
            self._fail({member}, "it hangs")
            return
        if not member.waiting:
            self._collecting.append(member)
        member.waiting.append(piece)
        if self._next is None and self._job is None:
            self._collect()

    async def aclose(self) -> None:
        """Let the thread end when it is done."""
        if self._next is not None:
            self._next.cancel()
        self._next = None
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _thread(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "vad")
        return self._executor

    def _collect(self) -> None:
        wait = min(SECONDS_PER_MEMBER * (len(self._members) - 1), LONGEST_COLLECTION_SECONDS)
        self._next = asyncio.get_running_loop().call_later(wait, self._send)

    def _send(self) -> None:
        """Hand over what waits."""
        self._next = None
        members, self._collecting = self._collecting, []
        work = [(member, _due(member.waiting)) for member in members if member.alive]
        self._collecting = [member for member, _ in work if member.waiting]
        if not work:
            return
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._thread(), self._run, work)
        self._job = job
        watch = loop.call_later(STALL_SECONDS, self._stalled)
        job.add_done_callback(lambda done: self._done(done, work, watch))

    def _run(self, work: list[tuple[Member, list[Piece]]]) -> list[list[float]]:
        """In the thread: the first piece of each call together, then the second of those that have one, ..."""
        if self._model is None:
            self._model = self._load()
        began = SystemClock.monotonic()
        results: list[list[float]] = [[] for _ in work]
        for turn in range(max(len(pieces) for _, pieces in work)):
            takers = [index for index, (_, pieces) in enumerate(work) if turn < len(pieces)]
            members = [work[index][0] for index in takers]
            audio = [work[index][1][turn].audio for index in takers]
            numbers, states = self._model(audio, [member.state for member in members])
            for index, member, number, state in zip(takers, members, numbers, states, strict=True):
                results[index].append(number)
                member.state = state
        self._took = SystemClock.monotonic() - began
        return results

    def _done(
        self,
        job: asyncio.Future[list[list[float]]],
        work: list[tuple[Member, list[Piece]]],
        watch: asyncio.TimerHandle,
    ) -> None:
        watch.cancel()
        if job is not self._job:
            return
        self._job, self._hangs = None, False
        if job.cancelled():
            return
        if (error := job.exception()) is not None:
            self._log.warning("voice detection failed", repr(error))
            self._fail({member for member, _ in work}, repr(error))
        else:
            if self.on_batch is not None:
                self.on_batch(self._took)
            for (member, pieces), numbers in zip(work, job.result(), strict=True):
                for piece, number in zip(pieces, numbers, strict=True):
                    if member.alive:
                        member.on_result(piece.at, number)
        if self._collecting and self._next is None:
            self._collect()

    def _stalled(self) -> None:
        self._hangs = True
        self._log.warning("voice detection failed", f"it has hung for {STALL_SECONDS:g} s")
        self._fail(self._members.copy(), "it hangs")

    def _fail(self, members: set[Member], reason: str) -> None:
        for member in members:
            if member.alive:
                self.leave(member)
                member.on_failure(reason)


def _due(waiting: deque[Piece]) -> list[Piece]:
    """The next piece, since a run with a piece of everybody is cheap, and one for the few that have two is not; or all,
    of a call that would fall behind."""
    return [waiting.popleft() for _ in range(len(waiting) if len(waiting) > CLOSE_BEHIND else 1)]
