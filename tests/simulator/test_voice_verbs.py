"""What TwiML without a stream does: asked and answered by keys and speech, recorded, refused."""

from __future__ import annotations

import pytest
from starlette.responses import Response

from fakes.twilio_application import PUBLIC, TONE, Application, listen
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.audio.tones import detect_dtmf
from voice_runtime.audio.wav import read_wav
from voice_runtime.simulator import EndedBy, Line, listens, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus

# What a verb does is the same over the network: the tests of webhooks and sockets go both ways.
pytestmark = pytest.mark.in_process

VOICE = f"{PUBLIC}/voice"


def application(verbs: str, **documents: str | Response) -> Application:
    answers = {f"/{name}": answer for name, answer in documents.items()}
    return Application(listen, twiml=f"<Response>{verbs}</Response>", documents=answers)


def heard(record) -> str:
    return " ".join(word.text for word in read_spelling(record.ear))


def codes(record) -> list[int]:
    return [violation.code.value for violation in record.violations]


async def test_the_line_opens_when_the_call_is_answered(telephony) -> None:
    """Without any stream: digits that are played are heard, and the person may speak and hang up."""
    app = application("<Pause length='1'/><Play digits='1w2'/><Pause length='600'/>")
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.hear_out()

    record = await carrier.call(VOICE, caller)
    assert (detect_dtmf(record.ear), record.ended_by) == ("12", EndedBy.CALLER)
    assert record.seconds < 10


async def press(line: Line, keys: str) -> None:
    line.press(keys)
    await line.stay()


@pytest.mark.parametrize(
    ("attributes", "keys", "digits"),
    [
        ("numDigits='2'", "123", "12"),
        ("", "12#3", "12"),
        ("finishOnKey='*'", "1#*", "1#"),
        ("finishOnKey='' timeout='1'", "1#", "1#"),
        ("timeout='1'", "42", "42"),
    ],
)
async def test_gather_takes_keys(telephony, attributes: str, keys: str, digits: str) -> None:
    """To a number of them, a finishing key, or a pause; the action gets them, and what follows is not reached."""
    app = application(f"<Gather action='/next' {attributes}><Pause length='60'/></Gather><Redirect>/lost</Redirect>")
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(0.2)
        await press(line, keys)

    await carrier.call(VOICE, caller)
    (form,) = app.asked("/next")
    assert (form["Digits"], form["CallStatus"]) == (digits, "in-progress")


async def test_gather_takes_speech(telephony) -> None:
    """The words of the script, and a confidence."""
    app = application("<Gather input='dtmf speech' speechTimeout='auto' action='/next' method='GET'/>")
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(0.4)
        await line.say(TONE, "Yes please")
        await line.stay()

    record = await carrier.call(VOICE, caller)
    (form,) = app.asked("/next")
    assert form["SpeechResult"] == "Yes please"
    assert 0 < float(form["Confidence"]) <= 1
    assert record.seconds < 6


async def test_gather_does_not_understand_a_mumble(telephony) -> None:
    """Only what is said then."""
    app = application("<Gather input='speech' speechTimeout='1' action='/next'/><Redirect>/lost</Redirect>")

    async def caller(line: Line) -> None:
        await line.pause(0.4)
        await line.mumble(0.8)
        await line.say("Yes please")
        await line.stay()

    await (await telephony(app)).call(VOICE, caller)
    assert [form["SpeechResult"] for form in app.asked("/next")] == ["Yes please"]


async def test_gather_that_hears_nothing(telephony) -> None:
    """The next verb follows, or the action when it is wanted; a wrong verb inside is skipped."""
    app = application(
        "<Gather action='/lost' timeout='1'><Hangup/></Gather>"
        "<Gather action='/next' timeout='1' actionOnEmptyResult='true'/><Redirect>/lost</Redirect>"
    )
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([13320], EndedBy.TWIML)
    assert [form["Digits"] for form in app.asked("/next")] == [""]
    assert app.asked("/lost") == []


async def test_gather_without_action_asks_the_same_document_again(telephony) -> None:
    """As Twilio does: the current document's address is the default."""
    app = application("<Gather numDigits='1' timeout='1'/>")
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await press(line, "7")

    await carrier.call(VOICE, caller)
    assert [form.get("Digits", "") for form in app.asked("/voice")] == ["", "7"]


async def test_record_takes_a_message(telephony) -> None:
    """After the beep, until a key; the recording can be had, and its callback is told."""
    app = application("<Record action='/next' recordingStatusCallback='/status' playBeep='true'/>")
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say(TONE)
        await press(line, "#")

    record = await carrier.call(VOICE, caller)
    (form,), (told,) = app.asked("/next"), app.asked("/status")
    (recording,) = carrier.rest.recordings.values()
    assert form["RecordingUrl"] == told["RecordingUrl"] == f"https://api.twilio.com{recording.path}"
    assert (form["RecordingDuration"], form["Digits"], told["RecordingStatus"]) == ("1", "#", "completed")
    assert (told["RecordingSource"], told["CallSid"], told["RecordingChannels"]) == ("RecordVerb", record.sid, "1")
    wav = read_wav(recording.wav)
    assert (wav.encoding, wav.rate, wav.channels) == ("pcm16", 8000, 1)
    assert wav.duration == pytest.approx(1.0, abs=0.05)


