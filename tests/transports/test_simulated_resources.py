"""Every resource of the simulated REST API, as Twilio's own SDK sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from simulated_account import Account
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from voice_runtime.clock import ManualClock
from voice_runtime.simulator.rest import CallStatus, Fault, Limits, RestState, SimulatedCall
from voice_runtime.simulator.rest.simulated_message import segments
from voice_runtime.simulator.violations import ViolationCode

ALICE, BOB = "+358401234567", "+15550001111"


class Redirecting(TwilioHttpClient):  # type: ignore[misc]
    """Twilio's own HTTP client, sent elsewhere: the host that was meant goes into the Host header."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=10)
        self._url = urlsplit(url)

    def request(self, method: str, url: str, *args: Any, headers: dict[str, str] | None = None, **more: Any) -> Any:
        meant = urlsplit(url)
        here = urlunsplit(meant._replace(scheme=self._url.scheme, netloc=self._url.netloc))
        return super().request(method, here, *args, headers={**(headers or {}), "Host": meant.netloc}, **more)


@pytest.fixture
def sdk(account: Account) -> Iterator[Client]:
    http = Redirecting(account.url)
    yield Client(account.state.account_sid, account.state.auth_token, http_client=http, environment={"": ""})
    http.session.close()


def live(state: RestState) -> SimulatedCall:
    call = state.add_call(ALICE, BOB, direction="outbound-api")
    state.set_status(call, CallStatus.IN_PROGRESS)
    return call


def code_of(error: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int]:
    return error.value.status, error.value.code


# -- calls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "ftp://a.example"}, 21205),
        ({"url": "http://["}, 21205),
        ({"url": "https://my_host.example/voice"}, 21205),
        ({"status_callback": "nowhere"}, 21209),
        ({"application_sid": "AP1"}, 21218),
        ({"send_digits": "1" * 33}, 20001),
        ({"send_digits": "12?"}, 20001),
        ({"timeout": 601}, 20001),
        ({"machine_detection": "enable"}, 20001),
        ({"machine_detection_timeout": 60}, 20001),
        ({"machine_detection_speech_threshold": 999}, 20001),
        ({"recording_channels": "stereo"}, 20001),
    ],
)
def test_wishes_that_twilio_refuses(account: Account, sdk: Client, fields: dict[str, Any], code: int) -> None:
    """Each with its code; no call is made."""
    twiml = {} if "url" in fields or "application_sid" in fields else {"twiml": "<Response/>"}
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls.create(to=ALICE, from_=BOB, **twiml, **fields)
    assert code_of(refused) == (400, code)
    assert not account.state.calls


def test_the_trap_of_async_amd_is_told(account: Account, sdk: Client) -> None:
    """The SDK sends True as "True", which is not true."""
    wish = {"to": ALICE, "from_": BOB, "twiml": "<Response/>", "machine_detection": "Enable"}
    call = sdk.calls.create(**wish, async_amd=True, async_amd_status_callback="https://a.example/amd")
    assert account.state.calls[call.sid].fields["AsyncAmd"] == "false"
    [violation] = account.state.violations
    assert (violation.code, "AsyncAmd 'True'" in violation.detail) == (ViolationCode.INVALID_PARAMETER, True)
    right = sdk.calls.create(**wish, async_amd="true", async_amd_status_callback="https://a.example/amd")
    assert account.state.calls[right.sid].fields["AsyncAmd"] == "true"
    assert len(account.state.violations) == 1


def test_what_wins_when_wishes_exclude_each_other(account: Account, sdk: Client) -> None:
    """Url before Twiml, SendDigits before MachineDetection: silently at Twilio, told here."""
    made = sdk.calls.create(
        to=ALICE, from_=BOB, url="https://a.example/", twiml="<Response/>", send_digits="1", machine_detection="Enable"
    )
    call = account.state.calls[made.sid]
    assert (call.url, call.twiml, "MachineDetection" in call.fields) == ("https://a.example/", "", False)
    assert len(account.state.violations) == 2


def test_an_empty_wish_is_none(account: Account) -> None:
    """As forms of web pages send them."""
    auth = (account.state.account_sid, account.state.auth_token)
    url = f"{account.url}/2010-04-01/Accounts/{account.state.account_sid}/Calls.json"
    wishes = {"To": ALICE, "From": BOB, "Twiml": "<Response/>", "Url": "", "Timeout": "", "StatusCallback": ""}
    assert httpx.post(url, auth=auth, data=wishes).status_code == 201
    [call] = account.state.calls.values()
    assert set(call.fields) == {"To", "From", "Twiml"}


def test_pages_hold_their_place(account: Account, sdk: Client) -> None:
    """Calls that are made meanwhile move nobody to another page."""
    sids = [account.state.add_call(ALICE, BOB).sid for _ in range(7)]
    seen = []
    for call in sdk.calls.stream(page_size=2):
        seen.append(call.sid)
        account.state.add_call(ALICE, BOB)
    assert seen == sids[::-1]


