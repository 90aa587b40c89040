"""Settings come from the environment when they are asked for, and say what is wrong with them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voice_runtime.settings import Settings, unknown_variables


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://voice.example.com", "https://voice.example.com"),
        ("https://voice.example.com/", "https://voice.example.com"),
        ("wss://voice.example.com/", "https://voice.example.com"),
        ("ws://127.0.0.1:8080", "http://127.0.0.1:8080"),
        (" https://voice.example.com/prefix/ ", "https://voice.example.com/prefix"),
        ("", ""),
    ],
)
def test_the_public_address_may_be_written_in_any_form(written: str, meant: str) -> None:
    """A socket address and a trailing slash mean the same server."""
    assert Settings(voice_public_url=written, voice_stream_url="").public_url == meant


def test_0_1s_name_of_the_address_counts_when_the_new_one_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """VOICE_STREAM_URL is read late, and VOICE_PUBLIC_URL wins."""
    monkeypatch.setenv("VOICE_STREAM_URL", "wss://old.example.com")
    assert Settings().public_url == "https://old.example.com"
    monkeypatch.setenv("VOICE_PUBLIC_URL", "https://new.example.com")
    assert Settings().public_url == "https://new.example.com"


@pytest.mark.parametrize(("path", "means"), [("/voice", "/voice"), ("/a/b/", "/a/b")])
def test_a_media_path_is_kept_without_its_last_slash(path: str, means: str) -> None:
    """The route is the same with and without."""
    assert Settings(voice_media_path=path).voice_media_path == means


@pytest.mark.parametrize("path", ["voice", "/voice?token=1", "/voice#x"])
def test_a_media_path_that_a_carrier_refuses_is_refused_here(path: str) -> None:
    """No relative path, no query, no fragment."""
    with pytest.raises(ValidationError, match="without a query"):
        Settings(voice_media_path=path)


def test_secrets_do_not_show() -> None:
    """Printing the settings does not print the token."""
    shown = repr(Settings(twilio_auth_token="s3cret"))  # type: ignore[arg-type]
    assert "s3cret" not in shown


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VOICE_MAX_CALLS=` in a compose file means the default."""
    monkeypatch.setenv("VOICE_MAX_CALLS", "")
    assert Settings().voice_max_calls == 200


def test_a_misspelled_argument_is_an_error() -> None:
    """It would be a setting that does nothing."""
    with pytest.raises(ValidationError, match="voice_max_cals"):
        Settings(voice_max_cals=3)  # type: ignore[call-arg]


def test_a_misspelled_variable_is_named_with_what_was_meant() -> None:
    """Variables of others are none of ours; case does not matter."""
    environment = {"VOICE_MAX_CAL": "3", "voice_stt": "mock", "VOICE_OF_AMERICA_XYZZY": "x", "PATH": "/bin"}
    assert unknown_variables(environment) == {"VOICE_MAX_CAL": "VOICE_MAX_CALLS", "VOICE_OF_AMERICA_XYZZY": ""}
