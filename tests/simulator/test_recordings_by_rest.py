"""Recordings that an application asks for by REST, of calls that are really carried."""

from __future__ import annotations

import asyncio

import httpx
from twilio.rest.api.v2010.account.call.recording import RecordingInstance

from fakes.twilio_application import PUBLIC, TOKEN, TONE, Application, greet, listen, serving
from fakes.twilio_sdk import sdk
from voice_runtime.audio.wav import read_wav
from voice_runtime.simulator import Line, Phone, rest_app, waits_for_hang_up

ALICE, BOB = "+358401234567", "+358942721000"


async def test_a_call_is_recorded_from_its_answer(telephony) -> None:
    """`record=True`: the file is there when the callback says so, and the last status callback names it."""
    app = Application(greet)
    carrier = await telephony(app)
    carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=0.1)
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)
        call = await asyncio.to_thread(
            client.calls.create,
            to=ALICE,
            from_=BOB,
            url=f"{PUBLIC}/voice",
            record=True,
            recording_channels="dual",
            trim="do-not-trim",
            recording_status_callback=f"{PUBLIC}/next",
            status_callback=f"{PUBLIC}/status",
        )
        record = await carrier.finished(call.sid)
        [recording] = await asyncio.to_thread(client.recordings.list, call_sid=call.sid)
        auth = (carrier.rest.account_sid, TOKEN)
        path = f"/2010-04-01/Accounts/{auth[0]}/Recordings/{recording.sid}.wav"
        async with httpx.AsyncClient(auth=auth) as web:
            file = (await web.get(api + path)).content
    assert (recording.status, recording.source, recording.channels) == ("completed", "OutboundAPI", 2)
    assert record.ear.count(TONE) == 1
    wav = read_wav(file)
    assert (wav.rate, wav.channels) == (8000, 2)
    told = {path: form for path, form, _ in app.forms}
    assert (told["/next"]["RecordingStatus"], told["/next"]["RecordingSid"]) == ("completed", recording.sid)
    assert told["/status"]["RecordingSid"] == recording.sid


async def test_a_live_call_is_recorded_in_part(telephony) -> None:
    """Started, paused without a trace, resumed, stopped."""
    carrier = await telephony(Application(listen))
    begun = asyncio.Event()

    async def caller(line: Line) -> None:
        begun.set()
        await line.stay()

    call = carrier.dial_in(f"{PUBLIC}/voice", caller)
    await begun.wait()
    async with serving(rest_app(carrier.rest)) as api:
        client = await sdk(carrier, api)

        def begin() -> RecordingInstance:
            return client.calls(call.sid).recordings.create(trim="do-not-trim")

        def rest(sid: str) -> list[str]:
            current = client.calls(call.sid).recordings("Twilio.CURRENT")
            seen = [current.update(status="paused", pause_behavior="skip").status]
            seen += [current.update(status="in-progress").status, current.update(status="stopped").status]
            return [*seen, client.recordings(sid).fetch().status]

        recording = await asyncio.to_thread(begin)
        await carrier.calls[call.sid].live.elapse(0.5)  # of nothing there would be no recording
        seen = [recording.status, *await asyncio.to_thread(rest, recording.sid)]
        assert seen == ["in-progress", "paused", "in-progress", "stopped", "completed"]
        await asyncio.to_thread(client.calls(call.sid).update, status="completed")
        await carrier.finished(call)
    [kept] = carrier.rest.recordings.values()
    assert kept.wav.startswith(b"RIFF")
