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

from fakes.twilio_application import PUBLIC, TOKEN, Application, serving
from voice_runtime.clock import LoopClock
from voice_runtime.simulator.carrier import Carrier
from voice_runtime.testing import ScaledLoop, VirtualLoop

Telephony = Callable[[Application], Awaitable[Carrier]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


REAL_TIME = {"test_load", "test_misbehaving_applications", "test_rest_limits"}
"""They measure time, or wait for those whose time is real: the kernel's buffers, threads of Twilio's SDK."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """In process, time is virtual; sockets are real, and ten times as fast."""
    if item.path.stem in REAL_TIME:
        return {"real": asyncio.SelectorEventLoop}
    callspec = getattr(item, "callspec", None)  # only of tests with parameters
    if callspec is not None and callspec.params.get("telephony") == "in process":
        return {"virtual": VirtualLoop}
    return {"fast": ScaledLoop}


@pytest_asyncio.fixture(params=["network", "in process"])
async def telephony(request: pytest.FixtureRequest) -> AsyncIterator[Telephony]:
    """Serve an application and give the carrier that reaches it, in the time of the loop. No task is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def reach(
            application: Application, *, addresses: Mapping[str, str] | None = None, **options: float
        ) -> Carrier:
            where: str | ASGIApp = application.asgi()
            if request.param == "network":
                where = await stack.enter_async_context(serving(application.asgi()))
            known = {PUBLIC: where, **(addresses or {})}
            loop = asyncio.get_running_loop()
            time = {"clock": LoopClock(loop)} if isinstance(loop, ScaledLoop | VirtualLoop) else {"speed": 10}
            return await stack.enter_async_context(Carrier(TOKEN, addresses=known, **{**time, **options}))

        yield reach
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