async def test_record_ends_by_silence_length_or_hang_up(telephony) -> None:
    """A caller who says nothing goes on with the next verb; one who hangs up has left a message."""
    app = application(
        "<Record action='/lost' timeout='1'/><Record action='/next' maxLength='2' finishOnKey='' trim='do-not-trim'/>"
    )
    carrier = await telephony(app)

    async def caller(line: Line) -> None:
        await line.pause(2.5)
        await line.say(TONE * 9)
        await line.stay()

    await carrier.call(VOICE, caller)
    assert app.asked("/lost") == []
    assert [(form["RecordingDuration"], form["Digits"]) for form in app.asked("/next")] == [("2", "")]

    async def leaves(line: Line) -> None:
        await line.pause(1)
        await line.say(TONE)

    app.forms.clear()
    app.twiml = "<Response><Record action='/next'/></Response>"
    assert (await carrier.call(VOICE, leaves)).ended_by is EndedBy.CALLER
    assert [form["Digits"] for form in app.asked("/next")] == ["hangup"]


@pytest.mark.parametrize(
    ("verbs", "code"),
    [
        ("<Gahter/><Pause/>", 12200),
        ("<Enqueue>support</Enqueue>", 0),
        (f"<Say>{'x' * 4097}</Say>", 13520),
        ("<Play digits='5X'/>", 12200),
        (
            "<Connect><Stream url='wss://voice.example.com/media'>"
            f"<Parameter name='n' value='{'v' * 499}'/></Stream></Connect>",
            12200,
        ),
    ],
)
async def test_what_is_not_done_is_reported_and_skipped(telephony, verbs: str, code: int) -> None:
    """The next verb follows."""
    app = application(verbs + "<Redirect>/next</Redirect>")
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (codes(record), len(app.asked("/next")), app.sockets) == ([code], 1, [])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(b"<Response/>", headers={"content-type": ""}), [12300]),
        (Response(b"{}", media_type="application/json"), [12300]),
        (Response(b"<Response>" + b" " * 64_000 + b"</Response>", media_type="text/xml"), [11750]),
        (Response(b"Hello there", media_type="text/plain"), []),
        (Response(b"", media_type="audio/mpeg"), []),
        (Response(b"<Response><Redirect>/voice</Redirect></Response>", media_type="text/html"), []),
    ],
)
async def test_what_an_answer_may_be(telephony, answer: Response, expected: list[int]) -> None:
    """TwiML, plain text that is read aloud, audio that is played; anything else is an error."""
    app = application("<Hangup/>", first=answer)
    record = await (await telephony(app)).call(f"{PUBLIC}/first", waits_for_hang_up())
    assert codes(record) == expected
    assert (record.status, record.ended_by) == (
        CallStatus.COMPLETED,
        EndedBy.FAILED if expected else EndedBy.TWIML,
    )


async def test_the_fallback_is_asked_when_the_webhook_fails(telephony) -> None:
    """With the number of the error; its TwiML is done instead."""
    app = application("<Hangup/>", fallback="<Response><Play digits='5'/></Response>")
    carrier = await telephony(app)
    record = await carrier.call(f"{PUBLIC}/missing", waits_for_hang_up(), fallback_url=f"{PUBLIC}/fallback")
    (form,) = app.asked("/fallback")
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11200", f"{PUBLIC}/missing")
    assert (detect_dtmf(record.ear), record.ended_by) == ("5", EndedBy.TWIML)


async def test_one_call_too_many_is_busy(telephony) -> None:
    """10004; the application is not asked."""
    app = application("<Pause length='60'/>")
    carrier = await telephony(app)
    carrier.rest.limits.concurrent_calls = 1
    first = carrier.dial_in(VOICE, listens(2))
    assert (await carrier.call(VOICE, waits_for_hang_up())).status is CallStatus.BUSY
    assert [violation.code.value for violation in carrier.rest.violations] == [10004]
    await carrier.finished(first)
    assert len(app.asked("/voice")) == 1


async def test_the_caller_hears_an_apology_when_there_is_no_fallback(telephony) -> None:
    """And is hung up on."""
    app = application("<Pause length='1'/><Redirect>/missing</Redirect>")
    record = await (await telephony(app)).call(VOICE, listens(60))
    assert (codes(record), record.ended_by) == ([11200], EndedBy.FAILED)
    assert heard(record).endswith("an application error has occurred. goodbye.")


@pytest.mark.parametrize(
    "answer",
    [
        Response(
            "<Response><Gather timeout='1'><Say>Which city?</Say></Gather><Hangup/></Response>", 200, {}, "text/xml"
        ),
        Response("<Response><Say loop='1'>Which <emphasis>city?</emphasis></Say></Response>", 200, {}, "text/xml"),
        Response("Which city?", 200, {}, "text/plain"),
    ],
    ids=["prompt", "say", "plain text"],
)
async def test_what_is_said_can_be_read_from_the_sound(telephony, answer: Response) -> None:
    """The carrier's voice spells its words."""
    app = application("<Hangup/>", first=answer)
    record = await (await telephony(app)).call(f"{PUBLIC}/first", waits_for_hang_up())
    assert heard(record) == "which city?"
