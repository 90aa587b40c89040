"""Twilio for the event loop: nothing blocks it, everything ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from simulated_account import OUR_NUMBER, Account

from voice_runtime.errors import CarrierError, CarrierTimeoutError, MissingSettingError, TwilioCallNotFoundError
from voice_runtime.settings import Settings
from voice_runtime.simulator.rest import CallStatus, Fault
from voice_runtime.transport import CarrierTransport, create_transport
from voice_runtime.transports.twilio_call import TwilioRegion, TwilioTransport

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def transport(account: Account) -> AsyncIterator[TwilioTransport]:
    made = TwilioTransport(account.settings())
    yield made
    await made.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("twilio-rest")]


async def test_a_call_is_placed_and_ended(account: Account, transport: TwilioTransport) -> None:
    """Through the contract."""
    carrier: CarrierTransport = transport
    sid = await carrier.place_call("+358401234567", twiml="<Response/>")
    call = account.state.calls[sid]
    assert (call.from_, call.twiml) == (OUR_NUMBER, "<Response/>")
    await carrier.hang_up(sid)
    assert call.status is CallStatus.COMPLETED
    await carrier.hang_up(sid)


async def test_every_option_reaches_twilio(account: Account, transport: TwilioTransport) -> None:
    """By Twilio's names; the verdict of the answering machine detection is asked for with a small "true"."""
    sid = await transport.place_call(
        "+358401234567",
        "+1666",
        url="https://a.example/voice",
        status_callback="https://a.example/status",
        status_callback_events=["initiated", "answered"],
        timeout=25,
        time_limit=600,
        machine_detection="Enable",
        async_amd_status_callback="https://a.example/amd",
        record=True,
    )
    call = account.state.calls[sid]
    assert call.events == ("initiated", "answered")
    assert {**call.fields, "StatusCallbackEvent": ""} == {
        "To": "+358401234567",
        "From": "+1666",
        "Url": "https://a.example/voice",
        "StatusCallback": "https://a.example/status",
        "StatusCallbackEvent": "",
        "Timeout": "25",
        "TimeLimit": "600",
        "MachineDetection": "Enable",
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": "https://a.example/amd",
        "Record": "true",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"twiml": "<Response/>", "url": "https://a.b"},
        {"twiml": "x" * 4001},
        {"to": " ", "url": "https://a.b"},
        {"url": "https://a.b", "send_digits": "1", "machine_detection": "Enable"},
    ],
)
async def test_a_call_that_cannot_be_is_not_placed(
    account: Account, transport: TwilioTransport, wrong: dict[str, str]
) -> None:
    """A ValueError, and no request."""
    with pytest.raises(ValueError):
        await transport.place_call(**{"to": "+1", **wrong})  # type: ignore[arg-type]
    assert not account.state.requests


async def test_a_message_is_sent(account: Account, transport: TwilioTransport) -> None:
    """With and without a callback."""
    sent = await transport.send_sms("+358401234567", "Hei", status_callback="https://a.example/sms")
    assert set(sent) == {"message_sid", "status", "to"}
    assert account.state.messages[sent["message_sid"]].fields["StatusCallback"] == "https://a.example/sms"
    assert (await transport.send_sms("+358401234567", "Hei", from_="+1"))["to"] == "+358401234567"


async def test_calls_are_listed(account: Account, transport: TwilioTransport) -> None:
    """Those to our number, or to another."""
    ours, other = account.state.add_call(OUR_NUMBER, "+1"), account.state.add_call("+9", "+1")
    assert [row.call_sid for row in await transport.list_calls(start_after=LONG_AGO)] == [ours.sid]
    assert [row.call_sid for row in await transport.list_calls(start_after=LONG_AGO, to="+9")] == [other.sid]


async def test_regions_are_asked_in_turn(account: Account) -> None:
    """For a hang-up until one knows the call; for a list all of them, each call once."""
    account.state.add_api_key("SKus", "a")
    account.state.add_api_key("SKie", "b", "ie1")
    regions = [
        TwilioRegion(api_host=host, account_sid=account.state.account_sid, auth=auth)
        for host, auth in [("api.twilio.com", ("SKus", "a")), ("api.dublin.ie1.twilio.com", ("SKie", "b"))]
    ]
    transport = create_transport("twilio", settings=account.settings(), regions=regions)
    assert isinstance(transport, TwilioTransport)
    call = account.state.add_call(OUR_NUMBER, "+1")
    assert [row.call_sid for row in await transport.list_calls(start_after=LONG_AGO)] == [call.sid]
    call.region = "ie1"
    await transport.hang_up(call.sid)
    assert [request.user for request in account.state.requests] == ["SKus", "SKie", "SKus", "SKie"]
    call.region = "au1"
    with pytest.raises(TwilioCallNotFoundError):
        await transport.hang_up(call.sid)
    await transport.close()


