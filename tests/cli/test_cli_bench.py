"""`voice-runtime bench` against servers of our own and of others, and with what it cannot do."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import PUBLIC, TOKEN, Served
from click.testing import Result

Run = Callable[..., Result]

pytestmark = pytest.mark.alone

PROGRAM = """
from voice_runtime import VoiceSession

async def echo(call: VoiceSession) -> None:
    async for frame in call.audio():
        call.send_audio(frame)

async def greet(call: VoiceSession) -> None:
    await call.play(b"\\x20\\xa0" * 800)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def bench(run: Run, url: str, *options: str) -> Result:
    return run("bench", url, "--calls", "5", "--seconds", "1", *options)


def test_five_calls_to_a_server(run: Run, program: Path) -> None:
    """Webhooks and sockets are signed for the public address; numbers go to stdout, files to --report."""
    with Served(program, "program:echo") as served:
        options = ("--auth-token", TOKEN, "--public-url", PUBLIC, "--pid", str(served.process.pid), "--report", "out")
        result = bench(run, served.url + "/incoming", *options, "--json")
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["connected"] == 5 and numbers["frames"]["sent"] == 250 and numbers["frames"]["lost"] == 0
    assert numbers["delay_ms"]["count"] >= 240 and numbers["setup_ms"]["webhook"]["count"] == 5
    assert numbers["server"]["idle_bytes"] > 1_000_000
    assert json.loads((program / "out" / "numbers.json").read_text()) == numbers
    assert "frames later than 20 ms" in (program / "out" / "report.md").read_text()
    assert (program / "out" / "delay.svg").read_text().startswith("<?xml")


def test_the_table_is_for_people(run: Run, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token comes from the environment; a server that hangs up first and echoes nothing is described."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    with Served(program, "program:greet") as served:
        result = bench(run, served.url + "/incoming", "--public-url", PUBLIC)
    assert result.exit_code == 0
    assert "first audio after start, ms" in result.stdout and "gaps at the ear" in result.stdout
    assert "5 calls ended by the server: the server closed the socket: 1000" in result.stderr
    assert "no echo" in result.stderr


def test_a_wrong_token_is_the_reason(run: Run, program: Path) -> None:
    """The call fails at the webhook, and the exit code says so."""
    with Served(program, "program:echo") as served:
        result = bench(run, served.url + "/incoming", "--auth-token", "another", "--public-url", PUBLIC)
    assert result.exit_code == 1
    assert "5 calls not connected: webhook:" in result.stderr and "HTTP 403" in result.stderr


def test_nobody_listens(run: Run) -> None:
    """Refused, for a webhook and for a socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/incoming", f"ws://127.0.0.1:{port}/voice"):
        result = bench(run, url, "--auth-token", TOKEN)
        assert result.exit_code == 1 and "5 calls not connected" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("127.0.0.1:8080",), "is no address"),
        (("http://127.0.0.1:1/incoming",), "set TWILIO_AUTH_TOKEN"),
        (("https://voice.example.com/incoming", "--auth-token", "x"), "--allow-host voice.example.com"),
        (("ws://127.0.0.1:1/", "--pid", "4194305"), "process 4194305 cannot be looked at"),
        (("ws://127.0.0.1:1/", "--report", "program.py"), "--report program.py: File exists"),
    ],
)
def test_what_cannot_be_measured_is_one_line(run: Run, program: Path, options: tuple[str, ...], said: str) -> None:
    """With exit code 2, and before anything is dialled."""
    assert os.getcwd() == str(program)
    result = run("bench", *options)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1