def test_a_call_is_seen_late(account: Account, sdk: Client) -> None:
    """GET is behind, when it is told to be; the answer to an update is not."""
    clock = account.state.clock = ManualClock(1_000_000)
    account.state.lag = 2.0
    call = sdk.calls.create(to=ALICE, from_=BOB, twiml="<Response/>")
    with pytest.raises(TwilioRestException) as unknown:
        call.fetch()
    assert code_of(unknown) == (404, 20404)
    clock.advance(2)
    account.state.set_status(account.state.calls[call.sid], CallStatus.IN_PROGRESS)
    assert sdk.calls(call.sid).fetch().status == "queued"
    assert sdk.calls(call.sid).update(status="completed").status == "completed"
    clock.advance(2)
    assert sdk.calls(call.sid).fetch().status == "completed"


def test_a_call_is_deleted_when_it_is_over(account: Account, sdk: Client) -> None:
    """Not before: 20009."""
    call = live(account.state)
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls(call.sid).delete()
    assert code_of(refused) == (409, 20009)
    account.state.set_status(call, CallStatus.COMPLETED)
    assert sdk.calls(call.sid).delete()
    assert sdk.calls.list() == []
    with pytest.raises(TwilioRestException) as unknown:
        sdk.calls(call.sid).fetch()
    assert code_of(unknown) == (404, 20404)


def test_children_and_their_days(account: Account, sdk: Client) -> None:
    """Filters by parent and by end."""
    parent, child = live(account.state), account.state.add_call(ALICE, BOB, direction="outbound-dial")
    child.parent = parent.sid
    account.state.set_status(child, CallStatus.COMPLETED)
    assert [c.sid for c in sdk.calls.list(parent_call_sid=parent.sid)] == [child.sid]
    assert [c.sid for c in sdk.calls.list(end_time_after=child_day(child))] == [child.sid]
    assert sdk.calls.list(end_time_before=child_day(child)) == []


def child_day(call: SimulatedCall) -> Any:
    assert call.ended is not None
    return datetime.fromtimestamp(int(call.ended), UTC)


def test_calls_come_from_numbers_that_are_ours(account: Account, sdk: Client) -> None:
    """Once the account has any, others are 21210."""
    sdk.incoming_phone_numbers.create(phone_number=BOB)
    account.state.verified_numbers.add("+1777")
    for ours in (BOB, "+1777"):
        sdk.calls.create(to=ALICE, from_=ours, twiml="<Response/>")
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls.create(to=ALICE, from_="+1888", twiml="<Response/>")
    assert code_of(refused) == (400, 21210)


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "count"),
    [("", 1), ("x" * 160, 1), ("x" * 161, 2), ("x" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("ŷ" * 70, 1)]
    + [("ŷ" * 71, 2), ("😀" * 35, 1), ("😀" * 36, 2)],
)
def test_segments(body: str, count: int) -> None:
    """GSM-7 160, then 153 each; anything else 70, then 67."""
    assert segments(body) == count


def test_messages_are_listed_redacted_cancelled_and_deleted(account: Account, sdk: Client) -> None:
    """As far as each may be."""
    first = sdk.messages.create(to=ALICE, from_=BOB, body="secret", media_url=["https://a.example/cat.png"])
    assert (first.num_media, first.sid[:2], len(first.media.list())) == ("1", "MM", 1)
    with pytest.raises(TwilioRestException) as refused:
        sdk.messages(first.sid).update(body="")
    assert code_of(refused) == (409, 20009)
    account.state.messages[first.sid].status = "delivered"
    assert sdk.messages(first.sid).update(body="").body == ""
    later = datetime.now(UTC) + timedelta(hours=1)
    planned = sdk.messages.create(
        to=ALICE, messaging_service_sid="MG1", body="later", send_at=later, schedule_type="fixed"
    )
    assert (planned.status, sdk.messages(planned.sid).update(status="canceled").status) == ("scheduled", "canceled")
    with pytest.raises(TwilioRestException) as refused:
        sdk.messages(first.sid).update(status="canceled")
    assert code_of(refused) == (400, 30409)
    assert [m.sid for m in sdk.messages.list(to=ALICE, page_size=1)] == [planned.sid, first.sid]
    assert sdk.messages(first.sid).delete()
    assert [m.sid for m in sdk.messages.list()] == [planned.sid]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "nobody", "from_": BOB, "body": "Hei"}, 21211),
        ({"to": "", "from_": BOB, "body": "Hei"}, 21604),
        ({"to": ALICE, "body": "Hei"}, 21603),
        ({"to": ALICE, "from_": "+1!", "body": "Hei"}, 21212),
        ({"to": "+1999", "from_": BOB, "body": "Hei"}, 21610),
        ({"to": ALICE, "from_": BOB, "media_url": ["cat"]}, 21620),
    ],
)
def test_messages_that_twilio_refuses(account: Account, sdk: Client, fields: dict[str, Any], code: int) -> None:
    """Whom, from whom, and who wants none."""
    account.state.opted_out.add("+1999")
    with pytest.raises(TwilioRestException) as refused:
        sdk.messages.create(**fields)
    assert code_of(refused) == (400, code)


