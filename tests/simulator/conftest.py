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
from voice_runtime.simulator.carrier import Carrier

Telephony = Callable[[Application], Awaitable[Carrier]]


@pytest_asyncio.fixture(params=["network", "in process"])
async def telephony(request: pytest.FixtureRequest) -> AsyncIterator[Telephony]:
    """Serve an application and give the carrier that reaches it, at ten times the speed of life. No task is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def reach(
            application: Application, *, addresses: Mapping[str, str] | None = None, **options: float
        ) -> Carrier:
            where: str | ASGIApp = application.asgi()
            if request.param == "network":
                where = await stack.enter_async_context(serving(application.asgi()))
            known = {PUBLIC: where, **(addresses or {})}
            return await stack.enter_async_context(Carrier(TOKEN, addresses=known, **{"speed": 10, **options}))

        yield reach
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
