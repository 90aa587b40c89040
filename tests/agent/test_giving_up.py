"""An agent that cannot go on gives the caller to somebody who can help, if there is somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent_world import Remembering, desk, ear, says

from voice_runtime.agent import Limits
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.llm import Turn
from voice_runtime.simulator import CallRecord, Line, Phone
from voice_runtime.simulator.rest import FAULTS
from voice_runtime.testing import PhoneSystem, PhoneTests

HELPLINE = "+15551230009"
WHY = "brain: ConnectionError('the model is gone')"


async def brain(turn: Turn) -> AsyncIterator[str]:
    raise ConnectionError("the model is gone")
    yield ""


async def caller(line: Line) -> None:
    for _ in range(2):
        await says(line, "hello i need help")
        await line.hear_out(quiet_ms=1500)
    await line.stay()


async def somebody(line: Line) -> None:
    await says(line, "helpline here")
    await line.pause(1)


def helped(phone: PhoneTests, agent: Remembering, *, rest: tuple[str, ...] = ()) -> CallRecord:
    async def scenario(system: PhoneSystem) -> CallRecord:
        system.phones[HELPLINE] = Phone(somebody)
        system.carrier.rest.fail_next(*(FAULTS[name] for name in rest))
        return await system.call(caller)

    return phone.run(scenario, desk(agent))


def test_after_too_many_failures_the_caller_is_transferred(phone: PhoneTests) -> None:
    """They hear so first. The end of the agent's part of the call says why."""
    agent = Remembering(brain, limits=Limits(transfer_to=HELPLINE))
    record = helped(phone, agent)
    assert ear(record).endswith("i am connecting you to somebody who can help. helpline here")
    assert agent.end == CallEnd(EndReason.TRANSFERRED, WHY)


def test_a_transfer_that_fails_ends_with_the_goodbye(phone: PhoneTests) -> None:
    """The carrier's API is down, too."""
    agent = Remembering(brain, limits=Limits(transfer_to=HELPLINE))
    record = helped(phone, agent, rest=("server-error",))
    assert ear(record).endswith("please call again later. goodbye.")
    assert agent.end == CallEnd(EndReason.PROVIDER_FAILED, WHY)
