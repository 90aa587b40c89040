"""Calls by the names of 0.1, with the real SDK against a simulated account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from simulated_account import OUR_NUMBER, Account

from voice_runtime.errors import CarrierError, CarrierRefusedError, CarrierTimeoutError, MissingSettingError
from voice_runtime.simulator.rest import CallStatus, Fault, SimulatedCall
from voice_runtime.transports.twilio_call import (
    TwilioCallListIncompleteError,
    TwilioCallNotFoundError,
    TwilioRegion,
    build_route_stream_xml,
    build_stream_twiml,
    build_stream_xml,
    hangup_call,
    initiate_outbound_call,
    list_calls,
    list_recent_calls,
)
from voice_runtime.wire.twiml import ConnectStream, parse_twiml

HOSTS = ("api.twilio.com", "api.dublin.ie1.twilio.com")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def live_call(account: Account) -> SimulatedCall:
    call = account.state.add_call(OUR_NUMBER, "+358401234567")
    account.state.set_status(call, CallStatus.IN_PROGRESS)
    return call


def regions(account: Account) -> tuple[TwilioRegion, TwilioRegion]:
    """Two regions of the account, each with a key of its own."""
    account.state.add_api_key("SKus", "hush-us")
    account.state.add_api_key("SKie", "hush-ie", "ie1")
    sid = account.state.account_sid
    us, ie = (TwilioRegion(api_host=h, account_sid=sid, auth=a) for h, a in zip(HOSTS, KEYS, strict=True))
    return us, ie


KEYS = (("SKus", "hush-us"), ("SKie", "hush-ie"))


def users(account: Account) -> list[str]:
    return [request.user for request in account.state.requests]


# -- TwiML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://a.example", "wss://a.example/voice"),
        ("http://localhost:8080/", "ws://localhost:8080/voice"),
        ("wss://a.example/base/", "wss://a.example/base/voice"),
    ],
)
def test_stream_twiml(base: str, url: str) -> None:
    """The media socket is at /voice, whether the address ends in a slash or not."""
    assert parse_twiml(build_stream_twiml(base)) == [ConnectStream(url)]
    assert build_stream_xml is build_stream_twiml


def test_route_stream_xml() -> None:
    """Any token becomes one path segment."""
    assert parse_twiml(build_route_stream_xml("https://a.example/", "a/b c?")) == [
        ConnectStream("wss://a.example/voice/a%2Fb%20c%3F")
    ]
    with pytest.raises(ValueError, match="route_token"):
        build_route_stream_xml("https://a.example", "")


# -- placing ----------------------------------------------------------------------------------------------------------


def test_a_call_is_placed(ambient: Account) -> None:
    """From our number, with the TwiML of our media socket inline."""
    sid = initiate_outbound_call("+358401234567")
    call = ambient.state.calls[sid]
    assert (call.to, call.from_) == ("+358401234567", OUR_NUMBER)
    assert parse_twiml(call.twiml) == [ConnectStream("wss://voice.example.com/voice")]


@pytest.mark.parametrize(
    ("unset", "named"),
    [
        (("VOICE_STREAM_URL", "TWILIO_ACCOUNT_SID"), "VOICE_STREAM_URL"),
        (("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"), "TWILIO_ACCOUNT_SID"),
        (("TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"), "TWILIO_AUTH_TOKEN"),
        (("TWILIO_PHONE_NUMBER",), "TWILIO_PHONE_NUMBER"),
    ],
)
def test_the_first_missing_setting_is_named(
    ambient: Account, monkeypatch: pytest.MonkeyPatch, unset: tuple[str, ...], named: str
) -> None:
    """In 0.1's order, as the RuntimeError that 0.1 raised; nobody is dialled."""
    for name in unset:
        monkeypatch.setenv(name, "")
    with pytest.raises(RuntimeError, match=f"^{named}") as caught:
        initiate_outbound_call("+358401234567")
    assert isinstance(caught.value, MissingSettingError)
    assert not ambient.state.requests


