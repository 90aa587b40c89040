"""`voice-runtime simulate`: a telephone in the terminal, for our applications and for those of others."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_world import CODE, PUBLIC, TOKEN, Served
from click.testing import Result
from twilio.rest import Client
from typer.testing import CliRunner

from fakes.foreign_application import FOREIGN_TOKEN, GREETING, foreign_application
from voice_runtime.audio.wav import read_wav
from voice_runtime.cli import app

Run = Callable[..., Result]

PROGRAM = """
from voice_runtime import VoiceApp

app = VoiceApp(stt="mock", tts="mock")

@app.call()
async def answer(call):
    await call.say("Name?")
    heard = await call.listen()
    await call.say(f"Hi {heard.text}")
"""


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    with foreign_application() as url:
        yield url


def typed(text: str, *arguments: str) -> Result:
    """A session, with what was typed in a pipe."""
    arguments = ("simulate", *arguments, "--voice", "spelled")
    return CliRunner().invoke(app, [*arguments], input=text, catch_exceptions=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def calling(port: int, url: str) -> threading.Thread:
    """Twilio's own client places a call, as soon as there is an API at the port."""

    def place() -> None:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
        client = Client("AC" + "1" * 32, FOREIGN_TOKEN)
        client.api.base_url = f"http://127.0.0.1:{port}"
        client.calls.create(to="+15551234567", from_="+15550001111", url=url)
        client.http_client.session.close()

    placing = threading.Thread(target=place)
    placing.start()
    return placing


def test_somebody_types_and_sees_what_a_foreign_application_does(foreign: str) -> None:
    """Its words, its marks, and what Twilio would log, as it happens; the call ends when it hangs up."""
    result = typed(
        ":hear\n:bogus\n:press 9\n:pause 0.2\n:press #\n:pause 9\n",
        *(f"{foreign}/voice", "--auth-token", FOREIGN_TOKEN, "-v"),
    )
    assert result.exit_code == 1
    shown = result.stdout
    assert "agent    speaks" in shown and f"dBFS: {GREETING}" in shown
    assert "mark     greeted (played" in shown and "/voice -> 200" in shown
    assert "there is no :bogus; :help shows what there is" in shown
    assert shown.count("31951 INVALID_MESSAGE") == 2, "once live, once in the end"
    assert shown.index("31951 INVALID_MESSAGE") < shown.index("31921 SERVER_CLOSED")
    assert "ended by: twiml" in shown


def test_the_same_script_three_times_at_once(run: Run, tmp_path: Path) -> None:
    """Against our own server, as its public address; the numbers are for programs, and each call is a file; a
    little goes wrong, which the application is to bear."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "call.yaml").write_text("- hears: name\n- hear_out\n- say: Ann\n- hears: hi ann\n")
    options = ("--auth-token", TOKEN, "--public-url", PUBLIC, "--voice", "spelled", "--record", "call.wav")
    options = (*options, "--bad-day", "jitter_ms=40,start_twice,doubled_callbacks=1", "--seed", "7")
    port, sid = free_port(), "AC" + "2" * 32
    account = {"TWILIO_API_BASE_URL": f"http://127.0.0.1:{port}", "TWILIO_ACCOUNT_SID": sid}
    with Served(tmp_path, "program:app", **account) as served:
        url, options = served.url + "/incoming", (*options, "--api-port", str(port), "--account-sid", sid)
        result = run("simulate", url, *options, "--script", "call.yaml", "--calls", "3", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"] and len(told["calls"]) == 3, told
    for number, call in enumerate(told["calls"], start=1):
        assert [note["text"] for note in call["transcript"] if note["kind"] == "agent"][0] == "name?"
        assert len(call["response_ms"]) == 1 and call["violations"] == []
        assert read_wav(Path(f"call-{number}.wav")).channels == 2


def test_the_application_calls_and_a_script_answers(run: Run, foreign: str, tmp_path: Path) -> None:
    """Through Twilio's own client, at the address that the command prints; what the script waits for in vain is 1."""
    (tmp_path / "answers.py").write_text(
        'async def caller(line):\n    await line.hears("hello")\n    await line.hears("goodbye", timeout=1.5)\n'
    )
    port = free_port()

    placing = calling(port, f"{foreign}/voice")
    account = ("--auth-token", FOREIGN_TOKEN, "--account-sid", "AC" + "1" * 32, "--api-port", str(port))
    result = run(
        "simulate", f"{foreign}/voice", "--listen", "--script", "answers.py", "--picture", "call.svg", *account
    )
    placing.join(30)
    assert result.exit_code == 1
    assert f"TWILIO_API_BASE_URL=http://127.0.0.1:{port}" in result.stdout
    assert "failed: did not hear 'goodbye' within 1.5 s, but 'there'" in result.stdout
    assert Path("call.svg").read_text().startswith("<svg")


