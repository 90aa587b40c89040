"""Ctrl-C, for commands that end politely."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

__all__ = ["on_signals"]


@contextlib.contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops; the second one ends the process as it would have."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        for number in kinds:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    kinds = (signal.SIGINT, signal.SIGTERM)
    for number in kinds:
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in kinds:
            loop.remove_signal_handler(number)