async def test_bad_regions_are_found_at_the_start(account: Account) -> None:
    """Not at the first hang-up."""
    region = TwilioRegion(api_host="api.twilio.com", account_sid="AC1", auth=("a", "b"))
    with pytest.raises(ValueError, match="twice"):
        TwilioTransport(account.settings(), [region, region])


async def test_a_strange_sid_is_refused(account: Account, transport: TwilioTransport) -> None:
    """At once."""
    with pytest.raises(ValueError):
        await transport.hang_up("CA/../x")
    assert not account.state.requests


async def test_missing_settings_are_named() -> None:
    """Whatever was asked for."""
    transport = TwilioTransport(Settings())
    for asked in (
        transport.place_call("+1", url="https://a.b"),
        transport.hang_up("CA1"),
        transport.list_calls(start_after=LONG_AGO),
        transport.send_sms("+1", "x"),
    ):
        with pytest.raises(MissingSettingError, match="TWILIO_ACCOUNT_SID"):
            await asked
    await transport.close()


async def test_a_stalled_carrier_neither_blocks_nor_outlasts_its_time(account: Account) -> None:
    """The loop goes on, the request is given up, and close does not wait for it longer than that once more."""
    transport = TwilioTransport(account.settings(twilio_http_timeout=0.2))
    account.state.fail_always(Fault.stall(30.0))
    began = time.monotonic()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    waiting = [transport.hang_up("CA1") for _ in range(40)]  # more than there are threads
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, CarrierTimeoutError) for outcome in outcomes)
    await transport.close()
    assert time.monotonic() - began < 15
    assert beats > 5
    heart.cancel()
    await asyncio.wait([heart])


async def test_a_deadline_ends_what_the_time_limit_of_the_socket_does_not(
    account: Account, transport: TwilioTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that sends an octet now and then satisfies every socket for ever."""
    released = threading.Event()
    monkeypatch.setattr(TwilioTransport, "_opened", lambda _: released.wait(30))
    transport = TwilioTransport(account.settings(twilio_http_timeout=0.1))
    with pytest.raises(CarrierTimeoutError, match=r"within 0\.1 s"):
        await transport.hang_up("CA1")
    began = time.monotonic()
    await transport.close()
    assert 0.05 < time.monotonic() - began < 15
    released.set()


async def test_close_ends_the_threads_and_the_work(account: Account) -> None:
    """Twice is once; afterwards there is a clear error."""
    transport = TwilioTransport(account.settings())
    await transport.send_sms("+1", "x")
    assert threads()
    await transport.close()
    await transport.close()
    for _ in range(100):
        if not threads():
            break
        await asyncio.sleep(0.01)
    assert not threads()
    with pytest.raises(CarrierError, match="closed"):
        await transport.send_sms("+1", "x")


async def test_close_waits_for_a_hang_up_under_way(account: Account) -> None:
    """A call that was being ended is ended."""
    transport = TwilioTransport(account.settings())
    call = account.state.add_call(OUR_NUMBER, "+1")
    account.state.fail_next(Fault.stall(0.2))
    ending = asyncio.create_task(transport.hang_up(call.sid))
    while not account.state.requests:  # noqa: ASYNC110  # the server lives in another thread
        await asyncio.sleep(0.01)
    await transport.close()
    assert call.status is CallStatus.COMPLETED
    await ending


async def test_a_failed_request_under_way_does_not_spoil_closing(account: Account) -> None:
    """Whoever asked is told; close is silent."""
    transport = TwilioTransport(account.settings())
    account.state.fail_next(Fault.stall(0.1), Fault.stall(0.1))
    asked = [asyncio.create_task(transport.hang_up("CA0")) for _ in range(2)]
    while len(account.state.requests) < 2:  # noqa: ASYNC110  # the server lives in another thread
        await asyncio.sleep(0.01)
    asked[1].cancel()
    await transport.close()
    with pytest.raises(TwilioCallNotFoundError):
        await asked[0]
    with pytest.raises(asyncio.CancelledError):
        await asked[1]
