"""The simulated REST API, as Twilio's own SDK and a plain HTTP client see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from simulated_account import Account
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from voice_runtime.simulator.rest import CallStatus, CallUpdate, Fault, NoTelephony, SimulatedCall, SimulatedMessage
from voice_runtime.transports.twilio_rest import open_client


class Exchange(NoTelephony):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.placed: list[SimulatedCall] = []
        self.changed: list[str] = []
        self.sent: list[SimulatedMessage] = []

    def place(self, call: SimulatedCall) -> None:
        self.placed.append(call)

    def update(self, call: SimulatedCall, update: CallUpdate) -> None:
        self.changed.append(update.twiml)

    def end(self, call: SimulatedCall) -> None:
        self.changed.append(str(call.status))

    def send(self, message: SimulatedMessage) -> None:
        self.sent.append(message)


@pytest.fixture
def sdk(account: Account) -> Any:
    """Twilio's SDK, sent to the simulator."""
    client, http = open_client(account.settings())
    yield client
    http.close()


def raw(account: Account, path: str = "/Calls.json", **more: Any) -> httpx.Response:
    """A request without the SDK, with the account's own credentials."""
    method = "POST" if "data" in more else "GET"
    url = f"{account.url}/2010-04-01/Accounts/{account.state.account_sid}{path}"
    auth = more.pop("auth", (account.state.account_sid, account.state.auth_token))
    return httpx.request(method, url, auth=auth, **more)


def test_a_call_is_created_as_twilio_creates_it(account: Account, sdk: Client) -> None:
    """201, queued, nothing known of its time yet; the carrier hears of it."""
    exchange = account.state.telephony = Exchange()
    call = sdk.calls.create(
        to="+358401234567",
        from_="+15550001111",
        url="https://a.example/voice",
        status_callback="https://a.example/status",
        status_callback_event=["initiated", "completed"],
        record=True,
    )
    assert call.sid.startswith("CA") and len(call.sid) == 34
    assert (call.status, call.direction, call.duration, call.start_time) == ("queued", "outbound-api", None, None)
    assert (call.to, call._from) == ("+358401234567", "+15550001111")
    assert isinstance(call.date_created, datetime)
    [placed] = exchange.placed
    assert (placed.sid, placed.url, placed.fields["Record"]) == (call.sid, "https://a.example/voice", "true")
    assert placed.events == ("initiated", "completed")


def test_a_call_runs_its_course(account: Account, sdk: Client) -> None:
    """The carrier moves it on; fetching shows it, numbers as strings."""
    call = account.state.add_call("+1", "+2")
    account.state.set_status(call, CallStatus.RINGING)
    assert sdk.calls(call.sid).fetch().status == "ringing"
    account.state.set_status(call, CallStatus.IN_PROGRESS)
    call.started -= 12
    account.state.set_status(call, CallStatus.COMPLETED)
    account.state.set_status(call, CallStatus.RINGING)
    fetched = sdk.calls(call.sid).fetch()
    assert (fetched.status, fetched.duration, fetched.direction) == ("completed", "12", "inbound")
    assert fetched.end_time.tzinfo is not None


def test_dates_are_rfc_2822(account: Account) -> None:
    """Not ISO 8601."""
    call = account.state.add_call("+1", "+2")
    call.started = datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC).timestamp()
    assert raw(account, f"/Calls/{call.sid}.json").json()["start_time"] == "Tue, 31 Aug 2010 20:36:28 +0000"


def test_a_call_is_updated(account: Account, sdk: Client) -> None:
    """New TwiML for a live call; an end; and after the end 21220."""
    exchange = account.state.telephony = Exchange()
    call = account.state.add_call("+1", "+2")
    account.state.set_status(call, CallStatus.IN_PROGRESS)
    sdk.calls(call.sid).update(twiml="<Response><Hangup/></Response>")
    assert sdk.calls(call.sid).update(status="completed").status == "completed"
    assert exchange.changed == ["<Response><Hangup/></Response>", "completed"]
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls(call.sid).update(status="completed")
    assert (refused.value.status, refused.value.code) == (400, 21220)


@pytest.mark.parametrize(
    ("status", "update", "code"),
    [
        (CallStatus.QUEUED, {"status": "canceled"}, None),
        (CallStatus.IN_PROGRESS, {"status": "canceled"}, 21220),
        (CallStatus.QUEUED, {"twiml": "<Response/>"}, 21220),
        (CallStatus.IN_PROGRESS, {"status": "paused"}, 20001),
        (CallStatus.IN_PROGRESS, {"url": "https://a.b", "twiml": "<Response/>"}, 20001),
        (CallStatus.IN_PROGRESS, {"twiml": "x" * 4001}, 32018),
    ],
)
def test_updates_that_twilio_refuses(
    account: Account, sdk: Client, status: CallStatus, update: dict[str, str], code: int | None
) -> None:
    """Each with its code."""
    call = account.state.add_call("+1", "+2")
    call.status = status
    if code is None:
        assert sdk.calls(call.sid).update(**update).status == "canceled"
        return
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls(call.sid).update(**update)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": "", "From": "+1", "Url": "https://a.b"}, 21211),
        ({"To": "+1", "From": "nobody", "Url": "https://a.b"}, 21212),
        ({"To": "+1", "From": "+2"}, 20001),
        ({"To": "+1", "From": "+2", "Twiml": "x" * 4001}, 32018),
    ],
)
def test_calls_that_twilio_refuses(account: Account, fields: dict[str, str], code: int) -> None:
    """Its error body has exactly these four keys."""
    answer = raw(account, data=fields)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert answer.json()["code"] == code
    assert not account.state.calls


