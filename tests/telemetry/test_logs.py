"""What comes out on stderr."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator

import pytest
import structlog

from voice_runtime.errors import ConfigurationError
from voice_runtime.telemetry import configure_logging
from voice_runtime.telemetry.logs import _SERVER, _TAMED
from voice_runtime.wire.tokens import TokenMinter

TOKEN = TokenMinter(secrets.token_bytes(32)).mint("CA" + "0" * 32, 1e9, 60, secrets.token_bytes(12))


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Logging is the process's: each test hands it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in (*_SERVER, *_TAMED)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, (its_level, propagate) in before.items():
        logging.getLogger(name).setLevel(its_level)
        logging.getLogger(name).propagate = propagate
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_plain_lines_hold_time_level_text_fields_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    """Both kinds of loggers look the same."""
    configure_logging()
    logging.getLogger("ours").warning("call %s: odd", "CA1")
    structlog.stdlib.get_logger("ours").info("call ended", reason="drained")
    first, second = lines(capsys)
    assert "[warning" in first and "call CA1: odd" in first and "[ours]" in first
    assert "[info" in second and "call ended" in second and "reason=drained" in second


def test_json_lines_are_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Also with a traceback, an argument, an extra field and something that JSON does not know."""
    configure_logging(json=True)
    structlog.stdlib.get_logger("ours").info("call ended", seconds=1.5, what=object)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("ours").exception("it failed: %d", 3, extra={"call_sid": "CA1"})
    first, second = (json.loads(line) for line in lines(capsys))
    assert (first["event"], first["level"], first["logger"], first["seconds"]) == ("call ended", "info", "ours", 1.5)
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "it failed: 3" and second["call_sid"] == "CA1"
    assert "ValueError: no" in second["exception"]


def test_configuring_again_changes_the_form_and_doubles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever configured the root logger before, and however often."""
    logging.getLogger().addHandler(logging.StreamHandler())
    configure_logging()
    configure_logging("debug", json=True)
    logging.getLogger("ours").debug("said once")
    assert [json.loads(line)["event"] for line in lines(capsys)] == ["said once"]


def test_levels_below_the_threshold_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Of both kinds of loggers."""
    configure_logging("warning")
    logging.getLogger("ours").info("no")
    structlog.stdlib.get_logger("ours").info("no")
    assert lines(capsys) == []


def test_a_level_that_is_none_is_named() -> None:
    """With those there are."""
    with pytest.raises(ConfigurationError, match="'loud' is not a log level.*debug, info"):
        configure_logging("loud")


def test_uvicorn_says_nothing_of_paths_and_is_heard_when_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own handlers go; even debug does not open the media sockets' frames and paths."""
    for name in _SERVER:
        logging.getLogger(name).addHandler(logging.StreamHandler())
    configure_logging("debug")
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "1.2.3.4", f"/voice/{TOKEN}")
    logging.getLogger("uvicorn.error").debug("< TEXT '...'")
    logging.getLogger("uvicorn.access").warning("GET /")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", extra={"color_message": "red"})
    (line,) = lines(capsys)
    assert "Exception in ASGI application" in line and "red" not in line


@pytest.mark.parametrize("as_json", [False, True])
def test_a_media_token_never_comes_out(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """Whatever carries it: text, argument, field, traceback."""
    configure_logging("debug", json=as_json)
    log = logging.getLogger("ours")
    log.info("/voice/" + TOKEN)  # noqa: G003  # as others do it
    log.info("at %s", f"wss://h/voice/{TOKEN}?x=1")
    structlog.stdlib.get_logger("ours").info("open", url=f"/voice/{TOKEN}")
    try:
        raise ValueError(TOKEN)
    except ValueError:
        log.exception("failed")
    said = "\n".join(lines(capsys))
    assert TOKEN not in said and said.count("[media token]") >= 4


def test_private_fields_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Under their marked names."""
    configure_logging(json=True)
    structlog.stdlib.get_logger("ours").info("call ended", private_caller="+15551234567")
    assert json.loads(lines(capsys)[0])["private_caller"] == "+15551234567"


def test_private_fields_can_be_hashed(capsys: pytest.CaptureFixture[str]) -> None:
    """The same value looks the same, an empty one stays empty, and stdlib's extras count too."""
    configure_logging(json=True, redact_private=True)
    log = structlog.stdlib.get_logger("ours")
    log.info("a", private_caller="+15551234567", call_sid="CA1")
    log.info("b", private_caller="")
    logging.getLogger("ours").info("c", extra={"private_called": "+15551234567"})
    text = lines(capsys)
    first, second, third = (json.loads(line) for line in text)
    assert "5551234567" not in "".join(text)
    assert first["private_caller"] == third["private_called"] and first["call_sid"] == "CA1"
    assert second["private_caller"] == ""


def test_a_stranger_cannot_write_lines_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """New lines are indented, terminal control is spelled out."""
    configure_logging()
    logging.getLogger("ours").warning("call %s", "x\n2026-01-01 [info] call ended\x1b[2J\r")
    first, second = lines(capsys)
    assert second.startswith("    2026") and "\\x1b[2J\\r" in second


def test_other_handlers_stay(tmp_path: object, caplog: pytest.LogCaptureFixture) -> None:
    """A file, or a test's own."""
    configure_logging()
    logging.getLogger("ours").warning("kept")
    assert [record.message for record in caplog.records] == ["kept"]
