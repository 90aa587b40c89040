"""What an account may do at once, and its own numbers."""

from __future__ import annotations

import asyncio

import pytest
from twilio.rest import Client

from fakes.twilio_application import PUBLIC, TOKEN, Application, greet, listen, serving
from voice_runtime.simulator import Phone, ViolationCode, rest_app, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus, Limits

ALICE, BOB = "+358401234567", "+358942721000"


async def place(carrier, api: str, count: int) -> list:
    client = await asyncio.to_thread(Client, carrier.rest.account_sid, TOKEN)
    client.api.base_url = api

    def all_at_once() -> list:
        return [client.calls.create(to=ALICE, from_=BOB, url=f"{PUBLIC}/voice") for _ in range(count)]

    return await asyncio.to_thread(all_at_once)


async def test_calls_wait_for_their_turn(telephony) -> None:
    """One in ten seconds here: the others are queued, not refused, and say for how long."""
    carrier = await telephony(Application(greet), speed=50)
    carrier.rest.limits = Limits(calls_per_second=0.1)
    carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=0.1)
    async with serving(rest_app(carrier.rest)) as api:
        made = await place(carrier, api, 3)
        assert {call.status for call in made} == {"queued"}
        records = [await carrier.finished(call.sid) for call in made]
    calls = [carrier.rest.calls[record.sid] for record in records]
    assert {record.status for record in records} == {CallStatus.COMPLETED}
    waits = [call.queue_time for call in calls]
    assert waits[0] == 0 < waits[1] < waits[2] <= 20_000
    assert calls[2].as_json()["queue_time"] == str(waits[2])
    answered = [call.started for call in calls]
    assert answered[1] - answered[0] > 5 and answered[2] - answered[1] > 5


async def test_a_call_is_cancelled_in_the_queue(telephony) -> None:
    """It never rings."""
    carrier = await telephony(Application(greet), speed=20)
    rung = []

    async def answers(line) -> None:
        rung.append(line)
        await line.stay()

    carrier.phones[ALICE] = Phone(answers)
    carrier.rest.limits = Limits(calls_per_second=0.1)
    async with serving(rest_app(carrier.rest)) as api:
        _, second = await place(carrier, api, 2)
        await asyncio.to_thread(second.update, status="canceled")
        assert (await carrier.finished(second.sid)).status is CallStatus.CANCELED
        assert not carrier.rest.calls[second.sid].started


async def test_one_call_too_many(telephony) -> None:
    """It fails, and 10004 is noted; the one before goes on."""
    carrier = await telephony(Application(listen), speed=20)
    carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=0.1)
    carrier.rest.limits = Limits(calls_per_second=None, concurrent_calls=1)
    async with serving(rest_app(carrier.rest)) as api:
        first, second = await place(carrier, api, 2)
        assert (await carrier.finished(second.sid)).status is CallStatus.FAILED
        assert [violation.code for violation in carrier.rest.violations] == [ViolationCode.CONCURRENCY_LIMIT]
        await asyncio.to_thread(first.update, status="completed")
        assert (await carrier.finished(first.sid)).status is CallStatus.COMPLETED


async def test_a_number_knows_where_its_calls_go(telephony) -> None:
    """VoiceUrl and StatusCallback; a number without one cannot be rung."""
    app = Application(greet)
    carrier = await telephony(app)
    carrier.rest.add_number(BOB, voice_url=f"{PUBLIC}/voice", status_callback=f"{PUBLIC}/status")
    record = await carrier.finished(carrier.ring(BOB, waits_for_hang_up(), caller=ALICE))
    assert record.status is CallStatus.COMPLETED
    assert {"/voice", "/status"} <= {path for path, _, _ in app.forms}
    with pytest.raises(ValueError, match="VoiceUrl"):
        carrier.ring("+1999", waits_for_hang_up())
