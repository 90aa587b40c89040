"""What raw-audio clients may say in JSON, and what is not understood."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.wire.raw import BadMessage, Hangup, Hello, KeyPressed, MarkPlayed, decode, encode


def test_everything_that_a_client_may_say() -> None:
    """A hello needs no type, and nothing in it; `agent` is another word for `to`; what is unknown is ignored."""
    assert decode("{}") == Hello() and Hello().hz == 16000
    assert decode('{"type": "hello", "format": "mulaw", "new": 1}') == Hello(encoding="mulaw")
    assert Hello(encoding="mulaw").hz == 8000 and Hello(encoding="mulaw", rate=16000).hz == 16000
    assert decode('{"agent": "kitchen", "from": "me"}') == Hello(to="kitchen", from_="me")
    assert decode('{"agent": "kitchen", "to": "desk"}') == Hello(to="desk")
    assert decode('{"type": "mark", "name": "one"}') == MarkPlayed("one")
    assert decode('{"type": "dtmf", "digit": "#"}') == KeyPressed("#")
    assert decode('{"type": "hangup"}') == Hangup()


@pytest.mark.parametrize(
    ("text", "reason", "hello"),
    [
        ("", "a text message is a JSON object", False),
        ("[]", "a text message is a JSON object", False),
        ("[" * 16000, "a text message is a JSON object", False),
        ('"\ud800"', "a text message is a JSON object", False),
        (" " * 16385, "a text message has at most 16384 characters", False),
        ('{"type": "audio"}', "type is one of hello, mark, dtmf, hangup", False),
        ('{"type": ["hello"]}', "type is one of hello, mark, dtmf, hangup", False),
        ('{"type": "mark"}', "Object missing required field `name`", False),
        ('{"rate": "8000"}', "Expected `int | null`, got `str` - at `$.rate`", True),
        ('{"parameters": {"a": 1}}', "Expected `str`, got `int` - at `$.parameters[...]`", True),
    ],
)
def test_whatever_else_is_told_from_it_with_a_reason(text: str, reason: str, hello: bool) -> None:
    """The reason is for whoever writes the client; a hello that cannot be served is known as one."""
    assert decode(text) == BadMessage(reason, hello)


@given(
    st.text()
    | st.recursive(st.none() | st.text() | st.integers(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)).map(
        json.dumps
    )
)
def test_no_text_raises(text: str) -> None:
    """Any text is a message of some kind."""
    decode(text)


def test_what_goes_out_has_its_type() -> None:
    """And the rest as it is."""
    assert json.loads(encode("state", at=1.5, state="idle")) == {"type": "state", "at": 1.5, "state": "idle"}
