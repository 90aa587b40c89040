"""Calls over real sockets to a small application: what it gets, in which order, and how calls end."""

from __future__ import annotations

import asyncio
import base64
import random

from twilio.request_validator import RequestValidator

from fakes.twilio_application import PUBLIC, TOKEN, TONE, Application, connect, echo, greet, lecture, listen
from voice_runtime.audio.measure import speech_spans
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.audio.tones import detect_dtmf
from voice_runtime.simulator import EndedBy, Line, Timeline, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus

VOICE = f"{PUBLIC}/voice"


async def test_the_webhook_is_signed_and_carries_the_whole_form(telephony) -> None:
    """Blank fields included, which is where careless validators fail."""
    app = Application(greet)
    carrier = await telephony(app)
    record = await carrier.call(VOICE, waits_for_hang_up(), caller="+15005550006", called="+15005550001", country="")
    path, form, signature = app.forms[0]
    assert RequestValidator(TOKEN).validate(VOICE, form, signature)
    assert (path, form["From"], form["To"], form["CallStatus"]) == ("/voice", "+15005550006", "+15005550001", "ringing")
    assert (form["CallSid"], form["AccountSid"], form["Direction"]) == (record.sid, carrier.rest.account_sid, "inbound")
    assert {name for name, value in form.items() if not value} >= {"FromCity", "CallerZip", "ToState", "CalledCountry"}


async def test_the_socket_is_signed_with_the_url_of_the_twiml(telephony) -> None:
    """Through a proxy that names the public host."""
    app = Application(greet)
    carrier = await telephony(app)
    await carrier.call(VOICE, waits_for_hang_up())
    headers = app.sockets[0].headers
    assert RequestValidator(TOKEN).validate("wss://voice.example.com/media", {}, headers["x-twilio-signature"])
    assert (headers["host"], headers["x-forwarded-proto"]) == ("voice.example.com", "https")


async def test_messages_come_in_order_and_whole(telephony) -> None:
    """connected, start, media, ..., stop: numbered without a gap, every field as documented."""
    app = Application(listen, parameters={"token": "k3y", "note": "a b"})
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(0.1)
        line.press("5#")
        await line.pause(0.4)

    record = await carrier.call(VOICE, caller)
    received = app.sockets[0].received
    stream, call, account = received[1]["streamSid"], record.sid, carrier.rest.account_sid
    assert received[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert received[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream,
        "start": {
            "accountSid": account,
            "streamSid": stream,
            "callSid": call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "k3y", "note": "a b"},
        },
    }
    media = app.events("media")[1]
    payload = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "/" * 213 + "w=="}
    assert media["media"] == payload
    assert [m["dtmf"] for m in app.events("dtmf")] == [
        {"track": "inbound_track", "digit": "5"},
        {"track": "inbound_track", "digit": "#"},
    ]
    stop = {"accountSid": account, "callSid": call}
    assert received[-1] == {
        "event": "stop",
        "sequenceNumber": str(len(received) - 1),
        "streamSid": stream,
        "stop": stop,
    }
    assert [m["sequenceNumber"] for m in received[1:]] == [str(n) for n in range(1, len(received))]
    assert (record.ended_by, record.violations, app.sockets[0].disconnected) == (EndedBy.CALLER, (), True)


async def test_a_frame_is_sent_every_20_ms(telephony) -> None:
    """On an absolute schedule: no frame is left out, however late each of them was."""
    app = Application(listen)
    carrier = await telephony(app)
    speech = random.Random(20).randbytes(4 * 8000)  # no two frames are alike

    async def caller(line: Line) -> None:
        while not app.events("media"):
            await line.pause(0.02)
        await line.say(speech)

    record = await carrier.call(VOICE, caller)
    media = [message["media"] for message in app.events("media")]
    assert [int(m["timestamp"]) for m in media] == [20 * n for n in range(len(media))]
    assert speech in b"".join(base64.b64decode(m["payload"]) for m in media)
    assert record.streams[0].frames_sent == len(media)


async def test_the_ear_hears_what_was_sent_and_the_mark_comes_back(telephony) -> None:
    """The application hangs up by closing its socket, after the mark: the second was heard to its end."""
    app = Application(greet)
    carrier = await telephony(app)
    record = await carrier.call(VOICE, waits_for_hang_up())
    assert TONE in record.ear
    assert [(m["mark"]) for m in app.events("mark")] == [{"name": "greeting"}]
    assert (record.status, record.ended_by) == (CallStatus.COMPLETED, EndedBy.TWIML)
    assert [v.code.value for v in record.faults] == [31921]
    assert len(record.ear) == len(record.mouth)