# -- conferences, recordings, streams, numbers -------------------------------------------------------------------------


def test_a_conference_is_driven(account: Account, sdk: Client) -> None:
    """Participants come by name, are found by label, changed, put out; then the conference ends."""
    room = sdk.conferences("room-1")
    agent = room.participants.create(from_=BOB, to=ALICE, label="agent", end_conference_on_exit=True)
    assert (agent.status, agent.end_conference_on_exit, agent.start_conference_on_enter) == ("queued", True, True)
    guest = room.participants.create(from_=BOB, to="+1777", early_media=False, beep="onEnter")
    assert guest.conference_sid == agent.conference_sid
    with pytest.raises(TwilioRestException) as refused:
        room.participants.create(from_=BOB, to="+1777", label="agent")
    assert code_of(refused) == (400, 16025)
    assert len(account.state.calls) == 2

    conference = sdk.conferences(agent.conference_sid)
    assert conference.fetch().friendly_name == "room-1"
    assert conference.participants("agent").update(hold=True, hold_url="https://a.example/hold").hold is True
    assert conference.participants(guest.call_sid).update(muted=True).muted is True
    assert [p.call_sid for p in conference.participants.list(muted=True)] == [guest.call_sid]
    assert conference.participants("agent").fetch().call_sid == agent.call_sid
    assert conference.participants(guest.call_sid).delete()
    assert [p.label for p in conference.participants.list()] == ["agent"]
    ended = conference.update(status="completed")
    assert (ended.status, ended.reason_conference_ended) == ("completed", "conference-ended-via-api")
    assert [c.sid for c in sdk.conferences.list(friendly_name="room-1", status="completed")] == [ended.sid]
    assert room.participants.create(from_=BOB, to=ALICE).conference_sid != ended.sid


def test_participants_join_live_conferences_only(account: Account, sdk: Client) -> None:
    """By SID; and nobody coaches nobody."""
    with pytest.raises(TwilioRestException) as refused:
        sdk.conferences("CF" + "0" * 32).participants.create(from_=BOB, to=ALICE)
    assert code_of(refused) == (404, 20404)
    with pytest.raises(TwilioRestException) as refused:
        sdk.conferences("room").participants.create(from_=BOB, to=ALICE, coaching=True)
    assert code_of(refused) == (400, 20001)
    account.state.applications["AP1"] = "https://a.example/bot"
    bot = sdk.conferences("room").participants.create(from_=BOB, to="app:AP1", label="bot")
    assert account.state.calls[bot.call_sid].to == "app:AP1"


def test_a_call_is_recorded(account: Account, sdk: Client) -> None:
    """Paused, resumed and stopped as the current one; then its file can be had, with the account's password."""
    call = live(account.state)
    recording = sdk.calls(call.sid).recordings.create(recording_channels="dual")
    assert (recording.status, recording.channels, recording.source) == ("in-progress", 2, "StartCallRecordingAPI")
    current = sdk.calls(call.sid).recordings("Twilio.CURRENT")
    assert current.update(status="paused", pause_behavior="skip").status == "paused"
    assert current.update(status="in-progress").sid == recording.sid
    with pytest.raises(TwilioRestException) as refused:
        sdk.recordings(recording.sid).delete()
    assert code_of(refused) == (409, 20009)
    assert current.update(status="stopped").status == "stopped"
    with pytest.raises(TwilioRestException):
        current.update(status="in-progress")
    account.state.recordings[recording.sid].wav = b"RIFF"
    auth = (account.state.account_sid, account.state.auth_token)
    file = f"{account.url}{urlsplit(sdk.recordings(recording.sid).fetch().media_url).path}.wav"
    assert (httpx.get(file, auth=auth).content, httpx.get(file).status_code) == (b"RIFF", 401)
    assert [r.sid for r in sdk.recordings.list(call_sid=call.sid)] == [recording.sid]
    assert sdk.recordings(recording.sid).delete()
    assert sdk.calls(call.sid).recordings.list() == []


