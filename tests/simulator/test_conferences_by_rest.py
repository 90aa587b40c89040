"""Conferences that an application fills and changes with Twilio's own SDK."""

from __future__ import annotations

import asyncio

from twilio.rest import Client

from fakes.twilio_application import PUBLIC, TOKEN, TONE, Application, listen, serving
from voice_runtime.audio.tones import detect_dtmf
from voice_runtime.simulator import EndedBy, Line, Phone, rest_app

VOICE = f"{PUBLIC}/voice"
ALICE, BOB = "+358401234567", "+358942721000"


async def test_a_participant_is_dialled_muted_told_and_removed(telephony) -> None:
    """The room's events go to the first participant's callback."""
    told = f"statusCallback='{PUBLIC}/status' statusCallbackEvent='join leave mute hold'"
    room = f"<Conference beep='false' {told}>room</Conference>"
    app = Application(
        listen,
        twiml=f"<Response><Dial>{room}</Dial></Response>",
        documents={"/tell": "<Response><Play digits='7'/></Response>"},
    )
    carrier = await telephony(app)
    inside, joined = asyncio.Event(), asyncio.Event()

    async def caller(line: Line) -> None:
        inside.set()
        await line.stay()

    async def agent(line: Line) -> None:
        joined.set()
        await line.hear_out()
        await line.stay()

    carrier.phones[ALICE] = Phone(agent, rings=0.2)
    call = carrier.dial_in(VOICE, caller)
    await inside.wait()
    async with serving(rest_app(carrier.rest)) as api:
        client = await asyncio.to_thread(Client, carrier.rest.account_sid, TOKEN)
        client.api.base_url = api
        (conference,) = await asyncio.to_thread(client.conferences.list, friendly_name="room")
        people = client.conferences(conference.sid).participants
        one = await asyncio.to_thread(people.create, from_=BOB, to=ALICE, label="agent", beep="false")
        await joined.wait()
        updated = await asyncio.to_thread(people("agent").update, muted=True, announce_url=f"{PUBLIC}/tell")
        assert updated.muted
        await carrier.calls[one.call_sid].live.elapse(1)  # the announcement is heard: hold would end it
        assert (await asyncio.to_thread(people("agent").update, hold=True)).hold
        assert not (await asyncio.to_thread(people("agent").update, hold=False)).hold
        listed = await asyncio.to_thread(people.list)
        assert {p.call_sid for p in listed} == {call.sid, one.call_sid}
        while not any(form["StatusCallbackEvent"] == "participant-mute" for form in app.asked("/status")):
            await asyncio.to_thread(people.list)
        await asyncio.to_thread(people("agent").delete)
        record = await carrier.finished(one.call_sid)
        assert (record.ended_by, detect_dtmf(record.ear)) == (EndedBy.REST, "7")
        await asyncio.to_thread(client.conferences(conference.sid).update, status="completed")
        assert (await carrier.finished(call)).ended_by is EndedBy.TWIML
    events = [form["StatusCallbackEvent"] for form in app.asked("/status")]
    held = ["participant-hold"], ["participant-mute", "participant-unhold"]
    assert sorted(events) == held[0] + ["participant-join"] * 2 + ["participant-leave"] * 2 + held[1]
    assert TONE not in record.ear
