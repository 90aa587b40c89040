"""What holds the event loop up: a thread looks at its stack when it has not turned for a while, and names the line."""

from __future__ import annotations

import asyncio
import logging
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from voice_runtime.telemetry.loop_lag import LoopLag

__all__ = ["watched"]

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.1
BLOCKED_MS: Final = 300.0
"""From then on a stall is worth a line: it is fifteen frames of every call."""
LINE_SECONDS: Final = 10.0
"""One line in so long, with the number of those that were not written."""

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PACKAGE = str(Path(__file__).parents[1])
# Where a loop's thread stands when it waits for events, or for the processor.
_IDLE = ("asyncio/runners.py", "asyncio/base_events.py", "selectors.py")


@contextmanager
def watched(lag: LoopLag) -> Iterator[None]:
    """Watch the running loop of this thread, by the `lag` that runs on it, from a thread that ends with the block."""
    watch = _LoopWatch(lag, asyncio.get_running_loop(), threading.get_ident())
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class _LoopWatch:
    def __init__(self, lag: LoopLag, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        self._lag, self._loop, self._thread_id = lag, loop, thread_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        told = False  # of the stall that is on
        silent_until, untold = 0.0, 0
        while not self._stopped.wait(LOOK_SECONDS):
            overdue = self._lag.overdue_ms
            if overdue < BLOCKED_MS:
                told = False
            elif not told and (line := self._line()):
                told = True
                if (now := time.monotonic()) < silent_until:
                    untold += 1
                    continue
                more = f"; {untold} stalls before this one were not logged" if untold else ""
                log.warning("the event loop is blocked, for %.0f ms by now: %s%s", overdue, line, more)
                silent_until, untold = now + LINE_SECONDS, 0

    def _line(self) -> str:
        """What the loop's thread is doing; "" when nothing of Python's."""
        innermost = sys._current_frames().get(self._thread_id)
        if innermost is None or innermost.f_code.co_filename.endswith(_IDLE):
            return ""
        frames: list[FrameType] = []
        frame: FrameType | None = innermost
        while frame is not None:
            frames.append(frame)
            frame = frame.f_back
        # The program's own line tells more than the one in a library where it waits.
        own = next((frame for frame in frames if _is_the_programs(frame)), innermost)
        said = _place(own) if own is innermost else f"{_place(own)}, waiting in {_place(innermost)}"
        return f"{said} ({task})" if (task := self._task()) else said

    def _task(self) -> str:
        # Asked from another thread, it may be between two tasks.
        with suppress(RuntimeError):
            task = asyncio.current_task(self._loop)
            return f"task {task.get_name()}" if task is not None else ""
        return ""


def _is_the_programs(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return not path.startswith((*_LIBRARIES, _PACKAGE, "<")) and frame.f_code.co_name != "<module>"


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
