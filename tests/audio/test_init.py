"""The names of `voice_runtime.audio`."""

import subprocess
import sys

import pytest

import voice_runtime.audio
from voice_runtime import recording
from voice_runtime.audio import resample


def test_everything_promised_is_there() -> None:
    """Every name of `__all__` can be had, the lazy ones too, and those of 0.1."""
    for name in (*voice_runtime.audio.__all__, "_ULAW_TO_LINEAR", "_linear_to_ulaw"):
        assert getattr(voice_runtime.audio, name) is not None
    assert voice_runtime.audio.AudioMixer is recording.AudioMixer
    assert voice_runtime.audio.Resampler is resample.Resampler


def test_another_name_is_an_attribute_error() -> None:
    """A typo is told as by any module."""
    with pytest.raises(AttributeError, match="has no attribute 'AudioMixxer'"):
        _ = voice_runtime.audio.AudioMixxer  # type: ignore[attr-defined]


def test_importing_it_is_cheap() -> None:
    """Neither numpy nor soxr, no threads and no event loop come with it; recording a call needs neither numpy."""
    heavy = {"numpy", "soxr", "asyncio"}
    code = f"import sys, voice_runtime.recording; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
