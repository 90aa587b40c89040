"""Callbacks, webhooks and REST requests that come twice, too late, in the wrong order, or to nothing."""

from __future__ import annotations

import asyncio

import pytest
from faulty_calls import Agent

from voice_runtime import VoiceSession
from voice_runtime.events import EndReason, Fault
from voice_runtime.mock import MockTts
from voice_runtime.simulator import BadDay, EndedBy, ViolationCode, listens
from voice_runtime.simulator.rest import FAULTS
from voice_runtime.testing import PhoneSystem, PhoneTests

HELLO = MockTts.render("hello")


async def greets(call: VoiceSession) -> None:
    await call.say("hello")


@pytest.mark.parametrize(
    "day",
    [BadDay(lost_callbacks=1.0), BadDay(doubled_callbacks=1.0), BadDay(late_callbacks=1.0)],
    ids=["lost", "doubled", "late"],
)
def test_callbacks_that_go_astray_keep_no_place(phone: PhoneTests, day: BadDay) -> None:
    """Two calls one after the other, for one place: the second is answered, and nothing is left over."""
    agent = Agent(greets)

    async def twice(system: PhoneSystem) -> None:
        for _ in range(2):
            record = await system.call(listens(30), bad_day=day)
            assert HELLO in record.ear
        assert not agent.app.switchboard.calls

    phone.options = {"settings": {"voice_max_calls": 1}}
    phone.run(twice, agent.app)
    assert agent.ends == [(EndReason.HANDLER_RETURNED, Fault.AGENT)] * 2


def test_a_call_that_is_reported_over_while_it_lives_is_ended(phone: PhoneTests) -> None:
    """`completed` comes before the stream has ended: the carrier knows best, and there is one end."""
    agent = Agent(waits)

    async def scenario(system: PhoneSystem) -> None:
        call = system.dial_in(listens(20))
        await asyncio.sleep(3)
        call.live.reports.call("completed", "completed", 3.0)
        await system.finished(call)

    phone.run(scenario, agent.app)
    assert agent.ends == [(EndReason.CALLER_HUNG_UP, Fault.CALLER)]


async def waits(call: VoiceSession) -> None:
    await call.say("hello")
    await call.wait_ended()


def test_a_webhook_that_comes_twice_is_one_call(phone: PhoneTests) -> None:
    """The first answer was lost: the second has a stream too, and the call takes one place and not two."""
    agent = Agent(greets)
    phone.options = {"settings": {"voice_max_calls": 1}}
    record = phone.call(agent.app, listens(30), bad_day=BadDay(webhook_twice=True))
    assert HELLO in record.ear and agent.ends == [(EndReason.HANDLER_RETURNED, Fault.AGENT)]


def test_a_webhook_that_the_carrier_gave_up_keeps_no_place(phone: PhoneTests) -> None:
    """The caller hears the carrier's apology, no handler runs, and the place is free for the next call."""
    agent = Agent(greets)

    async def scenario(system: PhoneSystem) -> None:
        lost = await system.call(listens(30), bad_day=BadDay(gives_up_on_webhook=True))
        assert lost.ended_by is EndedBy.FAILED and HELLO not in lost.ear
        assert HELLO in (await system.call(listens(30))).ear

    phone.expect(ViolationCode.TWIML_UNREACHABLE)
    phone.options = {"settings": {"voice_max_calls": 1}}
    phone.run(scenario, agent.app)
    assert len(agent.ends) == 1


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_hang_up_that_rest_fails_still_ends_the_call(phone: PhoneTests, fault: str) -> None:
    """Whatever the API does, the caller is off the line soon: by REST, or because the socket is closed."""
    phone.expect(ViolationCode.SERVER_CLOSED)
    agent = Agent(greets)
    record = phone.call(agent.app, listens(300), bad_day=BadDay(rest=(fault,)))
    assert HELLO in record.ear and record.seconds < 60
    assert record.ended_by in (EndedBy.REST, EndedBy.TWIML)
    assert agent.ends == [(EndReason.HANDLER_RETURNED, Fault.AGENT)]
