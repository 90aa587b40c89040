"""What answers a call: a function of the program, on the loop or in a thread."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from voice_runtime.clock import time_held
from voice_runtime.errors import ConfigurationError
from voice_runtime.session import BlockingSession, VoiceSession

__all__ = ["Handler", "check_handler", "run_handler"]

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[VoiceSession], Awaitable[None]] | Callable[[BlockingSession], None]
"""Answers a call: `async def` on the loop, or a plain `def` in a thread of its own with the same names, blocking."""


def check_handler(handler: object) -> None:
    """Raises `ConfigurationError` for what is no handler, before a caller finds out.

    An object may have a `check` of its own, as agents have.
    """
    name = getattr(handler, "__name__", type(handler).__name__)
    if isinstance(handler, type):
        raise ConfigurationError(f"{name} is a class.", remedy=f"A handler is one of it: app.call()({name}(...)).")
    if not callable(handler):
        raise ConfigurationError(f"A {name} is no handler.", remedy="A handler is an `async def` or `def` of the call.")
    if _streams(handler):
        raise ConfigurationError(
            f"{name} is a generator, and no handler.",
            remedy=f"If it is the brain of an agent: app.call()(Agent({name})).",
        )
    check = getattr(handler, "check", None)
    if check is not None:
        check()


def _streams(handler: Callable[..., Any]) -> bool:
    called = handler if inspect.isroutine(handler) else type(handler).__call__
    return inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called)


async def run_handler(handler: Handler, session: VoiceSession) -> None:
    """Returns when it does. Raises what it raises."""
    # An object may be a handler too, and so may a partial of a function.
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        await cast(Callable[[VoiceSession], Awaitable[None]], handler)(session)
    else:
        await _in_thread(handler, BlockingSession(session))


async def _in_thread(handler: Callable[[Any], object], call: BlockingSession) -> None:
    """Run a blocking handler in a thread of its own: never in the loop's pool, where one that hangs takes a place."""
    loop = asyncio.get_running_loop()
    # What it raised is a result here: a future takes no StopIteration, and CancelledError means something else to it.
    done: asyncio.Future[BaseException | None] = loop.create_future()

    def settle(failure: BaseException | None) -> None:
        if not done.done():
            done.set_result(failure)

    def work() -> None:
        failure: BaseException | None = None
        try:
            result = handler(call)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(f"{handler!r} is a plain function that returns a coroutine: make it `async def`")
        except BaseException as error:  # carried over to the loop, where it is raised again
            failure = error
        try:
            loop.call_soon_threadsafe(settle, failure)
        except RuntimeError:
            log.debug("a handler outlived its loop")

    threading.Thread(target=work, name=f"handler-{call.call_sid}", daemon=True).start()
    with time_held(loop, "a blocking handler"):
        failure = await done
    if failure is not None:
        raise failure