def test_somebody_ready_made_answers(run: Run, foreign: str) -> None:
    """A line that is busy is what was asked for, and no failure."""
    options = ("--listen", "--person", "busy", "--auth-token", FOREIGN_TOKEN)
    port = free_port()
    placing = calling(port, f"{foreign}/voice")
    result = run("simulate", f"{foreign}/voice", *options, "--account-sid", "AC" + "1" * 32, "--api-port", str(port))
    placing.join(30)
    assert result.exit_code == 0, result.output
    assert "busy, 0.0 s, ended by: not_answered" in result.stdout


def test_nobody_waits_for_ever_for_a_call_unless_they_want_to() -> None:
    """What was waited for is told, and is a failure."""
    result = typed("", "--listen", "--timeout", "0.2", "--auth-token", TOKEN)
    assert result.exit_code == 1
    assert "0 of 1 calls came within 0.2 s" in result.stdout


def test_ctrl_c_hangs_up_and_a_call_that_fails_says_why(foreign: str, tmp_path: Path) -> None:
    """In processes of their own: one with a silent person until it is interrupted, one with a wrong token."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-B", "-c", CODE, "simulate", f"{foreign}/voice", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    silent = start("--auth-token", FOREIGN_TOKEN, "--person", "silent")
    wrong = start("--auth-token", "another")
    assert silent.stdout is not None
    for line in silent.stdout:
        if "speaks" in line:
            break
    silent.send_signal(signal.SIGINT)
    shown, errors = silent.communicate(timeout=30)
    assert (silent.returncode, errors) == (0, "")
    assert "ended by: caller" in shown
    shown, errors = wrong.communicate(timeout=30)
    assert (wrong.returncode, errors) == (1, "")
    assert "11200 DOCUMENT_FETCH_FAILED" in shown and "is --auth-token that of the application" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "whom to call?"),
        (("127.0.0.1:8080",), "is no address"),
        (("https://voice.example.com/incoming",), "--allow-host voice.example.com"),
        (("http://127.0.0.1:1/", "--auth-token", ""), "set TWILIO_AUTH_TOKEN"),
        (("http://127.0.0.1:1/", "--script", "nothing.py"), "there is no such file"),
        (("http://127.0.0.1:1/", "--script", "nothing.yaml"), "No such file"),
        (("http://127.0.0.1:1/", "--script", "broken.yaml"), "broken.yaml: step 1: there is no verb 'shout'"),
        (("http://127.0.0.1:1/", "--script", "broken.py"), "cannot be imported: "),
        (("http://127.0.0.1:1/", "--script", "good.py:nobody"), "has no function nobody"),
        (("http://127.0.0.1:1/", "--script", "good.py", "--person", "silent"), "give one of them"),
        (("http://127.0.0.1:1/", "--person", "nobody"), "it is one of silent"),
        (("http://127.0.0.1:1/", "--person", "busy"), "give --listen"),
        (("http://127.0.0.1:1/", "--timeout", "5"), "how long to wait for calls: give --listen"),
        (("http://127.0.0.1:1/", "--bad-day", "rain=1"), "there is no 'rain'; there are jitter_ms"),
        (("http://127.0.0.1:1/", "--bad-day", "loss"), "loss needs a number, as in loss=1"),
        (("http://127.0.0.1:1/", "--bad-day", "rest=flood"), "rest has no fault 'flood'"),
        (("http://127.0.0.1:1/", "--calls", "2"), "nobody can type for all of them"),
        (("http://127.0.0.1:1/", "--voice", "loud"), "it is one of auto"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """With exit code 2, and before anything is dialled."""
    assert os.getcwd() == str(tmp_path)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    Path("broken.yaml").write_text("- shout: hello\n")
    Path("broken.py").write_text("def caller(line:\n")
    Path("good.py").write_text("async def caller(line): pass\n")
    result = run("simulate", *options)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1