async def test_an_echo_is_heard_shortly_after(telephony) -> None:
    """Mouth and ear are on one clock."""
    carrier = await telephony(Application(echo))

    async def caller(line: Line) -> None:
        await line.pause(0.5)
        await line.say(TONE, "beep")
        await line.wait_until_agent_stops(300)

    record = await carrier.call(VOICE, caller)
    said, heard = speech_spans(record.mouth)[0], speech_spans(record.ear)[0]
    assert 480 <= said.start_ms < 1000  # the line opened before the stream
    assert 0 <= heard.start_ms - said.start_ms < 500
    assert "caller        beep" in record.transcript()


async def test_barge_in_clears_what_was_queued_and_returns_its_marks(telephony) -> None:
    """Silence at the ear soon after the first loud frame."""
    app = Application(lecture)
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.interrupt_after(1.5, TONE, "Stop!")
        await line.wait_until_agent_stops(300)

    record = await carrier.call(VOICE, caller)
    outcomes = [note.outcome.value for note in record.notes if note.outcome is not None]
    assert outcomes == ["played"] + ["cleared"] * 9
    assert [m["mark"]["name"] for m in app.events("mark")] == [f"lecture-{n}" for n in range(10)]
    (barge_in,) = Timeline.of(record.ear, record.mouth).barge_ins()
    assert 0 <= barge_in.latency_ms < 500
    assert record.streams[0].bytes_cleared > 8 * 8000


async def test_the_caller_hangs_up(telephony) -> None:
    """stop, then the socket closes; the number's status callback is told once."""
    app = Application(listen)
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(0.2)
        line.hang_up()
        await line.pause(100)

    record = await carrier.call(VOICE, caller, status_callback=f"{PUBLIC}/status")
    assert app.sockets[0].received[-1]["event"] == "stop"
    assert [(form["CallStatus"], form["SequenceNumber"]) for path, form, _ in app.forms if path == "/status"] == [
        ("completed", "0")
    ]
    assert [form["StreamEvent"] for path, form, _ in app.forms if path == "/stream"] == [
        "stream-started",
        "stream-stopped",
    ]
    for path, form, signature in app.forms:
        assert RequestValidator(TOKEN).validate(PUBLIC + path, form, signature)
    assert record.ended_by is EndedBy.CALLER


async def test_twiml_goes_on_when_the_server_closes_the_socket(telephony) -> None:
    """To the next verb, or to the action; a second stream is another one of the same call."""
    after = f"<Pause length='1'/><Redirect>{PUBLIC}/next</Redirect>"
    app = Application(
        greet, twiml=connect(after=connect().partition("<Response>")[2].partition("</Response>")[0] + after)
    )
    carrier = await telephony(app)
    record = await carrier.call(VOICE, waits_for_hang_up())
    assert [path for path, _, _ in app.forms if path in ("/voice", "/next")] == ["/voice", "/next"]
    assert len({stream.sid for stream in record.streams}) == 2
    assert len({m["start"]["callSid"] for m in app.events("start")}) == 1
    assert record.ear.count(TONE) == 2

    app.twiml = connect(attributes="action='/next'", after="<Pause length='1000'/>")
    assert (await carrier.call(VOICE, waits_for_hang_up())).ended_by is EndedBy.TWIML


async def test_a_rejected_call_is_never_answered(telephony) -> None:
    """And nobody speaks."""
    app = Application(greet, twiml="<Response><Reject reason='busy'/></Response>")
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (record.status, record.ended_by, record.ear) == (CallStatus.BUSY, EndedBy.REJECTED, b"")


async def test_pause_say_and_play_take_their_time(telephony) -> None:
    """Digits that TwiML plays after a stream are heard."""
    app = Application(
        greet, twiml=connect(after="<Say>A few words.</Say><Play digits='12'/><Hangup/><Pause length='99'/>")
    )
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert [word.text for word in read_spelling(record.ear)] == ["a", "few", "words."]
    assert detect_dtmf(record.ear) == "12"


async def test_many_calls_at_once(telephony) -> None:
    """Each hears its own."""
    app = Application(greet)
    carrier = await telephony(app, speed=2)
    records = await asyncio.gather(*(carrier.call(VOICE, waits_for_hang_up()) for _ in range(20)))
    assert len({record.sid for record in records}) == 20
    assert all(record.ear.count(TONE) == 1 and len(record.streams) == 1 for record in records)


async def test_leaving_the_carrier_ends_the_calls(telephony) -> None:
    """With a stop, and nothing is left running (the fixture looks)."""
    app = Application(listen)
    carrier = await telephony(app)
    opened = asyncio.Event()

    async def caller(line: Line) -> None:
        opened.set()
        await line.stay()

    call = carrier.dial_in(VOICE, caller)
    await opened.wait()
    await carrier.close()
    assert (await carrier.finished(call)).ended_by is EndedBy.CARRIER
    assert app.sockets[0].received[-1]["event"] == "stop"
