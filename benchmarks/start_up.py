"""How long a program waits before it can do anything."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks.table import Row

IMPORT = "import time; began = time.perf_counter(); import voice_runtime; print(time.perf_counter() - began)"
HELP = "import sys; sys.argv = ['voice-runtime', '--help']; from voice_runtime.cli import main; main()"


def rows(times: int) -> list[Row]:
    importing, helping = [], []
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
        importing.append(float(done.stdout) * 1000)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", HELP], capture_output=True, check=True)
        helping.append(time.perf_counter() - began)
    return [
        Row("`import voice_runtime`", median(importing), " ms", 150),
        Row("`voice-runtime --help`, as a process", median(helping), " s", 0.5),
    ]
