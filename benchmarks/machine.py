"""The machine: server processes on its first core, the load on its second, and what kind of machine it is."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version

import uvloop

from benchmarks.servers import PUBLIC, TOKEN
from voice_runtime.simulator.load import LoadPlan, LoadReport, ServerProbe, run_load

SERVER_CORE, LOAD_CORE = 0, 1
_WARM_UP = 3


class Server:
    """One of `benchmarks.servers`, running."""

    def __init__(self, pid: int, port: int) -> None:
        self.probe = ServerProbe(pid)
        self.port = port

    def plan(self, calls: int, seconds: float, ramp: float = 200, *, webhook: bool = False) -> LoadPlan:
        url = f"http://127.0.0.1:{self.port}/incoming" if webhook else f"ws://127.0.0.1:{self.port}/voice"
        return LoadPlan(url, calls, seconds, ramp, TOKEN, PUBLIC)

    def load(self, calls: int, seconds: float, ramp: float = 200) -> LoadReport:
        """A load on the media socket, with the server's use of the machine."""
        return uvloop.run(run_load(self.plan(calls, seconds, ramp), probe=self.probe))


@contextmanager
def server(kind: str) -> Iterator[Server]:
    """A server in a process of its own, on its core, after its first calls: what is imported late has been."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.servers", kind, str(port)])
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"the server {kind} did not start")
            time.sleep(0.025)
        pin(SERVER_CORE, process.pid)
        running = Server(process.pid, port)
        uvloop.run(run_load(running.plan(_WARM_UP, 0.1)))
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pin(core: int, pid: int = 0) -> None:
    """Keep a process, by default this one, on one core; where there are two, and a way to ask for it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def facts() -> list[str]:
    """What a reader has to know before they compare."""
    models = [line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")]
    packages = ", ".join(f"{name} {version(name)}" for name in ("picows", "uvicorn", "fastapi", "uvloop", "msgspec"))
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{os.cpu_count()} cores{f', {models[0]}' if models else ''}, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}; {packages}",
        f"load average before: {os.getloadavg()[0]:.2f}",
    ]


def _cpu_info() -> list[str]:
    try:
        with open("/proc/cpuinfo") as info:
            return info.readlines()
    except OSError:
        return []
