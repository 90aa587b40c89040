"""Providers by name: built in and installed ones come through the same door."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from voice_runtime import create_stt, create_transport, create_tts, get_sms_transport, get_stt_class
from voice_runtime.errors import ProviderLoadError, UnknownProviderError
from voice_runtime.mock.stt import MockStt
from voice_runtime.registry import KINDS, STT, Registry, Spec


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A third-party distribution with three entry points: one good, one whose import fails, one that replaces ours."""
    meta = tmp_path / "acme_speech-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-speech\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[voice_runtime.stt]\nacme = acme_speech:AcmeStt\nbroken = acme_broken:Stt\nmock = acme_speech:AcmeStt\n"
    )
    (tmp_path / "acme_speech.py").write_text(
        "class AcmeStt:\n    def __init__(self, **options): self.options = options\n"
    )
    (tmp_path / "acme_broken.py").write_text("raise OSError('no such device')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("acme_speech", "acme_broken"):
        sys.modules.pop(name, None)


def test_built_in_providers_are_found_by_name() -> None:
    """The factories make what the name stands for, with the options given."""
    assert isinstance(create_stt("mock"), MockStt) and get_stt_class("mock") is MockStt
    assert type(create_tts("mock")).__name__ == "MockTts"
    assert get_sms_transport("twilio").send_sms
    assert type(create_transport("twilio")).__name__ == "TwilioTransport"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (create_stt, "Unknown STT provider: nope"),
        (create_tts, "Unknown TTS provider: nope"),
        (create_transport, "Unknown transport provider: nope"),
        (get_sms_transport, "Unknown SMS transport: nope"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(make: object, says: str) -> None:
    """A ValueError, as in 0.1."""
    with pytest.raises(ValueError, match=says) as unknown:
        make("nope")  # type: ignore[operator]
    assert "twilio" in str(unknown.value) or "mock" in str(unknown.value)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_a_provider_and_may_replace_one() -> None:
    """Nothing of ours is touched: an entry point is enough."""
    assert create_stt("acme", language="fi").options == {"language": "fi"}  # type: ignore[attr-defined]
    assert type(create_stt("mock")).__name__ == "AcmeStt"
    assert STT.specs()["acme"].source == "acme-speech"


@pytest.mark.usefixtures("installed")
def test_a_provider_that_cannot_be_imported_is_named_and_only_it_is_missing() -> None:
    """Whatever its import raises becomes one error that says who declared it."""
    with pytest.raises(ProviderLoadError, match="no such device.*declared by acme-speech") as failed:
        create_stt("broken")
    assert isinstance(failed.value.__cause__, OSError)
    listed = {row.name: row for row in STT.list()}
    assert listed["broken"].error and not listed["acme"].error


def test_a_missing_extra_is_named() -> None:
    """What to install is in the message."""
    registry = Registry("STT", "no.such.group", {"x": Spec("no_such_module_at_all:X", extra="local")})
    with pytest.raises(ProviderLoadError, match=r"pip install 'voice-runtime\[local\]'"):
        registry.load("x")
    with pytest.raises(UnknownProviderError):
        registry.load("y")


def test_a_missing_key_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`voice-runtime providers` shows which variables are not set."""
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert {row.name: row.missing for row in STT.list()}["elevenlabs"] == ("ELEVENLABS_API_KEY",)
    assert {registry.kind for registry in KINDS} == {"STT", "TTS", "VAD", "transport", "SMS"}
