"""The door to `audioop`."""

import subprocess
import sys

from voice_runtime.audio._audioop import audioop


def test_importing_it_does_not_warn() -> None:
    """A program that runs with warnings as errors can import the package."""
    code = "import voice_runtime.audio._audioop"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_audioop() -> None:
    """Callers get the module itself."""
    assert audioop.lin2ulaw(b"\0\0", 2) == b"\xff"
