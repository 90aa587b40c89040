"""The REST client: always bounded, sent where the settings say, silent about secrets, its errors translated."""

from __future__ import annotations

import json
import logging
import time

import pytest
import requests
import urllib3.exceptions
from simulated_account import Account
from twilio.base import exceptions as twilio_exceptions
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from voice_runtime.errors import (
    CarrierError,
    CarrierRefusedError,
    CarrierTimeoutError,
    ConfigurationError,
    MissingSettingError,
)
from voice_runtime.settings import Settings
from voice_runtime.simulator.rest import Fault
from voice_runtime.transports.twilio_account import TwilioRegion, api_origin
from voice_runtime.transports.twilio_rest import BoundedHttpClient, carrier_errors, open_client

# Everything the SDK and its HTTP library are known to raise, and what becomes of it.
TRANSLATIONS = [
    (TwilioRestException(400, "/x", "bad", 21211), CarrierRefusedError),
    (TwilioRestException(401, "/x", "Authenticate", 20003), CarrierRefusedError),
    (TwilioRestException(404, "/x", "gone", 20404), CarrierRefusedError),
    (TwilioRestException(429, "/x", "slow down", 20429), CarrierRefusedError),
    (TwilioRestException(500, "/x", "oops", 20500), CarrierError),
    (TwilioRestException(503, "/x", "oops", None), CarrierError),
    (TwilioServiceException("https://x", "Bad", 400, 21211, detail="worse"), CarrierRefusedError),
    (TwilioServiceException("https://x", "Down", 503, 1), CarrierError),
    (TwilioException("Unable to fetch page"), CarrierError),
    (requests.ConnectTimeout("x"), CarrierTimeoutError),
    (requests.ReadTimeout("x"), CarrierTimeoutError),
    (requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(None, "", "x")), CarrierTimeoutError),
    (requests.ConnectionError("refused"), CarrierError),
    (requests.exceptions.SSLError("x"), CarrierError),
    (requests.exceptions.ProxyError("x"), CarrierError),
    (requests.exceptions.ChunkedEncodingError("x"), CarrierError),
    (requests.exceptions.ContentDecodingError("x"), CarrierError),
    (requests.exceptions.InvalidURL("x"), CarrierError),
    (requests.exceptions.TooManyRedirects("x"), CarrierError),
    (json.JSONDecodeError("x", "", 0), CarrierError),
    (AttributeError("'list' object has no attribute 'get'"), CarrierError),
    (TypeError("x"), CarrierError),
    (KeyError("x"), CarrierError),
]


@pytest.mark.parametrize(("foreign", "ours"), TRANSLATIONS, ids=lambda value: type(value).__name__)
def test_foreign_errors_become_ours(foreign: Exception, ours: type[CarrierError]) -> None:
    """Exactly one kind each, with the original behind it, naming what was being done."""
    with pytest.raises(CarrierError, match="washing up") as caught, carrier_errors("washing up"):
        raise foreign
    assert type(caught.value) is ours
    assert caught.value.__cause__ is foreign


def test_no_sdk_exception_is_forgotten() -> None:
    """A new one in a new SDK fails here until it is in the table above."""
    theirs = {e for e in vars(twilio_exceptions).values() if isinstance(e, type) and issubclass(e, Exception)}
    covered = {type(foreign) for foreign, _ in TRANSLATIONS}
    assert theirs <= covered


def test_an_answer_is_told_with_status_code_and_remedy() -> None:
    """What a program needs to decide, and what a person needs to do."""
    with pytest.raises(CarrierRefusedError, match="Check TWILIO_ACCOUNT_SID") as caught, carrier_errors("x"):
        raise TwilioRestException(401, "/x", "Authenticate", 20003)
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_our_own_errors_pass() -> None:
    """Not wrapped a second time."""
    ours = CarrierError("x")
    with pytest.raises(CarrierError) as caught, carrier_errors("y"):
        raise ours
    assert caught.value is ours


@pytest.mark.parametrize(
    ("fault", "ours", "status"),
    [
        (Fault.server_error(), CarrierError, 500),
        (Fault.too_many_requests(), CarrierRefusedError, 429),
        (Fault.not_json(502), CarrierError, 502),
        (Fault.not_json(200), CarrierError, 0),
        (Fault.redirect("http://127.0.0.1:9/"), CarrierError, 0),
    ],
    ids=["500", "429", "502 html", "200 html", "redirect"],
)
def test_misbehaviour_on_the_wire(account: Account, fault: Fault, ours: type[CarrierError], status: int) -> None:
    """The same, from the real SDK over a real socket; a redirect is not followed."""
    client, http = open_client(account.settings())
    account.state.fail_next(fault)
    with pytest.raises(CarrierError) as caught, carrier_errors("fetching"):
        client.calls("CA1").fetch()
    assert (type(caught.value), caught.value.status) == (ours, status)
    assert len(account.state.requests) == 1
    http.close()


