"""What is missing is known when the application starts, and not from the first caller."""

from __future__ import annotations

import pytest

from voice_runtime import VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.errors import ConfigurationError
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.settings import Settings
from voice_runtime.testing import ScriptedBrain

SETTINGS = Settings(_env_file=None, twilio_auth_token="secret", voice_stt="", voice_tts="")


def test_an_agent_without_a_voice_does_not_start() -> None:
    """One line that says what to set."""
    app = VoiceApp(settings=SETTINGS, stt=MockStt)
    app.call()(Agent(ScriptedBrain()))
    with pytest.raises(ConfigurationError, match="VOICE_TTS"):
        app.api  # noqa: B018


def test_an_agent_without_a_recogniser_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """It may be one for keys; whoever forgot it sees so."""
    app = VoiceApp(settings=SETTINGS, tts=MockTts())
    app.call()(Agent(ScriptedBrain()))
    app.api  # noqa: B018
    assert "VOICE_STT" in caplog.text