@pytest.mark.parametrize("auth", [("AC0", "x"), ("", ""), None])
def test_strangers_get_401(account: Account, auth: tuple[str, str] | None) -> None:
    """20003, whatever they ask."""
    answer = raw(account, auth=auth)
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (401, 20003, "Authenticate")


def test_garbled_credentials_get_401(account: Account) -> None:
    """Base64 of nothing."""
    answer = raw(account, auth=None, headers={"Authorization": "Basic %%%"})
    assert answer.status_code == 401


def test_an_api_key_is_as_good_as_the_token(account: Account) -> None:
    """Keys of the account."""
    account.state.add_api_key("SK1", "secret")
    assert raw(account, auth=("SK1", "secret")).status_code == 200
    assert raw(account, auth=("SK1", "")).status_code == 401


@pytest.mark.parametrize("path", ["/Calls/CA0.json", "/Queues.json", "/Messages/SM0.json"])
def test_what_is_not_there_is_20404(account: Account, path: str) -> None:
    """A call, a collection, a message."""
    answer = raw(account, path)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_another_account_is_20404(account: Account) -> None:
    """Right credentials, wrong path."""
    answer = httpx.get(
        f"{account.url}/2010-04-01/Accounts/AC0/Calls.json", auth=(account.state.account_sid, account.state.auth_token)
    )
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_the_sdk_pages_through_a_list(account: Account, sdk: Client) -> None:
    """Newest first, every call once, both ways."""
    sids = [account.state.add_call("+1", "+2").sid for _ in range(7)]
    account.state.add_call("+9", "+2")
    assert [call.sid for call in sdk.calls.list(to="+1", page_size=3)] == sids[::-1]
    page = sdk.calls.page(to="+1", page_size=3)
    again = page.next_page().previous_page()
    assert [call.sid for call in again] == sids[:3:-1]


def test_a_list_has_only_the_documented_keys(account: Account) -> None:
    """One more would break the SDK's paging."""
    account.state.add_call("+1", "+2")
    assert set(raw(account).json()) == {
        *("first_page_uri", "next_page_uri", "previous_page_uri", "uri", "page", "page_size", "start", "end", "calls")
    }


def test_a_list_is_filtered(account: Account, sdk: Client) -> None:
    """By status, caller and time."""
    old, new = account.state.add_call("+1", "+2"), account.state.add_call("+1", "+3")
    old.started, new.started = 1_000_000.0, 2_000_000.0
    new.status = CallStatus.IN_PROGRESS
    between = datetime.fromtimestamp(1_500_000, UTC)
    assert [c.sid for c in sdk.calls.list(status="in-progress")] == [new.sid]
    assert [c.sid for c in sdk.calls.list(from_="+2")] == [old.sid]
    assert [c.sid for c in sdk.calls.list(start_time_after=between)] == [new.sid]
    assert [c.sid for c in sdk.calls.list(start_time_before=between)] == [old.sid]


@pytest.mark.parametrize("query", ["PageSize=0", "PageSize=1001", "PageSize=x", "Page=-1", "StartTime>=soon"])
def test_a_bad_list_request_is_20001(account: Account, query: str) -> None:
    """Not a shorter list."""
    account.state.add_call("+1", "+2")
    answer = raw(account, f"/Calls.json?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_a_message_is_sent(account: Account, sdk: Client) -> None:
    """And can be fetched."""
    exchange = account.state.telephony = Exchange()
    sent = sdk.messages.create(to="+358401", from_="+1555", body="Hei")
    assert sdk.messages(sent.sid).fetch().body == "Hei"
    assert (sent.status, sent.num_segments, sent.error_code) == ("queued", "1", None)
    assert [message.sid for message in exchange.sent] == [sent.sid]
    assert sdk.messages.create(to="+358401", messaging_service_sid="MG1", body="Hei").status == "accepted"


@pytest.mark.parametrize(("body", "code"), [("", 21602), ("x" * 1601, 21617)])
def test_a_message_that_twilio_refuses(account: Account, body: str, code: int) -> None:
    """Nothing to say, or too much."""
    answer = raw(account, "/Messages.json", data={"To": "+1", "From": "+2", "Body": body})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_faults_come_one_per_request_then_for_ever(account: Account) -> None:
    """As many as were ordered."""
    account.state.fail_next(Fault.server_error(), Fault.too_many_requests(), Fault.not_json(502))
    assert [raw(account).status_code for _ in range(4)] == [500, 429, 502, 200]
    account.state.fail_always(Fault.redirect("https://evil.invalid/"))
    assert [raw(account).status_code for _ in range(2)] == [302, 302]
    account.state.fail_always(None)
    assert raw(account).status_code == 200


def test_requests_are_remembered(account: Account) -> None:
    """Method, path, fields and who asked."""
    raw(account, "/Calls.json?To=%2B1")
    [request] = account.state.requests
    assert (request.method, request.fields, request.user) == ("GET", (("To", "+1"),), account.state.account_sid)
    assert request.path.endswith("/Calls.json")