def test_a_stalled_server_is_left(account: Account) -> None:
    """After the configured time, not after the operating system's two minutes."""
    client, http = open_client(account.settings(twilio_http_timeout=0.2))
    account.state.fail_next(Fault.stall(30.0))
    began = time.monotonic()
    with pytest.raises(CarrierTimeoutError), carrier_errors("fetching"):
        client.calls("CA1").fetch()
    assert time.monotonic() - began < 15
    http.close()


def test_nobody_listening_is_a_carrier_error() -> None:
    """Connection refused."""
    settings = Settings(twilio_account_sid="AC1", twilio_auth_token="t", twilio_api_base_url="http://127.0.0.1:1")
    client, http = open_client(settings)
    with pytest.raises(CarrierError, match="no answer from Twilio") as caught, carrier_errors("fetching"):
        client.calls("CA1").fetch()
    assert type(caught.value) is CarrierError
    http.close()


REGION = TwilioRegion(api_host="api.dublin.ie1.twilio.com", account_sid="AC2", auth=("SK2", "hush"))


@pytest.mark.parametrize(
    ("changes", "region", "origin"),
    [
        ({}, None, "https://api.twilio.com"),
        ({"twilio_region": "ie1"}, None, "https://api.ie1.twilio.com"),
        ({"twilio_edge": "dublin"}, None, "https://api.dublin.us1.twilio.com"),
        ({"twilio_region": "ie1", "twilio_edge": "dublin"}, None, "https://api.dublin.ie1.twilio.com"),
        ({"twilio_region": "au1"}, REGION, "https://api.dublin.ie1.twilio.com"),
        ({"twilio_api_base_url": "http://127.0.0.1:9/", "twilio_region": "au1"}, REGION, "http://127.0.0.1:9"),
    ],
)
def test_where_requests_go(changes: dict[str, str], region: TwilioRegion | None, origin: str) -> None:
    """A swapped address beats a region of the call, which beats the settings; the SDK adds nothing of its own."""
    settings = Settings(twilio_account_sid="AC1", twilio_auth_token="t", **changes)
    assert api_origin(settings, region) == origin
    client, http = open_client(settings, region)
    asked = []
    http.session.send = lambda request, **_: asked.append(request.url) or _Answer()
    client.calls("CA1").fetch()
    account = "AC2" if region else "AC1"
    assert asked == [f"{origin}/2010-04-01/Accounts/{account}/Calls/CA1.json"]


class _Answer:
    """Just enough of a response."""

    status_code = 200
    text = "{}"
    headers: dict[str, str] = {}


def test_the_environment_is_read_through_settings_only(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """TWILIO_REGION of the machine does not bend requests that settings did not ask for."""
    settings = account.settings()
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACambient")
    client, http = open_client(settings)
    assert client.calls.list() == []
    http.close()


@pytest.mark.parametrize("base", ["127.0.0.1:9000", "ftp://a.b", "http://a.b/path", "http://u:p@a.b", "http://"])
def test_a_bad_base_url_is_a_configuration_error(base: str) -> None:
    """Named by its variable, without its password."""
    settings = Settings(twilio_account_sid="AC1", twilio_auth_token="t", twilio_api_base_url=base)
    with pytest.raises(ConfigurationError, match="TWILIO_API_BASE_URL") as caught:
        open_client(settings)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(("sid", "missing"), [("", "TWILIO_ACCOUNT_SID"), ("AC1", "TWILIO_AUTH_TOKEN")])
def test_missing_credentials_are_named(sid: str, missing: str) -> None:
    """Before anything is opened."""
    with pytest.raises(MissingSettingError, match=missing):
        open_client(Settings(twilio_account_sid=sid, twilio_auth_token=""))


def test_secrets_and_numbers_are_not_logged(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK's own logging would show the numbers in the query."""
    caplog.set_level(logging.DEBUG, logger="voice_runtime")
    caplog.set_level(logging.DEBUG, logger="twilio")
    client, http = open_client(account.settings())
    client.calls.list(to="+358401234567")
    with pytest.raises(CarrierError) as caught, carrier_errors("x"):
        client.calls("CA0").fetch()
    shown = caplog.text + repr(client) + repr(http) + repr(caught.value) + repr(REGION)
    assert "→ GET" in caplog.text
    assert "358401234567" not in shown
    assert account.state.auth_token not in shown
    assert "hush" not in shown
    http.close()


def test_a_longer_time_limit_is_not_to_be_had(account: Account) -> None:
    """The setting is the most that any request gets."""
    http = BoundedHttpClient(origin=account.url, timeout=0.2)
    account.state.fail_next(Fault.stall(30.0), Fault.stall(30.0))
    for asked in (30.0, None):
        with pytest.raises(requests.Timeout):
            http.request("GET", "https://api.twilio.com/", timeout=asked)
    http.close()
