"""How long the carrier waits for an answer, and what it asks again."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from fakes.twilio_application import PUBLIC, TOKEN
from voice_runtime.clock import LoopClock
from voice_runtime.simulator import Carrier, waits_for_hang_up
from voice_runtime.simulator.connection_overrides import ConnectionOverrides


class Flaky:
    """Answers 503 a few times, then TwiML; /slow takes half a second."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tokens: list[str] = []
        self.urls: list[str] = []
        self.app = Starlette(
            routes=[Route("/voice", self.voice, methods=["POST"]), Route("/slow", self.slow, methods=["POST"])]
        )

    async def voice(self, request: Request) -> Response:
        self.tokens.append(request.headers.get("i-twilio-idempotency-token", ""))
        form = {name: str(value) for name, value in (await request.form()).items()}
        url = f"{PUBLIC}/voice"
        assert RequestValidator(TOKEN).validate(url, form, request.headers["x-twilio-signature"])
        if len(self.tokens) <= self.failures:
            return Response(status_code=503)
        return Response("<Response/>", media_type="text/xml")

    async def slow(self, request: Request) -> Response:
        await asyncio.sleep(0.5)
        return Response()


async def call(app: Flaky, url: str):
    async with Carrier(TOKEN, addresses={PUBLIC: app.app}, clock=LoopClock(asyncio.get_running_loop())) as carrier:
        return await carrier.call(PUBLIC + url, waits_for_hang_up())


async def test_an_error_is_not_asked_again_unless_it_is_wanted() -> None:
    """By default only what could not be connected is; the fragment is not signed, and retries carry one token."""
    app = Flaky(2)
    assert [v.code.value for v in (await call(app, "/voice")).violations] == [11200]
    app = Flaky(2)
    assert (await call(app, "/voice#rc=3&rp=ct,5xx")).violations == ()
    assert app.tokens[0] == "" and app.tokens[1] == app.tokens[2] != ""


async def test_who_cannot_be_reached_is_asked_twice() -> None:
    """One retry is the default, `rc=0` none."""
    async with Carrier(TOKEN, clock=LoopClock(asyncio.get_running_loop())) as carrier:
        for url, requests in (("http://127.0.0.1:9/voice", 2), ("http://127.0.0.1:9/voice#rc=0", 1)):
            record = await carrier.call(url, waits_for_hang_up())
            assert [request.status for request in record.requests] == [0] * requests


async def test_the_total_time_is_limited() -> None:
    """`tt`, in milliseconds: 11205."""
    record = await call(Flaky(0), "/slow#tt=200")
    assert [(v.code.value, "0.2 s" in v.detail) for v in record.violations] == [(11205, True)]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", ConnectionOverrides()),
        ("#ct=1&rt=99999&tt=abc&rc=9", ConnectionOverrides(connect_timeout=0.1, retries=5)),
        ("#rp=all&rc=0", ConnectionOverrides(retries=0, retry_on=frozenset({"4xx", "5xx", "ct", "rt"}))),
    ],
)
def test_what_the_fragment_says(fragment: str, expected: ConnectionOverrides) -> None:
    """Kept in range; what makes no sense has its default."""
    assert ConnectionOverrides.of(f"https://a.example/voice{fragment}") == expected
