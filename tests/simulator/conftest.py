from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest_asyncio
from fake_application import PUBLIC, TOKEN, Application, serving
from starlette.routing import Mount

from voice_runtime.simulator.carrier import Carrier

Telephony = Callable[[Application], Awaitable[Carrier]]


@pytest_asyncio.fixture
async def telephony() -> AsyncIterator[Telephony]:
    """Serve an application and give the carrier that reaches it, at ten times the speed of life. No task is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def reach(application: Application, *mounts: Mount, speed: float = 10) -> Carrier:
            address = await stack.enter_async_context(serving(application.asgi(*mounts)))
            return await stack.enter_async_context(Carrier(TOKEN, addresses={PUBLIC: address}, speed=speed))

        yield reach
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
