"""Calls into applications with the fixtures of the plugin: in process on virtual time, and over real sockets."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from twilio.rest import Client

from voice_runtime import BlockingSession, VoiceApp, VoiceSession
from voice_runtime.audio import beep
from voice_runtime.events import EndReason
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import EndedBy, Line, Phone, ViolationCode, listens
from voice_runtime.simulator.call import CallRecord
from voice_runtime.testing import PhoneSystem, PhoneTests
from voice_runtime.transports.twilio_sms import send_sms


@pytest.fixture(params=["phone", "phone_over_sockets"])
def either(request: pytest.FixtureRequest) -> PhoneTests:
    found: PhoneTests = request.getfixturevalue(request.param)
    return found


def greeter(**options: object) -> VoiceApp:
    app = VoiceApp(**options)  # type: ignore[arg-type]

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say("hello")

    return app


def test_a_call_is_answered_and_hung_up_by_rest(either: PhoneTests) -> None:
    """The words are heard bit by bit, and the call ends as it should."""
    record = either.call(greeter(), listens(30))
    assert MockTts.render("hello") in record.ear
    assert (record.ended_by, record.violations) == (EndedBy.REST, ())
    assert not record.timeline.dropouts()


def test_a_blocking_handler_lives_in_the_same_time(either: PhoneTests) -> None:
    """Its waits take simulated seconds, what it computes takes none."""
    app, got = VoiceApp(stt=lambda: MockStt(script=[(40_000, "after a while")])), []

    @app.call()
    def answer(call: BlockingSession) -> None:
        got.append(call.listen(timeout=60).text)
        got.append(call.collect_digits(2, timeout=20).text)
        call.say("thanks")

    async def caller(line: Line) -> None:
        await line.pause(45)
        line.press("42")
        await line.stay()

    record = either.call(app, caller)
    assert got == ["after a while", "42"]
    assert record.ended_by is EndedBy.REST


def five_minutes(phone: PhoneTests) -> CallRecord:
    """A caller who is echoed, and asks for a word now and then."""
    app, sound = VoiceApp(), beep(400, 1000)

    @app.call()
    async def echo(call: VoiceSession) -> None:
        await call.say("speak after the tone")
        async for frame in call.audio():
            call.send_audio(frame)

    async def caller(line: Line) -> None:
        await line.hear_out()
        for _ in range(25):
            await line.say(sound * 4)
            await line.pause(7.5)

    return phone.call(app, caller)


def test_five_minutes_are_the_same_each_time(phone: PhoneTests) -> None:
    """Not a byte at the ear and not a line of the transcript differs. On a quiet machine they take a second."""
    first, second = five_minutes(phone), five_minutes(phone)
    assert first.seconds > 285
    assert (first.ear, first.transcript()) == (second.ear, second.transcript())


def test_several_callers_at_once(either: PhoneTests) -> None:
    """Each has a call of their own."""
    records = either.calls(greeter(), listens(30), listens(30), listens(0.5))
    assert [MockTts.render("hello") in record.ear for record in records[:2]] == [True, True]
    assert records[2].ended_by is EndedBy.CALLER or records[2].seconds < 2


def test_the_application_calls_somebody(either: PhoneTests) -> None:
    """`place_call` goes through the real SDK to the simulated API; a phone that is busy is not answered."""
    record = either.place(greeter(), "+15550001234", listens(30))
    assert (record.direction, MockTts.render("hello") in record.ear) == ("outbound-api", True)
    busy = either.place(greeter(), "+15550001234", Phone(outcome=record.status.BUSY))
    assert busy.ended_by is EndedBy.NOT_ANSWERED


def test_the_application_is_as_it_was(phone: PhoneTests) -> None:
    """Its settings, its carrier and what it made of them come back; a second test starts anew."""
    app = greeter()
    app.api.add_api_route("/own", lambda: "mine")
    before, switchboard = app.settings, app.switchboard

    async def scenario(system: PhoneSystem) -> list[str]:
        assert app.settings.public_url == system.public_url
        return [getattr(route, "path", "") for route in app.api.routes]

    assert "/own" in phone.run(scenario, app)
    assert (app.settings, app.switchboard) == (before, switchboard)
    assert phone.call(app, listens(30)).ended_by is EndedBy.REST


def test_a_failing_handler_can_be_expected(phone: PhoneTests) -> None:
    """The caller hears the apology; the test knows why."""
    app = VoiceApp(apology="so sorry")

    @app.call()
    async def answer(call: VoiceSession) -> None:
        raise ZeroDivisionError

    phone.expect(EndReason.HANDLER_FAILED)
    assert MockTts.render("so sorry") in phone.call(app, listens(30)).ear
    assert "ZeroDivisionError" in phone.errors()


def test_any_asgi_application_can_be_called(either: PhoneTests) -> None:
    """Its lifespan is run, its state is there, its webhooks and its media socket are reached."""
    from contextlib import asynccontextmanager

    log: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette):  # type: ignore[no-untyped-def]
        log.append("up")
        yield {"name": "desk"}
        log.append("down")

    async def voice(request: Request) -> Response:
        log.append(f"{request.state.name} {request.url.hostname}")
        xml = '<Response><Connect><Stream url="wss://voice.example.com/media"/></Connect></Response>'
        return Response(xml, media_type="text/xml")

    async def media(socket: WebSocket) -> None:
        await socket.accept()
        for _ in range(5):
            await socket.receive_text()
        await socket.send_bytes(b"not text")
        await socket.close()

    app = Starlette(
        routes=[Route("/voice", voice, methods=["POST"]), WebSocketRoute("/media", media)], lifespan=lifespan
    )
    either.options = {"path": "/voice", "status_path": ""}
    either.expect(ViolationCode.BINARY_FRAME, ViolationCode.SERVER_CLOSED)
    record = either.call(app, listens(30))
    assert log == ["up", "desk voice.example.com", "down"]
    assert [v.code for v in record.violations] == [ViolationCode.BINARY_FRAME, ViolationCode.SERVER_CLOSED]


def test_text_messages_and_the_sdk_stay_in_the_house(either: PhoneTests, monkeypatch: pytest.MonkeyPatch) -> None:
    """`send_sms` without settings and a client of Twilio's own reach the simulated account, and nobody else's."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "the-real-one-that-nobody-may-see")
    app = VoiceApp()

    @app.call()
    def answer(call: BlockingSession) -> None:
        send_sms("+15550001234", "on its way")
        Client().messages.create(to="+15550001234", from_="+15550009999", body="by the SDK")

    async def scenario(system: PhoneSystem) -> list[str]:
        await system.call(listens(5))
        return [message.body for message in system.carrier.rest.messages.values()]

    assert either.run(scenario, app) == ["on its way", "by the SDK"]


