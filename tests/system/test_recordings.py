"""Recordings by settings: where they go, and what a wrong setting says."""

from __future__ import annotations

from pathlib import Path

import pytest
from phone_system import settings

from voice_runtime import VoiceSession
from voice_runtime.errors import ConfigurationError
from voice_runtime.server.recordings import recording_of


def test_nothing_is_recorded_unless_asked_for() -> None:
    """Two settings, both off."""
    assert recording_of(settings()) is None


def test_a_folder_that_cannot_be_is_known_before_the_first_call(tmp_path: Path) -> None:
    """One line that names the variable, and no call lost to it."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="VOICE_RECORD_DIR is .*file.*, which is no folder"):
        recording_of(settings(voice_record_dir=str(tmp_path / "file")))


@pytest.mark.parametrize("sid", ["../../etc/passwd", "CA1/..", "a\x00b", "x" * 300])
def test_no_name_of_a_call_leads_out_of_the_folder(tmp_path: Path, sid: str) -> None:
    """The carrier's id is made a plain file name."""
    make = recording_of(settings(voice_record_dir=str(tmp_path / "calls")))
    assert make is not None
    recording = make(VoiceSession(call_sid=sid, stream_sid="MZ1"))
    recording.start()
    recording.shutdown()
    (made,) = (tmp_path / "calls").iterdir()
    assert made.suffix == ".wav" and len(made.name) < 80


def test_a_second_stream_of_a_call_does_not_overwrite_the_first(tmp_path: Path) -> None:
    """Two sockets, two files."""
    make = recording_of(settings(voice_record_dir=str(tmp_path)))
    assert make is not None
    for stream in ("MZ1", "MZ2"):
        recording = make(VoiceSession(call_sid="CA1", stream_sid=stream))
        recording.start()
        recording.shutdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CA1-MZ2.wav", "CA1.wav"]
