"""<Dial> to numbers and conferences: who hears whom, what the application is told, how it ends."""

from __future__ import annotations

import asyncio

import pytest

from fakes.twilio_application import PUBLIC, TONE, Application, listen
from voice_runtime.audio.tones import beep, detect_dtmf
from voice_runtime.audio.wav import read_wav
from voice_runtime.simulator import EndedBy, Line, Phone, listens, waits_for_hang_up
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.wire.twiml import Hangup

# What a verb does is the same over the network: the tests of webhooks and sockets go both ways.
pytestmark = pytest.mark.in_process

VOICE = f"{PUBLIC}/voice"
BOB = "+358501111111"


def application(verbs: str, **documents: str) -> Application:
    return Application(
        listen,
        twiml=f"<Response>{verbs}</Response>",
        documents={f"/{name}": f"<Response>{inside}</Response>" for name, inside in documents.items()},
    )


def codes(record) -> list[int]:
    return [violation.code.value for violation in record.violations]


async def speaks(line: Line) -> None:
    await line.pause(0.5)
    await line.say(TONE)
    await line.pause(0.5)


async def test_dial_joins_two_people(telephony) -> None:
    """Each hears the other; the child leg is a call of its own; the action is told how it went."""
    app = application(f"<Dial action='/next' record='record-from-answer-dual'>{BOB}</Dial><Redirect>/lost</Redirect>")
    carrier = await telephony(app)
    carrier.phones[BOB] = Phone(speaks, rings=1)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.2)
        line.press("5")
        await line.stay()

    record = await carrier.call(VOICE, caller, caller="+15005550006")
    (form,) = app.asked("/next")
    child = carrier.rest.calls[form["DialCallSid"]]
    assert (form["DialCallStatus"], form["DialBridged"], form["CallStatus"]) == ("completed", "true", "in-progress")
    assert 1 <= int(form["DialCallDuration"]) <= 4
    assert (child.direction, child.to, child.from_, child.status) == ("outbound-dial", BOB, "+15005550006", "completed")
    assert TONE[800:-800] in record.ear
    assert (record.violations, record.ended_by, app.asked("/lost")) == ((), EndedBy.TWIML, [])
    heard = await carrier.finished(child.sid)
    assert (detect_dtmf(heard.ear), heard.ended_by) == ("5", EndedBy.CALLER)
    (recording,) = carrier.rest.recordings.values()
    assert (recording.source, read_wav(recording.wav).channels) == ("DialVerb", 2)


@pytest.mark.parametrize(
    ("callee", "status"),
    [
        (Phone(outcome=CallStatus.BUSY), "busy"),
        (Phone(outcome=CallStatus.FAILED), "failed"),
        (Phone(rings=60), "no-answer"),
    ],
)
async def test_dial_that_is_not_answered(telephony, callee: Phone, status: str) -> None:
    """Without an action the next verb follows; the caller heard it ring."""
    app = application(
        f"<Dial timeout='5'><Number statusCallback='{PUBLIC}/status'"
        f" statusCallbackEvent='initiated ringing answered completed'>{BOB}</Number></Dial>"
        f"<Dial timeout='5' action='/next'>{BOB}</Dial>"
    )
    carrier = await telephony(app)
    carrier.phones[BOB] = callee
    record = await carrier.call(VOICE, waits_for_hang_up())
    (form,) = app.asked("/next")
    assert (form["DialCallStatus"], form["DialBridged"], "DialCallDuration" in form) == (status, "false", False)
    told = app.asked("/status")
    assert (told[0]["CallStatus"], told[-1]["CallStatus"]) == ("initiated", status)
    assert {form["ParentCallSid"] for form in told} == {record.sid}


async def test_the_first_to_answer_is_joined(telephony) -> None:
    """The others stop ringing."""
    other = "+358502222222"
    app = application(f"<Dial action='/next'><Number>{BOB}</Number><Number>{other}</Number></Dial>")
    carrier = await telephony(app)
    carrier.phones |= {BOB: Phone(listens(2), rings=1), other: Phone(rings=20)}
    await carrier.call(VOICE, waits_for_hang_up())
    (form,) = app.asked("/next")
    calls = {call.to: call for call in carrier.rest.calls.values()}
    assert (form["DialCallSid"], calls[BOB].status, calls[other].status) == (calls[BOB].sid, "completed", "canceled")


