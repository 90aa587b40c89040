"""Whatever is sent to the HTTP routes, signed or not: a documented answer of the documented kind, and never a 5xx."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlencode, urlsplit

import pytest
import requests
from asgi_client import PUBLIC, TOKEN, application, ask, signature_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi import DESCRIPTION

from voice_runtime import VoiceApp
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import MalformedTwiml, parse_twiml

OPERATIONS = [(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods]


@functools.cache
def described() -> Any:
    import schemathesis  # a second: not for every process that collects tests

    return schemathesis.openapi.from_dict(DESCRIPTION)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def hashed(target: bytes, body: bytes) -> bytes:
    """How the carrier signs a body that is no form."""
    mark = b"&" if b"?" in target else b"?"
    return target + mark + b"bodySHA256=" + hashlib.sha256(body).hexdigest().encode()


@pytest.fixture(scope="module")
def app() -> Iterator[VoiceApp]:
    log = logging.getLogger("voice_runtime")
    before = log.level
    log.setLevel(logging.CRITICAL)  # thousands of refusals
    yield application()
    log.setLevel(before)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("path, method", OPERATIONS)
def test_every_answer_is_a_documented_one(
    path: str, method: str, signed: bool, runner: asyncio.Runner, app: VoiceApp
) -> None:
    """Requests by the description and against it; unsigned ones are refused where it matters."""
    from schemathesis import GenerationMode

    operation = described()[path][method.upper()]
    documented = DESCRIPTION["paths"][path][method]["responses"]

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )
    )
    def fuzz(case: Any) -> None:
        wanted = requests.Request(**case.as_transport_kwargs(base_url=PUBLIC)).prepare()
        parts = urlsplit(str(wanted.url))
        target = (parts.path + ("?" + parts.query if parts.query else "")).encode("latin-1", "ignore")
        body = wanted.body.encode() if isinstance(wanted.body, str) else wanted.body or b""
        verb = str(wanted.method)
        headers = {}
        if signed and "json" in wanted.headers.get("content-type", ""):
            target = hashed(target, body)
            headers["x-twilio-signature"] = sign(TOKEN, PUBLIC + target.decode("latin-1"))
        elif signed:
            headers["x-twilio-signature"] = signature_for(target, verb, body)
        answer = runner.run(ask(app, verb, target, body, headers))
        if parts.path != path and "{" not in path or verb != method.upper():  # generated against the description
            assert answer.status in (404, 405, *map(int, documented))
            return
        assert str(answer.status) in documented or answer.status in (404, 405), answer
        kinds = documented.get(str(answer.status), {}).get("content", {})
        if kinds:
            assert answer.content_type.partition(";")[0] in kinds
        if not signed and "403" in documented:
            assert answer.status in (400, 403, 404, 413)

    fuzz()


# -- webhooks, byte by byte --------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["CallSid", "From", "To", "Direction", "CallStatus", "StreamEvent", "StreamError", "MessageSid", "Body", "attempt"]
    + ["MessageStatus", "NumMedia", "MediaUrl0", "SmsSid", "ErrorCode", "\x00", ""]
)
VALUES = st.one_of(
    st.text(max_size=80),
    st.binary(max_size=40).map(quote_from_bytes),  # percent-encoded, of no encoding
    st.sampled_from(["\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "]]>", "<Response>", "%00"]),
    st.sampled_from(
        ["+358401234567", "anonymous", "x" * 5000, "\r\nX: y", "9" * 400, "-1", "1e999", "\u202e", "\ufffe"]
    ),
)
FORMS = st.lists(st.tuples(NAMES, VALUES), max_size=12).map(lambda pairs: urlencode(pairs, errors="replace").encode())
RAW = st.one_of(
    st.binary(max_size=300),
    FORMS.map(lambda form: form + b"&CallSid=%ff%fe&From=%ED%A0%80"),
    st.just(b"a=" + b"x" * 70_000),
    st.just(b"&".join([b"a=b"] * 600)),
    st.just(b"CallSid=CA1&" * 50 + b"CallSid=CA2"),
    FORMS.map(lambda form: b"CallSid=CA1&MessageSid=SM1&MessageStatus=sent&" + form),
)


@settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([b"/incoming", b"/incoming?attempt=1", b"/status", b"/sms", b"/sms/status"]),
    st.one_of(FORMS, RAW),
    st.sampled_from(["POST", "GET"]),
)
def test_no_form_breaks_a_webhook(
    runner: asyncio.Runner, app: VoiceApp, target: bytes, body: bytes, method: str
) -> None:
    """Signed by the carrier, and odd in every way: TwiML that a carrier can read, 204, or a refusal."""
    if method == "GET":
        target, body = target.partition(b"?")[0] + b"?" + body[:2000].replace(b"#", b""), b""
    headers = {"x-twilio-signature": signature_for(target, method, body)}
    answer = runner.run(ask(app, method, target, body, headers))
    assert answer.status in (200, 204, 400, 403, 413), answer
    if answer.status == 200:
        assert answer.content_type.startswith("text/xml")
        assert not any(isinstance(verb, MalformedTwiml) for verb in parse_twiml(answer.body.decode()))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.just("text") | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100) | st.just(b"[" * 20_000))
def test_no_json_breaks_the_route_for_tests(runner: asyncio.Runner, app: VoiceApp, body: bytes) -> None:
    """Nobody is there to hear it, or it is no text: 400 or 409."""
    target = hashed(b"/test/inject", body)
    headers = {"x-twilio-signature": sign(TOKEN, PUBLIC + target.decode())}
    assert runner.run(ask(app, "POST", target, body, headers)).status in (400, 409)
