"""What the call does when its media socket ends, or something else ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fakes.twilio_application import PUBLIC, TONE, Application, Socket, connect, greet, listen
from voice_runtime.simulator import EndedBy, Line, listens, waits_for_hang_up
from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.wire.twiml import parse_twiml

pytestmark = pytest.mark.in_process

VOICE = f"{PUBLIC}/voice"
GOES_ON = "<Pause length='1'/><Redirect>/next</Redirect>"


async def crash(call: Socket) -> None:
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("answer", "refuse", "code", "events"),
    [
        (greet, False, 31921, ["stream-started", "stream-stopped"]),
        (crash, False, 31903, ["stream-started", "stream-stopped"]),
        (listen, True, 31920, ["stream-error"]),
    ],
    ids=["closed", "broken", "refused"],
)
@pytest.mark.parametrize("way", ["action", "next verb", "nothing"])
async def test_the_server_ends_it(telephony, way: str, answer, refuse: bool, code: int, events: list[str]) -> None:
    """The action is asked, else the next verb follows, else the call is over."""
    attributes = "action='/next'" if way == "action" else ""
    app = Application(answer, twiml=connect(None, attributes, GOES_ON if way == "next verb" else ""), refuse=refuse)
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert (record.ended_by, [violation.code.value for violation in record.violations]) == (EndedBy.TWIML, [code])
    assert len(app.asked("/next")) == (way != "nothing")
    assert [form["StreamEvent"] for form in app.asked("/stream")] == events


async def test_a_server_that_does_nothing_keeps_the_caller(telephony) -> None:
    """In silence: nobody watches but the caller."""
    record = await (await telephony(Application(listen))).call(VOICE, listens(20))
    assert (record.ended_by, set(record.ear)) == (EndedBy.CALLER, {0xFF})


async def test_a_redirect_after_the_stream_opens_a_new_one(telephony) -> None:
    """Another stream of the same call: that is how to reconnect."""
    told = []

    async def once_more(call: Socket) -> None:
        told.append(call.received[1]["start"])
        await (greet if len(told) == 2 else crash)(call)

    app = Application(once_more, twiml=connect(after="<Redirect>/again</Redirect>"), documents={"/again": connect()})
    record = await (await telephony(app)).call(VOICE, waits_for_hang_up())
    assert len({start["streamSid"] for start in told}) == 2 and {start["callSid"] for start in told} == {record.sid}
    assert record.ear.count(TONE) == 1


def replaced(call: PhoneCall) -> None:
    call.replace(Document(verbs=tuple(parse_twiml("<Response><Pause length='1'/></Response>"))))


def ended(call: PhoneCall) -> None:
    call.hang_up(EndedBy.REST, CallStatus.COMPLETED)


@pytest.mark.parametrize(
    ("order", "by"),
    [(PhoneCall.hang_up, EndedBy.CALLER), (replaced, EndedBy.TWIML), (ended, EndedBy.REST)],
    ids=["caller hangs up", "new TwiML", "completed by REST"],
)
async def test_the_carrier_ends_it(telephony, order: Callable[[PhoneCall], None], by: EndedBy) -> None:
    """`stop`, then the socket closes; what follows in the TwiML is not reached."""
    app = Application(listen, twiml=connect(None, "action='/next'", GOES_ON))
    carrier = await telephony(app)
    opened = asyncio.Event()

    async def caller(line: Line) -> None:
        opened.set()
        await line.stay()

    call = carrier.dial_in(VOICE, caller)
    await opened.wait()
    order(call)
    record = await carrier.finished(call)
    assert (record.ended_by, record.violations, app.asked("/next")) == (by, (), [])
    assert app.sockets[0].received[-1]["event"] == "stop" and app.sockets[0].disconnected