async def test_a_whisper_is_for_the_callee_only(telephony) -> None:
    """Before the two are joined; hanging up there declines."""
    app = application(
        f"<Dial><Number url='/whisper' sendDigits='9'>{BOB}</Number></Dial><Redirect>/next</Redirect>",
        whisper="<Gather numDigits='1' action='/chosen'><Play digits='1'/></Gather><Hangup/>",
        chosen="<Dial>+1500555</Dial><Pause length='1'/>",
    )
    carrier = await telephony(app)

    async def accepts(line: Line) -> None:
        await line.hear_out()
        line.press("1")
        await line.pause(3)

    carrier.phones[BOB] = Phone(accepts)
    record = await carrier.call(VOICE, waits_for_hang_up())
    (form,) = app.asked("/chosen")
    heard = await carrier.finished(form["CallSid"])
    assert (form["Direction"], form["ParentCallSid"], form["Digits"]) == ("outbound-dial", record.sid, "1")
    assert (detect_dtmf(heard.ear), detect_dtmf(record.ear), codes(heard)) == ("91", "", [13201])

    carrier.phones[BOB] = Phone(listens(60))
    assert (await carrier.call(VOICE, waits_for_hang_up())).ended_by is EndedBy.TWIML
    assert len(app.asked("/next")) == 2


@pytest.mark.parametrize("attributes", ["timeLimit='2'", "hangupOnStar='true'"])
async def test_a_dial_ends_before_its_people_do(telephony, attributes: str) -> None:
    """By its time limit, or the caller's star: the callee is hung up, the caller goes on."""
    app = application(f"<Dial {attributes}>{BOB}</Dial><Redirect>/next</Redirect>")
    carrier = await telephony(app)
    carrier.phones[BOB] = Phone(rings=0.5)

    async def caller(line: Line) -> None:
        await line.pause(2)
        line.press("*")
        await line.stay()

    assert (await carrier.call(VOICE, caller)).ended_by is EndedBy.TWIML
    assert len(app.asked("/next")) == 1
    (child,) = [call for call in carrier.rest.calls.values() if call.direction == "outbound-dial"]
    assert (await carrier.finished(child.sid)).ended_by is EndedBy.TWIML


async def test_answer_on_bridge_answers_when_the_callee_does(telephony) -> None:
    """Until then the call rings; unanswered, the next verb answers it."""
    app = application(f"<Dial answerOnBridge='true' action='/next'>{BOB}</Dial>")
    carrier = await telephony(app)
    carrier.phones[BOB] = Phone(listens(1), rings=5)
    record = await carrier.call(VOICE, waits_for_hang_up())
    assert record.seconds < 4
    carrier.phones[BOB] = Phone(outcome=CallStatus.BUSY)
    record = await carrier.call(VOICE, waits_for_hang_up())
    assert [form["CallStatus"] for form in app.asked("/next")] == ["in-progress", "ringing"]


async def test_new_twiml_tears_a_dial_down(telephony) -> None:
    """Its action is requested, and what that answers is not done."""
    app = application(f"<Dial action='/next'>{BOB}</Dial>", next="<Redirect>/lost</Redirect>")
    carrier = await telephony(app)
    joined = asyncio.Event()

    async def callee(line: Line) -> None:
        joined.set()
        await line.stay()

    carrier.phones[BOB] = Phone(callee)
    call = carrier.dial_in(VOICE, waits_for_hang_up())
    await joined.wait()
    call.replace(Document(verbs=(Hangup(),)))
    assert (await carrier.finished(call)).ended_by is EndedBy.TWIML
    await carrier.close()
    assert (len(app.asked("/next")), app.asked("/lost")) == (1, [])
    assert app.asked("/next")[0]["DialCallStatus"] in ("completed", "canceled")


async def test_a_number_that_is_none(telephony) -> None:
    """13223, and the next verb."""
    record = await (await telephony(application("<Dial>home</Dial>"))).call(VOICE, waits_for_hang_up())
    assert (codes(record), record.ended_by) == ([13223], EndedBy.TWIML)


# -- conferences ------------------------------------------------------------------------------------------------------

