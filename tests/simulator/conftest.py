from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parents[1]))  # `fakes` is shared by several test directories

from starlette.types import ASGIApp

from fakes.loops import NetworkLoop
from fakes.twilio_application import PUBLIC, TOKEN, Application, serving
from voice_runtime.clock import LoopClock
from voice_runtime.simulator.carrier import Carrier
from voice_runtime.testing import VirtualLoop

Telephony = Callable[[Application], Awaitable[Carrier]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


REAL_TIME = {"test_load", "test_misbehaving_applications", "test_rest_limits"}
"""They measure time, or wait for those whose time is real: the kernel's buffers, threads of Twilio's SDK."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "in_process: only without a network.")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Time is virtual, in process and over real sockets.

    The plugin asks before any parameter is known, so it is the loop that is the parameter, and `telephony` follows it.
    """
    real = item.path.stem in REAL_TIME
    if "telephony" not in item.fixturenames:  # type: ignore[attr-defined]  # of every function
        return {"real": asyncio.SelectorEventLoop} if real else {"network": NetworkLoop}
    in_process: dict[str, LoopFactory] = {"in process": InProcess if real else VirtualLoop}
    if item.get_closest_marker("in_process"):
        return in_process
    return {"network": asyncio.SelectorEventLoop if real else NetworkLoop, **in_process}


class InProcess(asyncio.SelectorEventLoop):
    """Real time, without a network."""


@pytest_asyncio.fixture
async def telephony() -> AsyncIterator[Telephony]:
    """Serve an application and give the carrier that reaches it, in the time of the loop. No task is left."""
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:

        async def reach(
            application: Application, *, addresses: Mapping[str, str] | None = None, **options: float
        ) -> Carrier:
            where: str | ASGIApp = application.asgi()
            if not isinstance(loop, InProcess) and type(loop) is not VirtualLoop:
                where = await stack.enter_async_context(serving(application.asgi()))
            known = {PUBLIC: where, **(addresses or {})}
            time = {"clock": LoopClock(loop)} if isinstance(loop, VirtualLoop) else {"speed": 10}
            return await stack.enter_async_context(Carrier(TOKEN, addresses=known, **{**time, **options}))

        yield reach
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
