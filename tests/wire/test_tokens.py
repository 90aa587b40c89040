"""Media tokens: one call, one socket, a short life."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.errors import TokenError
from voice_runtime.wire.tokens import MAX_TOKEN_CHARS, MediaToken, TokenMinter, UsedTokens

SECRET = b"0123456789abcdef"
NONCE = b"12345678"
MINTER = TokenMinter(SECRET)
TOKEN = MINTER.mint("CA1", now=100.0, ttl=60.0, nonce=NONCE, claims={"from": "+358401", "route": "sales"})


def token(number: int, expires: float) -> MediaToken:
    return MediaToken("CA1", expires, number.to_bytes(8))


def test_what_was_minted_is_read() -> None:
    """The call, the end of life and the claims come back."""
    assert MINTER.read(TOKEN, now=159.9) == MediaToken("CA1", 160.0, NONCE, {"from": "+358401", "route": "sales"})


def test_a_token_is_the_same_on_every_server() -> None:
    """The format is fixed: another process, or the next release, reads it."""
    assert TOKEN == (
        "AXsiYyI6IkNBMSIsImUiOjE2MDAwMCwiayI6eyJmcm9tIjoiKzM1ODQwMSIsInJvdXRlIjoic2FsZXMifSwibiI6IjMxMzIzMzM0"
        "MzUzNjM3MzgifVuMouAy-DSC-fGKschBkjYK1_nxw66MN6BfIN8TWlvz"
    )


@given(
    st.text(min_size=1, max_size=40),
    st.floats(0, 4e9),
    st.floats(0.01, 3600),
    st.binary(min_size=8, max_size=32),
    st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
)
def test_any_call_and_claims_survive(
    call_sid: str, now: float, ttl: float, nonce: bytes, claims: dict[str, str]
) -> None:
    """And the token needs no quoting in a path."""
    minted = MINTER.mint(call_sid, now, ttl, nonce, claims)
    assert set(minted) <= set(string.ascii_letters + string.digits + "-_")
    read = MINTER.read(minted, now - 1)
    assert (read.call_sid, read.nonce, read.claims) == (call_sid, nonce, claims)
    assert read.expires == pytest.approx(now + ttl, abs=0.01)


def test_a_token_dies() -> None:
    """At its last instant it is over."""
    with pytest.raises(TokenError, match="expired"):
        MINTER.read(TOKEN, now=160.0)


def test_another_secret_does_not_read_it() -> None:
    """Nor does one that begins the same."""
    with pytest.raises(TokenError, match="forged"):
        TokenMinter(SECRET + b"0").read(TOKEN, now=100.0)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_no_character_can_be_changed(position: int, letter: str) -> None:
    """Not even the last one, whose low bits carry nothing."""
    changed = TOKEN[:position] + letter + TOKEN[position + 1 :]
    if changed == TOKEN:
        return
    with pytest.raises(TokenError):
        MINTER.read(changed, now=100.0)


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        ("", "short"),
        ("A", "not base64url"),
        ("%%%%", "not base64url"),
        ("ä" * 8, "not base64url"),
        ("\ud800", "not base64url"),
        (TOKEN + "=", "base64url"),
        ("a+/b", "base64url"),
        ("A" * 44, "short"),
        ("A" * 80, "version"),
        ("A" * (MAX_TOKEN_CHARS + 1), "too long"),
        (base64.urlsafe_b64encode(b"\x01" + bytes(40)).rstrip(b"=").decode(), "forged"),
    ],
)
def test_garbage_is_named_as_what_it_is(garbage: str, why: str) -> None:
    """The reason goes to the log of whoever is being knocked at."""
    with pytest.raises(TokenError, match=why):
        MINTER.read(garbage, now=100.0)


@given(st.text(max_size=100))
def test_reading_raises_nothing_else(garbage: str) -> None:
    """Any text is a token or a `TokenError`."""
    with pytest.raises(TokenError):
        MINTER.read(garbage, now=100.0)


@pytest.mark.parametrize(
    ("call_sid", "ttl", "nonce", "claims", "why"),
    [
        ("", 1.0, NONCE, {}, "belongs to a call"),
        ("CA1", 0.0, NONCE, {}, "live for a while"),
        ("CA1", 1.0, b"1234567", {}, "nonce"),
        ("CA1", 1.0, NONCE, {"a": "b" * 1000}, "claims"),
    ],
)
def test_what_would_be_a_bad_token_is_not_minted(
    call_sid: str, ttl: float, nonce: bytes, claims: dict[str, str], why: str
) -> None:
    """The webhook learns of it, not the socket."""
    with pytest.raises(ValueError, match=why):
        MINTER.mint(call_sid, 0.0, ttl, nonce, claims)


def test_a_short_secret_is_refused_and_none_is_shown() -> None:
    """A guessable key is no key."""
    with pytest.raises(ValueError, match="16 bytes"):
        TokenMinter(b"short")
    assert "0123" not in repr(MINTER)


def test_a_token_is_spent_once() -> None:
    """Another token is not affected."""
    used = UsedTokens()
    used.spend(token(1, 160.0), now=100.0)
    used.spend(token(2, 160.0), now=100.0)
    with pytest.raises(TokenError, match="used before"):
        used.spend(token(1, 160.0), now=100.0)


def test_an_expired_token_cannot_be_spent() -> None:
    """Or it could be spent again as soon as it is forgotten."""
    with pytest.raises(TokenError, match="expired"):
        UsedTokens().spend(token(1, 100.0), now=100.0)


def test_a_clock_set_back_revives_nothing() -> None:
    """What was forgotten as expired stays dead."""
    used = UsedTokens()
    used.spend(token(1, 160.0), now=100.0)
    used.spend(token(2, 300.0), now=200.0)
    with pytest.raises(TokenError, match="expired"):
        used.spend(token(1, 160.0), now=101.0)


def test_memory_is_bounded_by_lifetime() -> None:
    """A thousand tokens a minute for an hour leave one minute's worth."""
    used = UsedTokens()
    for number in range(6000):
        used.spend(token(number, expires=number + 60.0), now=float(number))
    assert len(used) == 60