EVENTS = "statusCallback='/status' statusCallbackEvent='start end join leave'"


async def test_everybody_in_a_conference_hears_the_others(telephony) -> None:
    """Nobody hears himself; the events are told to the first one's callback, and numbered."""
    app = application(
        f"<Dial action='/next'><Conference beep='false' waitUrl='' {EVENTS}>room</Conference></Dial>",
        second="<Dial><Conference beep='false' statusCallback='/lost' statusCallbackEvent='join'>room</Conference>"
        "</Dial>",
    )
    carrier = await telephony(app)

    inside = asyncio.Event()

    async def one(line: Line) -> None:
        inside.set()
        await line.pause(3)
        await line.say(beep(600, 500))
        await line.pause(3)

    async def two(line: Line) -> None:
        await line.pause(1.5)
        await line.say(beep(1500, 500))
        await line.pause(2)

    first = carrier.dial_in(VOICE, one)
    await inside.wait()
    second = await carrier.call(f"{PUBLIC}/second", two)
    record = await carrier.finished(first)
    await carrier.close()
    assert beep(1500, 500)[800:-800] in record.ear and beep(600, 500)[800:-800] in second.ear
    assert beep(600, 500)[800:-800] not in record.ear and beep(1500, 500)[800:-800] not in second.ear
    told = app.asked("/status")
    assert {form["StatusCallbackEvent"] for form in told} == {
        "participant-join",
        "conference-start",
        "participant-leave",
        "conference-end",
    }
    assert sorted(int(form["SequenceNumber"]) for form in told) == list(range(1, 7))
    (end,) = [form for form in told if form["StatusCallbackEvent"] == "conference-end"]
    assert end["ReasonConferenceEnded"] == "last-participant-left"
    assert app.asked("/lost") == []
    assert app.asked("/next")[0]["DialCallStatus"] == "answered"


async def test_a_conference_waits_for_its_moderator_and_ends_with_it(telephony) -> None:
    """Music until then; a muted one is not heard; everybody's call goes on after the end."""
    app = application(
        "<Dial><Conference startConferenceOnEnter='false' muted='true'>room</Conference></Dial>"
        "<Redirect>/next</Redirect>",
        second="<Dial><Conference endConferenceOnExit='true' beep='false'>room</Conference></Dial>",
    )
    carrier = await telephony(app)

    inside = asyncio.Event()

    async def guest(line: Line) -> None:
        inside.set()
        await line.hear_out(quiet_ms=100)
        await line.pause(2)
        await line.say(TONE)
        await line.stay()

    first = carrier.dial_in(VOICE, guest)
    await inside.wait()
    moderator = await carrier.call(f"{PUBLIC}/second", listens(5))
    record = await carrier.finished(first)
    assert (record.ended_by, len(app.asked("/next"))) == (EndedBy.TWIML, 1)
    assert TONE[800:-800] not in moderator.ear


async def test_a_conference_that_is_full_or_knows_the_label(telephony) -> None:
    """Who comes too late is not let in."""
    app = application(
        "<Dial><Conference participantLabel='bot'>room</Conference></Dial>",
        full="<Dial><Conference maxParticipants='1'>room</Conference></Dial>",
        same="<Dial><Conference participantLabel='bot'>room</Conference></Dial>",
    )
    carrier = await telephony(app)
    inside = asyncio.Event()

    async def stays(line: Line) -> None:
        inside.set()
        await line.stay()

    first = carrier.dial_in(VOICE, stays)
    await inside.wait()
    assert codes(await carrier.call(f"{PUBLIC}/full", waits_for_hang_up())) == [16020]
    assert codes(await carrier.call(f"{PUBLIC}/same", waits_for_hang_up())) == [16025]
    first.hang_up()
    await carrier.finished(first)


async def test_sms_in_a_voice_call(telephony) -> None:
    """To the caller; the action is told the message's id."""
    app = application("<Sms action='/next'>On our way</Sms>")
    carrier = await telephony(app)
    await carrier.call(VOICE, waits_for_hang_up(), caller="+15005550006")
    (message,) = carrier.rest.messages.values()
    assert (message.to, message.body, app.asked("/next")[0]["MessageSid"]) == (
        "+15005550006",
        "On our way",
        message.sid,
    )
