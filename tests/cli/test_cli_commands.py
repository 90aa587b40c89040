"""What a person sees who gets a command line right, or wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from voice_runtime import __version__

Run = Callable[..., Result]


def test_help_names_every_command(run: Run) -> None:
    """With or without asking."""
    result = run("--help")
    assert result.exit_code == 0
    for command in ("serve", "call", "hangup", "calls", "sms", "providers", "doctor", "bench", "simulate", "demo"):
        assert command in result.output
        assert run(command, "--help").exit_code == 0


def test_help_loads_nothing_heavy() -> None:
    """Neither a web framework nor an SDK nor pydantic: that is what keeps it quick."""
    code = (
        "import sys; from voice_runtime.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "finally: print({'fastapi', 'uvicorn', 'twilio', 'pydantic', 'numpy', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr


def test_version(run: Run) -> None:
    """And nothing else."""
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"voice-runtime {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--nonsense"), ("nonsense",), ("call",), ("serve", "--port", "x"), ("calls", "--limit", "0")],
)
def test_a_wrong_command_line_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    """Without a traceback."""
    result = run(*arguments)
    assert result.exit_code == 2 and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("serve", "nosuch"), 2, "There is no module nosuch in"),
        (("serve", "nosuch.below:app"), 2, "There is no module nosuch in"),
        (("serve", "program.py:app"), 2, "program.py is a file; name its module: program:app."),
        (("serve", ":app"), 2, "'' is no name of a module"),
        (("serve", "program"), 2, "The module program has no app. It has program:answer."),
        (("serve", "program:nothing"), 2, "The module program has no nothing. It has program:answer."),
        (("serve", "program:NUMBER"), 2, "program:NUMBER is a int, and neither a VoiceApp, an agent"),
        (("serve", "program:Kind"), 2, "program:Kind is the class Kind, and neither"),
        (("serve", "program:web"), 2, "program:web is a web application, not a VoiceApp."),
        (("serve", "broken"), 1, "broken.py:2: ZeroDivisionError: division by zero"),
        (("serve", "garbled"), 1, "garbled.py:1: SyntaxError: "),
        (("serve", "needy"), 1, "The module needy cannot be imported: No module named 'nosuch_dependency'."),
        (("serve", "--stt", "nosuch"), 1, "Unknown STT provider: nosuch. Known here: azure,"),
        (("serve", "--log-level", "loud"), 2, "--log-level loud: it is one of debug, info, warning, error."),
        (("call", "+15551234567"), 1, "VOICE_PUBLIC_URL is not set"),
        (("call", "+15551234567", "program:answer"), 1, "VOICE_PUBLIC_URL is not set"),
        (("call", ""), 2, "there is nobody to call: NUMBER is empty."),
        (("call", "+15551234567", "--wait"), 2, "--wait needs MODULE:APP"),
        (("call", "+15551234567", "program:answer", "--no-wait"), 2, "--no-wait ends this process"),
        (("calls",), 1, "TWILIO_ACCOUNT_SID is not set: listing calls needs it."),
        (("calls", "--status", "odd"), 2, "'odd' is not a status of a call: queued,"),
        (("hangup", "CA1"), 1, "TWILIO_ACCOUNT_SID is not set"),
        (("sms", "+15551234567", "hi"), 1, "TWILIO_ACCOUNT_SID is not set"),
        (("sms", "+15551234567", ""), 2, "a message needs a number and a text."),
    ],
)
def test_what_is_wrong_is_one_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """That says what to do."""
    (tmp_path / "program.py").write_text(
        "from fastapi import FastAPI\nNUMBER, web = 3, FastAPI()\n\nclass Kind: pass\n\nasync def answer(call): ...\n"
    )
    (tmp_path / "broken.py").write_text("nothing = 0\n1 / nothing\n")
    (tmp_path / "garbled.py").write_text("def\n")
    (tmp_path / "needy.py").write_text("import nosuch_dependency\n")
    result = run(*arguments)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert line.startswith("voice-runtime: ") and said in line


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, without its value."""
    monkeypatch.setenv("VOICE_SERVER_PORT", "s3cret")
    monkeypatch.setenv("VOICE_MEDIA_PATH", "voice?x")
    result = run("serve")
    assert result.exit_code == 2
    first, second = sorted(result.stderr.splitlines())
    assert first.startswith("voice-runtime: VOICE_MEDIA_PATH: must be a path such as /voice")
    assert second.startswith("voice-runtime: VOICE_SERVER_PORT: Input should be a valid integer")
    assert "s3cret" not in result.output


def test_a_voice_app_names_its_own_providers(run: Run, tmp_path: Path) -> None:
    """--stt would be ignored: better to say so."""
    (tmp_path / "program.py").write_text("from voice_runtime import VoiceApp\napp = VoiceApp(stt='mock')\n")
    result = run("serve", "program", "--stt", "mock")
    assert result.exit_code == 2 and "program is a VoiceApp" in result.stderr


def test_providers_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is, where from, and whether it would work."""
    monkeypatch.setenv("ELEVENLABS_API_KEY", "x")
    result = run("providers", "--json")
    rows = {(row["kind"], row["name"]): row for row in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert rows["STT", "mock"]["usable"] and rows["STT", "mock"]["source"] == "built in"
    assert rows["TTS", "elevenlabs"]["keys"] == {"ELEVENLABS_API_KEY": True}
    assert not rows["TTS", "azure"]["usable"] and rows["TTS", "azure"]["extra"] == "azure"


def test_providers_as_a_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one row each."""
    monkeypatch.setenv("COLUMNS", "200")
    result = run("providers")
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("TTS") and "espeak" in line)
    assert "built in" in row and "local" in row
