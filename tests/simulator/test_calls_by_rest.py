"""Calls that an application places, changes and ends with Twilio's own SDK."""

from __future__ import annotations

import asyncio

from twilio.request_validator import RequestValidator

from fakes.twilio_application import PUBLIC, TOKEN, TONE, Application, Socket, connect, greet, listen, serving
from fakes.twilio_sdk import sdk
from voice_runtime.simulator import EndedBy, Line, Phone, listens, rest_app, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus

ALICE, BOB = "+358401234567", "+358942721000"
EVENTS = ["initiated", "ringing", "answered", "completed"]


async def test_the_sdk_places_a_call_and_the_phone_is_answered(telephony) -> None:
    """With every status callback, numbered and signed, and the person hears what the application says."""
    app = Application(greet)
    carrier = await telephony(app)
    carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=2.0)
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        call = await asyncio.to_thread(
            client.calls.create,
            to=ALICE,
            from_=BOB,
            url=f"{PUBLIC}/voice",
            status_callback=f"{PUBLIC}/status",
            status_callback_event=EVENTS,
        )
        assert call.status == "queued"
        record = await carrier.finished(call.sid)
        assert (await asyncio.to_thread(client.calls(call.sid).fetch)).status == "completed"
    assert (record.direction, record.status, record.ear.count(TONE)) == ("outbound-api", CallStatus.COMPLETED, 1)
    told = [form for path, form, _ in app.forms if path == "/status"]
    assert [form["CallStatus"] for form in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
    assert {form["CallSid"] for form in told} == {call.sid}
    assert all(RequestValidator(TOKEN).validate(PUBLIC + path, form, sign) for path, form, sign in app.forms)


async def test_the_sdk_ends_a_live_call(telephony) -> None:
    """stop, then the socket closes."""
    app = Application(listen)
    carrier = await telephony(app)
    opened = asyncio.Event()

    async def caller(line: Line) -> None:
        opened.set()
        await line.stay()

    call = carrier.dial_in(f"{PUBLIC}/voice", caller)
    await opened.wait()
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        updated = await asyncio.to_thread(client.calls(call.sid).update, status="completed")
        record = await carrier.finished(call)
    assert (updated.status, record.ended_by) == ("completed", EndedBy.REST)
    assert (app.sockets[0].received[-1]["event"], app.sockets[0].disconnected) == ("stop", True)
    assert record.violations == ()


async def test_new_twiml_replaces_what_the_call_does(telephony) -> None:
    """The stream stops; here another one follows."""
    opened = asyncio.Event()

    async def listen_then_greet(call: Socket) -> None:
        if opened.is_set():
            await greet(call)
            return
        opened.set()
        await listen(call)

    carrier = await telephony(Application(listen_then_greet))
    call = carrier.dial_in(f"{PUBLIC}/voice", waits_for_hang_up())
    await opened.wait()
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        await asyncio.to_thread(client.calls(call.sid).update, twiml=connect())
        record = await carrier.finished(call)
    assert [stream.end.value for stream in record.streams] == ["stopped", "server_closed"]
    assert (record.ended_by, record.ear.count(TONE)) == (EndedBy.TWIML, 1)


async def test_phones_that_are_not_answered(telephony) -> None:
    """Busy, out of order, nobody at home, no such number: each has its final status."""
    app = Application(greet)
    carrier = await telephony(app, speed=100)
    carrier.phones |= {
        "+15005550001": Phone(outcome=CallStatus.BUSY),
        "+15005550002": Phone(outcome=CallStatus.FAILED),
        "+15005550003": Phone(listens(1), rings=30),
    }
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        ends = []
        for number in ("+15005550001", "+15005550002", "+15005550003", "+15005550004"):
            call = await asyncio.to_thread(
                client.calls.create,
                to=number,
                from_=BOB,
                twiml=connect(),
                timeout=10,
                status_callback=f"{PUBLIC}/status",
            )
            ends.append((await carrier.finished(call.sid)).status.value)
    assert ends == ["busy", "failed", "no-answer", "no-answer"]
    assert [form["CallStatus"] for _, form, _ in app.forms] == ends


async def test_a_live_call_gets_other_terms(telephony) -> None:
    """A fallback address, a callback and a time limit that `update` names count from then on."""
    app = Application(listen, documents={"/fallback": "<Response><Pause length='600'/></Response>"})
    carrier = await telephony(app)
    opened = asyncio.Event()

    async def caller(line: Line) -> None:
        opened.set()
        await line.stay()

    call = carrier.dial_in(f"{PUBLIC}/voice", caller, status_callback=f"{PUBLIC}/status")
    await opened.wait()
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        await asyncio.to_thread(client.calls(call.sid).update, time_limit=5, status_callback=f"{PUBLIC}/next")
        changed = {"url": f"{PUBLIC}/missing", "fallback_url": f"{PUBLIC}/fallback"}
        await asyncio.to_thread(client.calls(call.sid).update, **changed)
        record = await carrier.finished(call)
    assert record.ended_by is EndedBy.TIME_LIMIT and record.seconds < 6
    assert [form["ErrorUrl"] for form in app.asked("/fallback")] == [f"{PUBLIC}/missing"]
    assert (len(app.asked("/status")), [form["CallStatus"] for form in app.asked("/next")]) == (0, ["completed"])