def test_a_blocking_request_on_the_loop_is_named(phone: PhoneTests) -> None:
    """It would wait for itself; with real telephones it would hold up every call."""
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        send_sms("+15550001234", "on its way")

    phone.expect(EndReason.HANDLER_FAILED)
    phone.call(app, listens(5))
    assert "a request to Twilio blocks the event loop" in phone.errors()


def test_a_handler_in_place_of_its_app_is_named(phone: PhoneTests) -> None:
    """And what to give."""

    async def answer(call: VoiceSession) -> None:
        await call.say("hello")

    with pytest.raises(TypeError, match="answer is a handler: give the VoiceApp"):
        phone.call(answer, listens(1))  # type: ignore[arg-type]


def test_a_script_that_is_a_plain_function_is_named(phone: PhoneTests) -> None:
    """And how it is written."""

    def caller(line: Line) -> None:
        line.press("1")

    with pytest.raises(TypeError, match="is a plain function: a script is `async def caller"):
        phone.call(greeter(), caller)  # type: ignore[arg-type]


def test_a_test_without_end_says_so(phone: PhoneTests) -> None:
    """Hours of simulated time are enough for any call; the message names them."""

    async def scenario(system: PhoneSystem) -> None:
        await asyncio.sleep(24 * 3600)

    with pytest.raises(TimeoutError, match="did not end within 4 hours of simulated time"):
        phone.run(scenario, greeter())
