"""Event loops whose time is simulated: a call of five minutes takes a second, or a tenth of its time.

On both, `loop.time()`, `asyncio.sleep` and every timeout go by simulated seconds, which begin at 0.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Deadlock", "ScaledLoop", "VirtualLoop", "refuse_running_loop", "run", "run_in"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

T = TypeVar("T")

PATIENCE_SECONDS: Final = 30.0
"""How long (really) work outside the loop may hold up simulated time."""
GRACE_SECONDS: Final = 1.0
"""How long (really) a loop without anything to do waits for a thread that it knows nothing of."""
LATE_SECONDS: Final = 0.01
"""By how much (really) the machine may be late before scaled time waits for it."""
NETWORK_SECONDS: Final = 0.001
"""How long (really) a message from one socket of this machine to another may take: time waits for it."""
MOST_NETWORK_SECONDS: Final = 0.05
"""The same, before a leap in time: a frame that is late by a leap of seconds would be a timeout."""


class Deadlock(Exception):
    """Simulated time cannot go on: everybody waits for somebody else."""


class _Selector(selectors.BaseSelector):
    """The machine's selector, with a wait of our own."""

    def __init__(self, wait: Callable[[selectors.BaseSelector, float | None], list[Any]]) -> None:
        self._real = selectors.DefaultSelector()
        self._wait = wait

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._wait(self._real, timeout)

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class ScaledLoop(asyncio.SelectorEventLoop):
    """`speed` simulated seconds pass in each real one. For real sockets, when both ends live on this loop.

    When the machine does not keep up, time passes more slowly instead: nobody on the loop is late because of it.
    """

    def __init__(self, speed: float = 10.0) -> None:
        if speed <= 0:
            raise ValueError("time passes: speed must be more than 0")
        self.speed = speed
        self._began = time.monotonic()
        self._until = math.inf
        super().__init__(_Selector(self._select))

    def time(self) -> float:
        return min(self._time(), self._until)

    def _time(self) -> float:
        return (time.monotonic() - self._began) * self.speed

    def _select(self, real: selectors.BaseSelector, timeout: float | None) -> list[Any]:
        self._not_after(self._until)
        latest = math.inf if timeout is None else self._time() + timeout + LATE_SECONDS * self.speed
        ready = real.select(timeout and timeout / self.speed)
        self._not_after(latest)
        self._until = self._time() + LATE_SECONDS * self.speed
        return ready

    def _not_after(self, latest: float) -> None:
        """The time by now is at most `latest`: what is more has not been."""
        self._began += max(0.0, self._time() - latest) / self.speed


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when nobody has anything to do, and then at once: it jumps to the next timer.

    So the same program runs the same way each time. It stands still (see `voice_runtime.clock`) while threads work for
    the loop: those of `run_in_executor` and `asyncio.to_thread`, blocking handlers, the carrier's REST client. When all
    wait and there is no timer, `Deadlock` is raised out of the loop.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._held = 0
        self._holders: Counter[str] = Counter()
        super().__init__(_Selector(self._select))
        self._own_files = len(self._selector_map())

    def time(self) -> float:
        return self._now

    # -- StandingTime --------------------------------------------------------------------------------------------------

    def hold_time(self, who: str) -> None:
        self._held += 1
        self._holders[who] += 1

    def release_time(self, who: str) -> None:
        self._held -= 1
        self._holders[who] -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        who = f"in a thread: {func!r}"
        self.hold_time(who)
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            self.release_time(who)
            raise
        future.add_done_callback(lambda _: self.release_time(who))
        return future

    # -- time ----------------------------------------------------------------------------------------------------------

    def _select(self, real: selectors.BaseSelector, timeout: float | None) -> list[Any]:
        if timeout == 0 and len(real.get_map()) <= self._own_files:
            return []  # there is something to do, and no socket to look at
        ready = real.select(0)
        if ready or timeout == 0:
            return ready
        if self._held > 0:
            return real.select(PATIENCE_SECONDS) or self._stuck(f"work outside the loop takes {PATIENCE_SECONDS:g} s")
        if timeout is not None:
            in_flight = min(max(NETWORK_SECONDS, timeout / 50), MOST_NETWORK_SECONDS)
            if len(real.get_map()) > self._own_files and (ready := real.select(in_flight)):
                return ready  # what was sent to a socket of ours was still on its way
            self._now += timeout
            return []
        # Sockets of others may still bring something; so may a thread that nobody told us of.
        patience = PATIENCE_SECONDS if len(self._selector_map()) > self._own_files else GRACE_SECONDS
        return real.select(patience) or self._stuck("nobody has anything to do, and nothing will happen")

    def _selector_map(self) -> Mapping[Any, Any]:
        selector: selectors.BaseSelector = self._selector  # type: ignore[attr-defined]  # asyncio's own
        return selector.get_map()

    def _stuck(self, why: str) -> list[Any]:
        lines = [f"at {self._now:.3f} s of simulated time: {why}"]
        lines += [f"  {who}" for who, count in sorted(self._holders.items()) if count > 0]
        lines += sorted(f"  task {task.get_name()} waits {_where(task)}" for task in asyncio.all_tasks(self))
        raise Deadlock("\n".join(lines))


def _where(task: asyncio.Task[Any]) -> str:
    """The place where a task waits, down the chain of what it awaits, as far as it is not asyncio's."""
    awaited: Any = task.get_coro()
    place = "to begin"
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not frame.f_globals.get("__name__", "").startswith("asyncio."):
            place = f"in {frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return place


def run(main: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop) -> T:
    """`asyncio.run` on simulated time."""
    try:
        refuse_running_loop()
    except RuntimeError:
        main.close()
        raise
    with asyncio.Runner(loop_factory=loop) as runner:
        return run_in(runner, main)


def run_in(runner: asyncio.Runner, main: Coroutine[Any, Any, T]) -> T:
    """`runner.run`, with the tracebacks of tests in mind: they begin in the program."""
    try:
        return runner.run(main)
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame):
            trace = trace.tb_next
        raise error.with_traceback(trace) from error.__cause__


def _is_ours(frame: FrameType) -> bool:
    return f"{frame.f_globals.get('__name__', '')}.".startswith(
        ("asyncio.", "voice_runtime.testing.", "voice_runtime.simulator.")
    )


def refuse_running_loop() -> None:
    """Raises `RuntimeError` in a coroutine, whose loop could not go on."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("simulated time has a loop of its own: let the test be a plain `def`")
