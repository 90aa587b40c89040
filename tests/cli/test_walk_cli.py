"""Found by walking through the command line as a new user."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import Served
from click.testing import Result

Run = Callable[..., Result]


def test_the_demo_without_its_extra_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no call."""
    monkeypatch.delitem(sys.modules, "voice_runtime.providers.espeak_tts", raising=False)
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    result = run("demo")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("voice-runtime: ") and line.endswith("pip install 'voice-runtime[local]'.")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_the_demo_finds_out_first_whether_it_can_write(run: Run, tmp_path: Path, as_json: tuple[str, ...]) -> None:
    """One line before the call, and not a traceback after it."""
    (tmp_path / "taken").write_text("")
    result = run("demo", "--out", str(tmp_path / "taken"), *as_json)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("voice-runtime: ") and "taken" in line


def test_an_app_that_answers_nothing_says_so_when_it_starts(tmp_path: Path) -> None:
    """Every caller would be rejected, and the operator would look for the reason at the carrier."""
    (tmp_path / "program.py").write_text("from voice_runtime import VoiceApp\napp = VoiceApp()\n")
    with Served(tmp_path, "program") as served:
        assert "@app.call()" in str(served.lines[-1]["todo"])
    assert json.dumps(served.lines)


def test_what_every_call_would_fail_for_is_said_when_the_server_starts(tmp_path: Path) -> None:
    """A key that is missing, of a provider in reserve too; an address without TLS, which no carrier takes."""
    speech = {"VOICE_STT": "mock,azure", "VOICE_TTS": "elevenlabs", "ELEVENLABS_API_KEY": "", "AZURE_SPEECH_KEY": ""}
    with Served(tmp_path, VOICE_PUBLIC_URL="http://voice.test", **speech) as served:
        todo = str(served.lines[-1]["todo"])
    assert "set AZURE_SPEECH_KEY, ELEVENLABS_API_KEY, until then calls fail" in todo
    assert "set VOICE_PUBLIC_URL to the https:// address" in todo
