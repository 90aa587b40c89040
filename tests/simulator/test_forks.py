"""<Start><Stream>: a copy of the audio, while the call goes on."""

from __future__ import annotations

import base64

from fakes.twilio_application import PUBLIC, TONE, Application, Socket, listen
from voice_runtime.audio.measure import speech_spans
from voice_runtime.audio.tones import detect_dtmf
from voice_runtime.simulator import EndedBy, Line, listens, waits_for_hang_up

VOICE = f"{PUBLIC}/voice"


def start(track: str, name: str = "copy") -> str:
    stream = f'<Stream url="wss://voice.example.com/media" name="{name}" track="{track}" statusCallback="/stream"/>'
    return f"<Start>{stream}</Start>".replace("/stream", f"{PUBLIC}/stream")


def heard(app: Application, track: str) -> bytes:
    media = [message["media"] for message in app.events("media")]
    return b"".join(base64.b64decode(m["payload"]) for m in media if m["track"] == track)


def codes(record) -> list[int]:
    return [violation.code.value for violation in record.violations]


async def test_both_tracks_while_the_call_goes_on(telephony) -> None:
    """What the caller says and hears; the stream ends with <Stop>, the call does not."""
    verbs = f"{start('both_tracks')}<Pause length='1'/><Play digits='42'/><Pause length='1'/>"
    app = Application(
        listen, twiml=f"<Response>{verbs}<Stop><Stream name='copy'/></Stop><Pause length='1'/></Response>"
    )
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(0.5)
        await line.say(TONE[:2400])
        await line.stay()

    record = await carrier.call(VOICE, caller)
    assert app.events("start")[0]["start"]["tracks"] == ["inbound", "outbound"]
    assert detect_dtmf(heard(app, "outbound")) == "42"
    assert len(speech_spans(heard(app, "inbound"))) == 1
    assert app.sockets[0].received[-1]["event"] == "stop"
    assert [form["StreamEvent"] for form in app.asked("/stream")] == ["stream-started", "stream-stopped"]
    assert (record.ended_by, codes(record)) == (EndedBy.TWIML, [])
    assert 80 < record.streams[0].frames_sent < 160


async def test_a_unidirectional_stream_takes_nothing(telephony) -> None:
    """Whatever is sent there is 31924, and ends it; a track that there is not is 31941."""

    async def talks_back(call: Socket) -> None:
        await call.play(TONE)
        await listen(call)

    verbs = start("inbound_track") + start("everything", "other") + "<Pause length='2'/>"
    app = Application(talks_back, twiml=f"<Response>{verbs}</Response>")
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert sorted(codes(record)) == [31924, 31941]
    assert record.ended_by is EndedBy.TWIML


async def test_a_stream_survives_new_documents_and_ends_with_the_call(telephony) -> None:
    """One socket, one stop."""
    app = Application(
        listen,
        twiml=f"<Response>{start('inbound_track')}<Redirect>/next</Redirect></Response>",
        documents={"/next": "<Response><Pause length='9'/></Response>"},
    )
    record = await (await telephony(app)).call(VOICE, listens(2))
    assert (len(app.sockets), app.sockets[0].received[-1]["event"]) == (1, "stop")
    assert (record.ended_by, codes(record)) == (EndedBy.CALLER, [])