def test_a_refused_number_says_so(ambient: Account) -> None:
    """With Twilio's own code."""
    with pytest.raises(CarrierRefusedError, match="21211") as caught:
        initiate_outbound_call("nobody")
    assert caught.value.code == 21211


@pytest.mark.parametrize("answer", ["{}", "[]", "null", '{"sid": null}', "<html/>"])
def test_an_answer_without_a_sid_is_no_call(ambient: Account, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Whatever its status says."""
    from twilio.http.response import Response

    from voice_runtime.transports.twilio_rest import BoundedHttpClient

    monkeypatch.setattr(BoundedHttpClient, "request", lambda *_, **__: Response(201, answer))
    with pytest.raises(CarrierError, match="could not be read"):
        initiate_outbound_call("+358401234567")


# -- hanging up -------------------------------------------------------------------------------------------------------


def test_a_live_call_is_ended(ambient: Account) -> None:
    """By the configured account."""
    call = live_call(ambient)
    hangup_call(call.sid)
    assert call.status is CallStatus.COMPLETED


def test_a_call_that_is_over_is_a_success(ambient: Account) -> None:
    """400 with 21220 proves that it is over."""
    call = live_call(ambient)
    hangup_call(call.sid)
    hangup_call(call.sid)
    assert len(ambient.state.requests) == 2


def test_a_call_that_nobody_knows_is_not_a_success(ambient: Account) -> None:
    """It may be live, and billed, somewhere else."""
    with pytest.raises(TwilioCallNotFoundError) as caught:
        hangup_call("CA0")
    assert (caught.value.status, caught.value.code) == (404, 20404)
    assert isinstance(caught.value, RuntimeError)  # as in 0.1.15
    assert caught.value.attempted_hosts == (ambient.url.removeprefix("http://"),)  # type: ignore[attr-defined]


def test_the_next_region_is_asked_when_one_does_not_know_the_call(ambient: Account) -> None:
    """In order, each with its own key, and no further than needed."""
    call, (us, ie) = live_call(ambient), regions(ambient)
    call.region = "ie1"
    hangup_call(call.sid, regions=(us, ie))
    assert call.status is CallStatus.COMPLETED
    assert users(ambient) == ["SKus", "SKie"]
    hangup_call(call.sid, regions=(ie, us))
    assert users(ambient)[2:] == ["SKie"]


def test_when_no_region_knows_the_call_all_are_named(ambient: Account) -> None:
    """Their hosts, not their secrets."""
    call, both = live_call(ambient), regions(ambient)
    call.region = "au1"
    with pytest.raises(TwilioCallNotFoundError) as caught:
        hangup_call(call.sid, regions=both)
    assert caught.value.attempted_hosts == HOSTS  # type: ignore[attr-defined]
    assert all(host in str(caught.value) for host in HOSTS)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.server_error(),
        Fault.too_many_requests(),
        Fault.not_json(404),
        Fault.redirect("http://127.0.0.1:9/"),
    ],
    ids=["500", "429", "404 html", "redirect"],
)
def test_any_other_failure_ends_the_search(ambient: Account, fault: Fault) -> None:
    """It says nothing about where the call is; a proxy's own 404 neither."""
    call, both = live_call(ambient), regions(ambient)
    ambient.state.fail_next(fault)
    with pytest.raises(CarrierError) as caught:
        hangup_call(call.sid, regions=both)
    assert not isinstance(caught.value, TwilioCallNotFoundError)
    assert users(ambient) == ["SKus"]


def test_wrong_keys_end_the_search(ambient: Account) -> None:
    """401 is not 404."""
    call, (us, ie) = live_call(ambient), regions(ambient)
    ambient.state.add_api_key("SKus", "changed")
    with pytest.raises(CarrierRefusedError, match="20003"):
        hangup_call(call.sid, regions=(us, ie))


def test_a_stalled_region_ends_the_search(ambient: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a time-out, in time."""
    call, both = live_call(ambient), regions(ambient)
    monkeypatch.setenv("TWILIO_HTTP_TIMEOUT", "0.2")
    ambient.state.fail_next(Fault.stall(1.0))
    with pytest.raises(CarrierTimeoutError):
        hangup_call(call.sid, regions=both)


BAD_SIDS = ["", " ", "CA/1", "CA\\1", "CA?1", "CA#1", "CA%2f1", "CA 1", "CA\n1", "CA\x001", "ÅC1", "../x"]


@pytest.mark.parametrize("sid", [*BAD_SIDS, "CA-1", 12, None])
def test_a_strange_sid_goes_nowhere(ambient: Account, sid: str) -> None:
    """It would become part of a path."""
    both = regions(ambient)
    with pytest.raises(ValueError):
        hangup_call(sid, regions=both)
    with pytest.raises(ValueError):
        TwilioRegion(api_host=HOSTS[0], account_sid=sid, auth=("a", "b"))
    if sid in BAD_SIDS:
        with pytest.raises(ValueError):
            hangup_call(sid)
    assert not ambient.state.requests


@pytest.mark.parametrize(
    "host",
    [
        *("https://api.twilio.com", "api.twilio.com:443", "u@api.twilio.com", "api.twilio.com/a", "api.twilio.com?q"),
        *("api.twilio.com#x", "API.twilio.com", "api.ie1.twilio.com", "api.x.ie1.evil.com", "api.-x.ie1.twilio.com"),
        *("api.x_.ie1.twilio.com", "api.x.ie1.twilio.com.", "api.twilio.com\n", "", None),
    ],
)
def test_a_strange_host_is_no_region(host: str) -> None:
    """It would get the credentials."""
    with pytest.raises(ValueError):
        TwilioRegion(api_host=host, account_sid="AC1", auth=("key", "hush"))


@pytest.mark.parametrize(
    "auth", [("key", ""), (" ", "hush"), ("hush",), ("k", "hush", "x"), (1, "hush"), ["k", "hush"]]
)
def test_strange_credentials_are_no_region_and_are_not_shown(auth: tuple[str, str]) -> None:
    """Not even in the error."""
    with pytest.raises(ValueError) as caught:
        TwilioRegion(api_host=HOSTS[0], account_sid="AC1", auth=auth)
    assert "hush" not in str(caught.value)


def test_a_region_is_frozen_and_keeps_its_secret() -> None:
    """In repr and str."""
    region = TwilioRegion(api_host=HOSTS[0], account_sid="AC1", auth=("SK1", "hush"))
    assert "hush" not in f"{region!r} {region}"
    with pytest.raises(ValueError):
        region.account_sid = "AC2"  # type: ignore[misc]


@pytest.mark.parametrize(
    "choose",
    [
        lambda _: (),
        lambda r: (r, r),
        lambda r: [r],
        lambda r: (r, object()),
        lambda r: (r, TwilioRegion.model_construct(api_host=HOSTS[1], account_sid="AC/1", auth=("k", "s"))),
    ],
    ids=["none", "twice", "list", "no region", "unchecked"],
)
def test_all_regions_are_checked_before_any_is_asked(
    ambient: Account, choose: Callable[[TwilioRegion], tuple[TwilioRegion, ...]]
) -> None:
    """A bad one at the end is found at the beginning."""
    region, _ = regions(ambient)
    with pytest.raises(ValueError):
        hangup_call("CA1", regions=choose(region))
    assert not ambient.state.requests


@pytest.mark.parametrize("timeout", ["abc", "nan", "inf", "0", "-1"])
def test_a_bad_time_limit_is_refused(ambient: Account, monkeypatch: pytest.MonkeyPatch, timeout: str) -> None:
    """Rather than waiting for ever."""
    monkeypatch.setenv("TWILIO_HTTP_TIMEOUT", timeout)
    with pytest.raises(ValueError):
        hangup_call("CA1")
    assert not ambient.state.requests


# -- lists ------------------------------------------------------------------------------------------------------------


def listed(account: Account, **changes: object) -> list[str]:
    arguments: dict[str, object] = {
        "api_host": HOSTS[0],
        "account_sid": account.state.account_sid,
        "auth": (account.state.account_sid, account.state.auth_token),
        "to": OUR_NUMBER,
        "start_after": LONG_AGO,
        "page_size": 2,
    }
    return [row.call_sid for row in list_calls(**{**arguments, **changes})]  # type: ignore[arg-type]


def test_a_list_is_read_to_its_end(ambient: Account) -> None:
    """Over all pages, only the calls to that number."""
    sids = [live_call(ambient).sid for _ in range(5)]
    ambient.state.add_call("+9", "+1")
    assert listed(ambient) == sids[::-1]
    assert len(ambient.state.requests) == 3


def test_a_list_that_is_too_long_is_no_list(ambient: Account) -> None:
    """The cap is an error, not a shorter list."""
    for _ in range(5):
        live_call(ambient)
    with pytest.raises(TwilioCallListIncompleteError, match="there are more") as caught:
        listed(ambient, max_pages=2)
    assert (caught.value.api_host, caught.value.pages_fetched) == (HOSTS[0], 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("good_pages", [0, 1])
@pytest.mark.parametrize(
    "fault",
    [Fault.server_error(), Fault.not_json(200), Fault.redirect("http://127.0.0.1:9/")],
    ids=["500", "html", "redirect"],
)
def test_a_failed_page_is_no_list(
    ambient: Account, monkeypatch: pytest.MonkeyPatch, fault: Fault, good_pages: int
) -> None:
    """Rows that were read before it are not handed out."""
    for _ in range(5):
        live_call(ambient)
    monkeypatch.setattr(
        ambient.state, "next_fault", lambda: fault if len(ambient.state.requests) > good_pages else None
    )
    with pytest.raises(CarrierError):
        listed(ambient)
    assert len(ambient.state.requests) == good_pages + 1


def test_a_damaged_page_is_no_list(ambient: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """One date that cannot be read is enough."""
    call = live_call(ambient)
    damaged = {**call.as_json(), "start_time": "soon"}
    monkeypatch.setattr(call, "as_json", lambda: damaged)
    with pytest.raises(TwilioCallListIncompleteError, match="start time"):
        listed(ambient)


def test_a_strange_list_request_goes_nowhere(ambient: Account) -> None:
    """Checked before it is sent."""
    for changes in ({"to": None}, {"account_sid": "AC/1"}, {"api_host": "evil"}, {"page_size": 0}):
        with pytest.raises(ValueError):
            listed(ambient, **changes)
    assert not ambient.state.requests


def test_recent_calls_are_those_to_our_number(ambient: Account) -> None:
    """In 0.1.15's shape."""
    call = live_call(ambient)
    ambient.state.add_call("+9", "+1")
    old = live_call(ambient)
    old.started = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    [row] = list_recent_calls()
    assert call.started is not None
    assert row == {"call_sid": call.sid, "status": "in-progress", "start_time": float(int(call.started))}


def test_a_recent_call_that_has_not_begun_is_at_0(ambient: Account) -> None:
    """As in 0.1.15; `list_calls` says None."""
    ambient.state.add_call(OUR_NUMBER, "+1")
    assert [row["start_time"] for row in list_recent_calls()] == [0]


def test_recent_calls_without_a_number_are_everybodys(ambient: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in 0.1.15."""
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "")
    live_call(ambient)
    ambient.state.add_call("+9", "+1")
    assert len(list_recent_calls()) == 2


def test_without_credentials_there_are_no_recent_calls() -> None:
    """0.1.15's programs poll it on machines without an account."""
    assert list_recent_calls() == []


def test_importing_does_not_load_the_sdk() -> None:
    """It takes half a second, and a program that only answers calls never needs it."""
    program = (
        "import sys, voice_runtime.transports.twilio_call, voice_runtime.transports.twilio_sms;"
        "sys.exit(any(name.split('.')[0] in ('twilio', 'requests') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 0
