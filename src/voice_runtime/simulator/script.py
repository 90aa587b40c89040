"""Ready-made people. A script is any `async def caller(line: Line)`; when it returns, the person hangs up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from voice_runtime.simulator.person import Audio, Line

__all__ = ["Script", "listens", "presses", "talks", "waits_for_hang_up"]

Script: TypeAlias = Callable[[Line], Awaitable[None]]


def listens(seconds: float) -> Script:
    """Says nothing for `seconds`, then hangs up."""

    async def caller(line: Line) -> None:
        await line.pause(seconds)

    return caller


def waits_for_hang_up(timeout: float = 60.0) -> Script:
    """Says nothing until the other side hangs up."""

    async def caller(line: Line) -> None:
        await line.stay(timeout)

    return caller


def talks(*turns: str | Audio, quiet_ms: float = 700.0, timeout: float = 30.0) -> Script:
    """Hears the agent out, says the first of `turns`, hears the agent out again, and so on; then hangs up."""

    async def caller(line: Line) -> None:
        for turn in turns:
            await line.hear_out(quiet_ms, timeout)
            await line.say(turn)
        await line.hear_out(quiet_ms, timeout)

    return caller


def presses(digits: str, *, quiet_ms: float = 700.0, timeout: float = 30.0) -> Script:
    """Hears the agent out, presses `digits`, hears the agent out again, hangs up."""

    async def caller(line: Line) -> None:
        await line.hear_out(quiet_ms, timeout)
        line.press(digits)
        await line.wait_until_keys_pressed(timeout)
        await line.hear_out(quiet_ms, timeout)

    return caller
