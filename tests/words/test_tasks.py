"""Tasks have a name, an owner and an end."""

from __future__ import annotations

import asyncio

import pytest

from voice_runtime.tasks import TaskOwner


async def test_close_ends_everything_and_waits_for_it() -> None:
    """On return nothing runs, not even what takes a moment to stop."""
    owner, stopped = TaskOwner("owner"), []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            stopped.append(True)

    task = owner.start("work", stubborn())
    await asyncio.sleep(0)
    await owner.close()
    assert (task.get_name(), stopped, len(owner)) == ("owner.work", [True], 0)
    await owner.close()


async def test_what_fails_by_itself_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing dies unseen."""

    async def broken() -> None:
        raise ZeroDivisionError("oh")

    owner = TaskOwner("owner")
    owner.start("broken", broken())
    await asyncio.sleep(0.01)
    assert "task owner.broken failed" in caplog.text and "oh" in caplog.text


async def test_a_task_may_close_its_own_owner() -> None:
    """It ends the others and goes on to its own end."""
    owner, log = TaskOwner("owner"), []

    async def closer() -> None:
        await owner.close()
        log.append("closed")

    other = owner.start("other", asyncio.Event().wait())
    await owner.start("closer", closer())
    assert log == ["closed"] and other.cancelled()
