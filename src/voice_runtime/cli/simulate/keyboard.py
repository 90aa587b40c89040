"""Lines of standard input, whatever it is: a terminal, a pipe, a file."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from io import RawIOBase, UnsupportedOperation
from typing import BinaryIO

__all__ = ["Keyboard"]


class Keyboard:
    """Reads in a thread, which nobody waits for at the end: no system can take back a read from a terminal."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def start(self) -> None:
        """Read from now on, for the running loop."""
        threading.Thread(
            target=self._read, args=(asyncio.get_running_loop(), _raw_input()), name="keyboard", daemon=True
        ).start()

    async def line(self) -> str | None:
        """The next line, or None at the end of input."""
        return await self._lines.get()

    def _read(self, loop: asyncio.AbstractEventLoop, source: RawIOBase | BinaryIO) -> None:
        try:
            while typed := source.readline():
                loop.call_soon_threadsafe(self._lines.put_nowait, typed.decode(errors="replace"))
            loop.call_soon_threadsafe(self._lines.put_nowait, None)
        except (RuntimeError, ValueError, OSError):
            return  # the call is over and the loop closed, or the input was


def _raw_input() -> RawIOBase | BinaryIO:
    """Past Python's buffer, whose lock a thread that waits for input would hold when Python ends."""
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    except UnsupportedOperation:  # a test's standard input is no file
        return sys.stdin.buffer
