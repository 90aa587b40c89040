"""Request signatures: equal to the SDK's, to the vectors in Twilio's documentation, and closed to everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from voice_runtime.wire.signature import sign, url_candidates, valid

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
FIELDS = [
    ("Digits", "1234"),
    ("To", "+18005551212"),
    ("From", "+14158675310"),
    ("Caller", "+14158675310"),
    ("CallSid", "CA1234567890ABCDE"),
]
SIGNATURE = "L/OH5YylLD5NRKLltdqwSvS0BnU="
BODY = b'{"CallSid":"CA1234567890ABCDE","Caller":"+12349013030"}'
BODY_URL = "https://example.com/hook?bodySHA256=5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Form:
    """A form as a web framework hands it out."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def __iter__(self) -> object:
        return iter([name for name, _ in self.fields])

    def __len__(self) -> int:
        return len(self.fields)

    def getall(self, wanted: str) -> list[str]:
        return [value for name, value in self.fields if name == wanted]


def test_the_documented_vector() -> None:
    """The example on Twilio's page comes out as printed there."""
    assert sign(TOKEN, URL, FIELDS) == SIGNATURE
    assert valid(TOKEN, SIGNATURE, [URL], FIELDS)


@given(text.filter(bool), text, st.lists(st.tuples(text, text), max_size=6))
def test_the_sdk_signs_the_same(token: str, url: str, fields: list[tuple[str, str]]) -> None:
    """Repeated names, blank values, any characters: as `RequestValidator.compute_signature` does it."""
    theirs = RequestValidator(token).compute_signature(url, Form(fields))
    assert sign(token, url, fields) == theirs
    assert valid(token, theirs, [url], fields)


def test_repeated_and_blank_fields() -> None:
    """The same value twice counts once, another value counts, and a blank one leaves its name."""
    once = sign(TOKEN, URL, [("b", "1"), ("b", "2"), ("a", "")])
    assert once == sign(TOKEN, URL, [("a", ""), ("b", "2"), ("b", "1"), ("b", "2")])
    assert once != sign(TOKEN, URL, [("b", "1"), ("b", "2")])


def test_any_of_the_candidates_will_do() -> None:
    """One right URL among wrong ones is enough; none is not."""
    assert valid(TOKEN, SIGNATURE, ["https://other.example/", URL], iter(FIELDS))
    assert not valid(TOKEN, SIGNATURE, ["https://other.example/"], FIELDS)
    assert not valid(TOKEN, SIGNATURE, [], FIELDS)


@pytest.mark.parametrize("garbage", [None, "", " ", "x" * 10_000, "\ud800", "ä", SIGNATURE.lower(), SIGNATURE + "="])
def test_a_missing_or_garbage_header_is_just_invalid(garbage: str | None) -> None:
    """Nothing is raised."""
    assert not valid(TOKEN, garbage, [URL], FIELDS)


def test_fields_that_cannot_be_encoded_are_just_invalid() -> None:
    """A lone surrogate from a tolerant form parser."""
    assert not valid(TOKEN, SIGNATURE, [URL], [("a", "\udcff")])


def test_without_a_token_nothing_is_valid() -> None:
    """Not even what was signed with the empty token: an unset setting must not open the door."""
    with pytest.raises(ValueError, match="auth token"):
        sign("", URL)
    assert not valid("", SIGNATURE, [URL], FIELDS)


def test_a_body_is_proved_by_its_hash_in_the_url() -> None:
    """The documented JSON vector; the SDK agrees."""
    signature = sign(TOKEN, BODY_URL)
    assert RequestValidator(TOKEN).validate(BODY_URL, BODY.decode(), signature)
    assert valid(TOKEN, signature, [BODY_URL], body=BODY)
    assert valid(TOKEN, signature, [BODY_URL], [("ignored", "field")], body=BODY)
    assert not valid(TOKEN, signature, [BODY_URL], body=BODY + b" ")


def test_a_body_without_a_hash_is_not_proved() -> None:
    """The SDK lets this pass as a string of no parameters; anybody could have changed such a body."""
    assert not valid(TOKEN, sign(TOKEN, URL), [URL], body=b"")
    odd = "https://example.com/?bodySHA256=ä"
    assert not valid(TOKEN, sign(TOKEN, odd), [odd], body=b"")


@pytest.mark.parametrize(
    ("url", "forms"),
    [
        ("https://a.example/v", ["https://a.example/v", "https://a.example:443/v"]),
        ("https://a.example:443/v", ["https://a.example:443/v", "https://a.example/v"]),
        ("https://a.example:8443/v", ["https://a.example:8443/v", "https://a.example/v"]),
        ("http://a.example/v", ["http://a.example/v", "http://a.example:80/v"]),
        ("https://me:pw@a.example/v?q=%41#rc=2", ["https://a.example/v?q=%41", "https://a.example:443/v?q=%41"]),
        ("https://[::1]/v", ["https://[::1]/v", "https://[::1]:443/v"]),
        ("http://[::1]:8080/v?", ["http://[::1]:8080/v?", "http://[::1]/v?"]),
        (
            "wss://a.example/v",
            ["wss://a.example/v", "wss://a.example:443/v", "wss://a.example/v/", "wss://a.example:443/v/"],
        ),
        (
            "wss://a.example:443/v/",
            ["wss://a.example:443/v/", "wss://a.example/v/", "wss://a.example:443/v", "wss://a.example/v"],
        ),
        (
            "ws://a.example",
            ["ws://a.example", "ws://a.example:80", "ws://a.example/", "ws://a.example:80/"],
        ),
        ("gopher://a.example:70/v", ["gopher://a.example:70/v"]),
        ("not an address", ["not an address"]),
        ("", [""]),
    ],
)
def test_the_forms_in_which_a_url_may_have_been_signed(url: str, forms: list[str]) -> None:
    """The form as given comes first, without what is never signed."""
    assert url_candidates(url) == forms


@given(text)
def test_candidates_never_raise(url: str) -> None:
    """Any text at all has at least one form."""
    assert url_candidates(url)


@pytest.mark.parametrize("signed", ["wss://a.example/v", "wss://a.example/v/", "wss://a.example:443/v"])
def test_a_media_socket_is_let_in_however_twilio_wrote_it(signed: str) -> None:
    """Trailing slash or port: it is the same socket."""
    assert valid(TOKEN, sign(TOKEN, signed), url_candidates("wss://a.example/v"))
