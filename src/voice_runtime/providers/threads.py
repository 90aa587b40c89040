"""Vendor calls that block, each in a daemon thread of its own.

The loop's shared pool has a handful of threads: a few utterances, or one vendor that hangs, would use them up for every
call of the process and keep it from ending.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")
log = logging.getLogger(__name__)


def in_thread(name: str, work: Callable[[], T]) -> asyncio.Future[T]:
    """Start `work` in a thread called `name`. Cancelling the future abandons the thread, it does not stop it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # an abandoned failure is nobody's

    def settle(set_outcome: Callable[[], None]) -> None:
        if not future.done():
            set_outcome()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # handed to whoever awaits the future
            failed = error
            _tell(loop, lambda: settle(lambda: future.set_exception(failed)))
        else:
            _tell(loop, lambda: settle(lambda: future.set_result(result)))

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        log.debug("the event loop closed before %s had ended", threading.current_thread().name)
