"""`voice-runtime serve` as a process, from its first line to its exit code."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import Served, open_media, webhook
from click.testing import Result
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

PROGRAM = """
import asyncio, time
from voice_runtime import VoiceApp

app = VoiceApp(tts="mock")

@app.call()
async def answer(call):
    call.send_audio(b"\\xff" * 160)
    await call.wait_ended()

async def stubborn(call):
    call.send_audio(b"\\xff" * 160)
    await asyncio.sleep(0.05)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def stop(media: ClientConnection) -> None:
    media.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))


def until_closed(media: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed):
        while True:
            media.recv(timeout=30)


def test_sigterm_lets_a_live_call_finish_and_takes_no_other(folder: Path) -> None:
    """The port answers all the while; the exit code is 0, and no log line holds the token of the socket."""
    with Served(folder, "program:app", "--log-level", "debug") as served:
        assert served.get("/readyz").status_code == 200
        with open_media(served, "CA1") as media:
            assert json.loads(media.recv(timeout=30))["event"] == "media"
            served.terminate()
            served.wait_until_not_ready()
            assert served.get("/readyz").json()["status"] == "draining"
            health = served.get("/healthz")
            assert (health.status_code, health.json()["calls"]) == (200, 1)
            assert 'reason="busy"' in webhook(served, "/incoming", CallSid="CA2", From="+1555", To="+1556").text
            assert webhook(served, "/status", CallSid="CA3", CallStatus="ringing").status_code == 204
            assert served.process.poll() is None
            stop(media)
        code, rest = served.ended()
    lines = [json.loads(line) for line in rest.splitlines()]
    assert code == 0
    (end,) = (line for line in lines if line["event"] == "call ended")
    assert (end["call_sid"], end["reason"], end["private_caller"]) == ("CA1", "caller_hung_up", "+358401234567")
    assert lines[-1]["event"] == "stopped"
    assert "/voice/" not in rest and "AXsi" not in rest


def test_a_second_signal_ends_at_once(folder: Path) -> None:
    """The call is cut, the line of the call says whose doing it was, and the exit code is not 0."""
    with Served(folder, "program:app") as served:
        with open_media(served, "CA1") as media:
            media.recv(timeout=30)
            served.terminate()
            served.wait_until_not_ready()
            began = time.monotonic()
            served.terminate(signal.SIGINT)
            until_closed(media)
        code, rest = served.ended()
    assert code == 1 and time.monotonic() - began < 20
    (end,) = (line for line in map(json.loads, rest.splitlines()) if line["event"] == "call ended")
    assert end["reason"] == "drained"


def test_a_second_signal_ends_a_loop_that_hangs(folder: Path) -> None:
    """Whatever blocks: the process is over a second later."""
    with Served(folder, "program:stubborn", "--tts", "mock") as served:
        with open_media(served, "CA1") as media:
            media.recv(timeout=30)
            time.sleep(0.15)  # now the handler blocks the loop
            began = time.monotonic()
            served.terminate()
            time.sleep(0.05)
            served.terminate()
            code, _ = served.ended()
    assert code == 1 and time.monotonic() - began < 20


def test_a_call_that_does_not_end_is_hung_up_after_the_drain(folder: Path) -> None:
    """VOICE_DRAIN_SECONDS; that is a clean end."""
    with Served(folder, "program:app", VOICE_DRAIN_SECONDS="0.2") as served:
        with open_media(served, "CA1") as media:
            media.recv(timeout=30)
            served.terminate()
            until_closed(media)
        code, rest = served.ended()
    assert code == 0
    assert "hanging up 1 calls" in rest


def test_sigint_without_a_call_ends_with_0_and_nothing_to_complain(folder: Path) -> None:
    """The first line says where it listens, with what, and what is missing: here nothing."""
    with Served(folder, "program:app", TWILIO_ACCOUNT_SID="AC1", VOICE_STT="mock") as served:
        first = served.lines[-1]
        served.terminate(signal.SIGINT)
        code, rest = served.ended()
    assert (first["public_url"], first["stt"], first["tts"]) == ("https://voice.test", "mock", "mock")
    assert first["level"] == "info" and "todo" not in first
    assert code == 0 and "Traceback" not in rest


def test_without_a_program_the_parrot_answers(folder: Path) -> None:
    """It beeps where it has no voice, and gives back what it hears; what is missing is named."""
    with Served(folder, TWILIO_ACCOUNT_SID="AC1") as served:
        assert "VOICE_TTS" in str(served.lines[-1]["todo"])
        with open_media(served, "CA1") as media:
            heard = json.loads(media.recv(timeout=30))
            stop(media)
        served.terminate()
        assert served.ended()[0] == 0
    assert heard["event"] == "media" and len(heard["media"]["payload"]) > 10


def test_a_port_in_use_is_one_line(run: Callable[..., Result]) -> None:
    """With what to do, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port, "--log-level", "error")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"voice-runtime: Cannot listen at 127.0.0.1:{port}: the port is in use."
        " Choose another with --host, --port or their settings."
    ]
