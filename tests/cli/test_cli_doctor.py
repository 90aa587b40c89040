"""Every finding, and its remedy."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest
from cli_world import World
from click.testing import Result

Run = Callable[..., Result]


def checks(result: Result) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(result.stdout)}


def test_a_bare_machine_is_told_what_to_set(run: Run) -> None:
    """Every line that fails has a remedy, and the exit code is 1."""
    result = run("doctor", "--json")
    found = checks(result)
    assert result.exit_code == 1
    failed = {name for name, check in found.items() if check["state"] == "fail"}
    assert failed == {"public URL", "account", "auth token"}
    assert all(check["remedy"] for check in found.values() if check["state"] != "ok")
    assert found["STT"]["state"] == "warn" and "VOICE_STT" in found["STT"]["remedy"]


def test_a_machine_that_is_ready_is_exit_code_0(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each check."""
    monkeypatch.setenv("VOICE_STT", "mock")
    monkeypatch.setenv("VOICE_TTS", "mock")
    result = run("doctor")
    assert result.exit_code == 0
    assert all(line.startswith(("ok ", "warn")) for line in result.stdout.splitlines())
    assert "ok    public URL: https://voice.test" in result.stdout


@pytest.mark.parametrize(
    ("setting", "value", "name", "state", "remedy"),
    [
        ("VOICE_PUBLIC_URL", "http://voice.test", "public URL", "fail", "TLS"),
        ("VOICE_PUBLIC_URL", "http://127.0.0.1:8080", "public URL", "warn", "https://"),
        ("VOICE_PUBLIC_URL", "https://voice.test/?a=b", "public URL", "fail", "without a path or query"),
        ("VOICE_PUBLIC_URL", "voice.test", "public URL", "fail", "https://host"),
        ("VOICE_PUBLIC_URL", "https://voice.test/phone", "public URL", "warn", "/phone"),
        ("TWILIO_ACCOUNT_SID", "SK1", "account", "fail", "AC and 32"),
        ("TWILIO_PHONE_NUMBER", "0401234567", "phone number", "fail", "+15551234567"),
        ("TWILIO_SKIP_SIGNATURE_VALIDATION", "true", "signatures", "fail", "Unset"),
        ("VOICE_STT", "nosuch", "STT", "fail", "Known here"),
        ("VOICE_TTS", "elevenlabs", "TTS", "fail", "ELEVENLABS_API_KEY"),
        ("VOICE_LOG_LEVEL", "loud", "settings", "fail", "debug"),
        ("VOICE_MAX_CAL", "3", "settings", "warn", "VOICE_MAX_CALLS"),
        ("VOICE_SERVER_PORT", "x", "settings", "fail", "environment"),
    ],
)
def test_what_is_wrong_is_found(
    run: Run,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    name: str,
    state: str,
    remedy: str,
) -> None:
    """One by one."""
    monkeypatch.setenv(setting, value)
    result = run("doctor", "--json")
    check = checks(result)[name]
    assert (check["state"], result.exit_code) == (state, 1 if state == "fail" else 0)
    assert remedy in check["remedy"]


def test_a_port_in_use_by_a_stranger_fails(run: Run, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """By a server of ours it would not: that one answers /healthz."""
    monkeypatch.setattr("voice_runtime.cli.doctor.HTTP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", world.port)):
        assert checks(run("doctor", "--json"))["port"]["state"] == "fail"


def test_online_the_carrier_and_the_public_url_are_asked(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials are accepted; nobody serves at the public URL, or something without /healthz."""
    monkeypatch.setenv("VOICE_PUBLIC_URL", "http://127.0.0.1:9")
    found = checks(run("doctor", "--online", "--json"))
    assert (found["carrier"]["state"], found["reachable"]["state"]) == ("ok", "fail")
    monkeypatch.setenv("VOICE_PUBLIC_URL", world.api)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "wrong")
    found = checks(run("doctor", "--online", "--json"))
    assert (found["carrier"]["state"], found["reachable"]["state"]) == ("fail", "warn")
    assert "wrong" not in found["carrier"]["detail"]
