"""Whatever the carrier's REST API answers, or stops answering: a result, or a `CarrierError` that tells no secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from fakes.odd_carrier import OddCarrier
from voice_runtime import Settings
from voice_runtime.errors import CarrierError
from voice_runtime.transports.twilio_call_list import ANYBODY, CallListQuery
from voice_runtime.transports.twilio_operations import TwilioRest

ACCOUNT, TOKEN = "AC" + "1" * 32, "a-secret-that-nobody-may-see-1234"


BASIC = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()


@pytest.fixture(scope="module")
def carrier() -> Iterator[OddCarrier]:
    made = OddCarrier()
    yield made
    made.close()


KEYS = st.sampled_from(
    ["sid", "status", "code", "message", "calls", "next_page_uri", "start_time", "from", "direction", "type", "detail"]
    + ["title", "more_info", "subresource_uris", "date_created", "error_code", "errors"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["CA" + "0" * 32, "Tue, 31 Aug 2010 20:36:28 +0000", "-0000", TOKEN, "\ud800", "9" * 5000, 20404])
    | st.just(10**400)
)  # fmt: skip
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8), max_leaves=12
)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.just(b"[" * 20_000),
    st.just(b'{"calls":' + b"[" * 20_000),
    st.just(f'{{"message":"you sent {BASIC}","code":20003,"status":401}}'.encode()),
    st.just(f'{{"message":"you sent {TOKEN}","code":20003,"status":401}}'.encode()),
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Type: text/html",
            b"Content-Encoding: gzip",
            b"Transfer-Encoding: chunked",
            b"Content-Length: 5",
            b"Content-Length: 100000",
            b"Content-Length: x",
            b"Location: http://127.0.0.1:1/",
            b"Retry-After: soon",
            b"no colon",
            b"X: \xff\xfe",
        ]
    ),
    max_size=3,
)
STATUS = st.sampled_from([100, 200, 201, 204, 301, 307, 400, 401, 404, 429, 500, 503, 599]) | st.integers(0, 999)
ANSWERS = st.one_of(
    st.builds(
        lambda status, headers, body: b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers, b"", body]),
        STATUS,
        HEADERS,
        BODIES,
    ),
    st.binary(max_size=100),
)  # fmt: skip


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@example(
    "place",
    b"HTTP/1.1 301 X\r\nContent-Encoding: gzip\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 100000\r\n\r\n[[",
    1.0,
    False,
)
@given(st.sampled_from(["place", "hang up", "list", "message"]), ANSWERS, st.floats(0, 1), st.booleans())
def test_no_answer_of_the_carrier_comes_out_raw(
    carrier: OddCarrier, doing: str, answer: bytes, part: float, cut: bool
) -> None:
    """Any status, any header, any JSON or none, cut anywhere."""
    carrier.answer = answer[: int(len(answer) * part)] if cut else answer
    own = Settings(
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=SecretStr(TOKEN),
        twilio_api_base_url=carrier.url,
        twilio_http_timeout=2.0,
    )
    with TwilioRest(own) as rest:
        try:
            if doing == "place":
                assert rest.place_call("+15550001", "+15550002", {"url": "https://example.com/x"})
            elif doing == "hang up":
                rest.hang_up("CA" + "0" * 32)
            elif doing == "list":
                query = CallListQuery(ANYBODY, datetime(2020, 1, 1, tzinfo=UTC), 50, 2)
                assert isinstance(rest.list_calls(query), list)
            else:
                assert rest.send_message("+15550001", "a private word", "+15550002", {})["message_sid"]
        except CarrierError as error:
            said = f"{error} {error.remedy}"
            assert TOKEN not in said and BASIC not in said and "private word" not in said and len(said) < 1000
