"""Text messages that an application sends and answers, with Twilio's own SDK and signed webhooks."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from fakes.twilio_application import TOKEN, serving
from voice_runtime.clock import LoopClock
from voice_runtime.simulator import Carrier, ViolationCode, rest_app

PUBLIC = "https://texts.example.com:8443"  # over HTTPS, a message is signed with the port, a call without
ALICE, BOB = "+358401234567", "+15550001111"


class Texts:
    """`answers`: what /sms says, one after the other."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.forms: list[tuple[str, dict[str, str], str]] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route(f"/{name}", self._hook, methods=["POST"]) for name in ("sms", "status")])

    async def _hook(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.forms.append((request.url.path, form, request.headers["x-twilio-signature"]))
        return self.answers.pop(0) if request.url.path == "/sms" else Response(status_code=204)

    def statuses(self) -> list[str]:
        return [form["MessageStatus"] for path, form, _ in self.forms if path == "/status"]

    def carrier(self) -> Carrier:
        return Carrier(TOKEN, addresses={PUBLIC: self.app()}, clock=LoopClock(asyncio.get_running_loop()))


def twiml(inside: str) -> Response:
    return Response(f"<Response>{inside}</Response>", media_type="text/xml")


async def send(carrier: Carrier, **message: Any) -> Any:
    async with serving(rest_app(carrier.rest)) as api:
        client = await asyncio.to_thread(Client, carrier.rest.account_sid, TOKEN)
        client.api.base_url = api
        sent = await asyncio.to_thread(client.messages.create, from_=BOB, **message)
        await carrier.delivered(sent.sid)
        return await asyncio.to_thread(client.messages(sent.sid).fetch)


async def test_a_message_arrives_and_its_callback_hears_of_every_step() -> None:
    """Queued, sent, delivered; signed as messages are."""
    app = Texts()
    async with app.carrier() as carrier:
        sent = await send(carrier, to=ALICE, body="Your parcel is here", status_callback=f"{PUBLIC}/status")
    assert (sent.status, sent.date_sent is not None) == ("delivered", True)
    assert app.statuses() == ["queued", "sent", "delivered"]
    assert all(RequestValidator(TOKEN).validate(PUBLIC + path, form, sign) for path, form, sign in app.forms)
    assert {form["MessageSid"] for _, form, _ in app.forms} == {sent.sid}


async def test_a_message_that_does_not_arrive() -> None:
    """Undelivered, with the error code of that number."""
    app = Texts()
    async with app.carrier() as carrier:
        carrier.rest.undeliverable[ALICE] = 30003
        sent = await send(carrier, to=ALICE, body="Hei", status_callback=f"{PUBLIC}/status")
    assert (sent.status, sent.error_code) == ("undelivered", 30003)
    assert app.statuses() == ["queued", "sent", "undelivered"]
    assert app.forms[-1][1]["ErrorCode"] == "30003"


async def test_somebody_texts_and_is_answered() -> None:
    """Each <Message> goes to whoever wrote, another with `to` elsewhere; <Redirect> is followed."""
    app = Texts(
        twiml("<Message>One</Message><Redirect>/sms</Redirect>"),
        twiml('<Message to="+1777"><Body>Two</Body></Message>'),
    )
    async with app.carrier() as carrier:
        replies = await carrier.text_in(f"{PUBLIC}/sms", "Where is it?", sender=ALICE, recipient=BOB)
        for reply in replies:
            await carrier.delivered(reply.sid)
        assert [(r.to, r.from_, r.body, r.direction) for r in replies] == [
            (ALICE, BOB, "One", "outbound-reply"),
            ("+1777", BOB, "Two", "outbound-reply"),
        ]
        assert {reply.status for reply in replies} == {"delivered"}
    path, form, signature = app.forms[0]
    assert RequestValidator(TOKEN).validate(PUBLIC + path, form, signature)
    assert (form["Body"], form["From"], form["To"], form["NumMedia"]) == ("Where is it?", ALICE, BOB, "0")


async def test_a_number_knows_where_its_texts_go() -> None:
    """SmsUrl, and its fallback when that fails."""
    app = Texts(Response(status_code=500), twiml("<Message>Sorry</Message>"))
    async with app.carrier() as carrier:
        number = carrier.rest.add_number(BOB, sms_url=f"{PUBLIC}/sms")
        number.sms_fallback_url = f"{PUBLIC}/sms"
        [reply] = await carrier.text_in("", "Hei", recipient=BOB)
        assert reply.body == "Sorry"
        [violation] = carrier.rest.violations
        assert violation.code is ViolationCode.DOCUMENT_FETCH_FAILED


async def test_whoever_says_stop_gets_no_more() -> None:
    """Until START."""
    app = Texts(*[twiml("<Message>Bye</Message>")] * 2)
    async with app.carrier() as carrier:
        [bye] = await carrier.text_in(f"{PUBLIC}/sms", " stop ", sender=ALICE, recipient=BOB)
        assert (await carrier.delivered(bye.sid)).error_code == 21610
        assert ALICE in carrier.rest.opted_out
        [hello] = await carrier.text_in(f"{PUBLIC}/sms", "Start", sender=ALICE, recipient=BOB)
        assert (await carrier.delivered(hello.sid)).status == "delivered"