def test_a_stream_is_started_and_stopped(account: Account, sdk: Client) -> None:
    """By name, with parameters."""
    call = live(account.state)
    stream = sdk.calls(call.sid).streams.create(
        url="wss://a.example/media", name="tap", track="both_tracks", parameter1_name="who", parameter1_value="me"
    )
    assert (stream.status, account.state.streams[stream.sid].parameters) == ("in-progress", {"who": "me"})
    with pytest.raises(TwilioRestException):
        sdk.calls(call.sid).streams.create(url="wss://a.example/media", name="tap")
    assert sdk.calls(call.sid).streams("tap").update(status="stopped").sid == stream.sid
    with pytest.raises(TwilioRestException):
        sdk.calls(call.sid).streams.create(url="https://a.example/media")


def test_numbers_are_bought_and_pointed_somewhere(account: Account, sdk: Client) -> None:
    """Where their calls and texts go."""
    number = sdk.incoming_phone_numbers.create(phone_number="+14155550123", voice_url="https://a.example/voice")
    assert (number.friendly_name, number.voice_method) == ("(415) 555-0123", "POST")
    changed = number.update(sms_url="https://a.example/sms", status_callback="https://a.example/status")
    assert (changed.voice_url, changed.sms_url) == ("https://a.example/voice", "https://a.example/sms")
    assert [n.sid for n in sdk.incoming_phone_numbers.list(phone_number="+1415")] == [number.sid]
    with pytest.raises(TwilioRestException):
        number.update(voice_url="soon")
    assert number.delete()
    assert sdk.incoming_phone_numbers.list() == []


# -- limits, regions, bad days -----------------------------------------------------------------------------------------


def test_too_many_requests_at_once(account: Account, sdk: Client) -> None:
    """429: not done, may be tried again."""
    account.state.limits = Limits(concurrent_requests=1)
    account.state.fail_next(Fault.stall(0.5))
    slow = threading.Thread(target=sdk.calls.list)
    slow.start()
    while not account.state.requests:
        pass
    with pytest.raises(TwilioRestException) as refused:
        sdk.calls.create(to=ALICE, from_=BOB, twiml="<Response/>")
    assert code_of(refused) == (429, 20429)
    slow.join()
    assert sdk.calls.create(to=ALICE, from_=BOB, twiml="<Response/>").status == "queued"


def test_credentials_and_calls_belong_to_a_region(account: Account) -> None:
    """The right key at the wrong host is a stranger; the right key at the right host sees its own calls only."""
    account.state.add_region("ie1", "dublin-token")
    http, sid = Redirecting(account.url), account.state.account_sid
    us = Client(sid, account.state.auth_token, http_client=http, environment={"": ""})
    ie = Client(sid, "dublin-token", region="ie1", edge="dublin", http_client=http, environment={"": ""})
    lost = Client(sid, account.state.auth_token, region="ie1", http_client=http, environment={"": ""})
    call = ie.calls.create(to=ALICE, from_=BOB, twiml="<Response/>")
    assert account.state.calls[call.sid].region == "ie1"
    assert (len(ie.calls.list()), len(us.calls.list())) == (1, 0)
    with pytest.raises(TwilioRestException) as unknown:
        us.calls(call.sid).fetch()
    with pytest.raises(TwilioRestException) as stranger:
        lost.calls(call.sid).fetch()
    assert (code_of(unknown), code_of(stranger)) == ((404, 20404), (401, 20003))
    http.session.close()


def test_an_answer_that_breaks_off_was_done_all_the_same(account: Account) -> None:
    """The worst of faults: who tries again calls twice."""
    account.state.fail_next(Fault.disconnect())
    auth = (account.state.account_sid, account.state.auth_token)
    url = f"{account.url}/2010-04-01/Accounts/{account.state.account_sid}/Calls.json"
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(url, auth=auth, data={"To": ALICE, "From": BOB, "Twiml": "<Response/>"})
    assert len(account.state.calls) == 1


def test_a_bad_day_comes_from_its_seed(account: Account) -> None:
    """The same again, and about as often as was asked for."""

    def day(seed: int) -> list[Fault | None]:
        account.state.fail_by_chance(0.3, Fault.server_error(), Fault.not_json(), seed=seed)
        return [account.state.next_fault() for _ in range(200)]

    assert day(1) == day(1) != day(2)
    assert 40 <= sum(fault is not None for fault in day(1)) <= 80


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # what the SDK uses of aiohttp
async def test_the_async_client_too(account: Account) -> None:
    """Places, lists, ends."""
    async with AsyncTwilioHttpClient() as http:
        client = Client(account.state.account_sid, account.state.auth_token, http_client=http, environment={"": ""})
        client.api.base_url = account.url
        made = [await client.calls.create_async(to=ALICE, from_=BOB, twiml="<Response/>") for _ in range(3)]
        assert [c.sid for c in await client.calls.list_async(page_size=2)] == [c.sid for c in made[::-1]]
        assert (await client.calls(made[0].sid).update_async(status="canceled")).status == "canceled"
        assert (await client.messages.create_async(to=ALICE, from_=BOB, body="Hei")).status == "queued"
