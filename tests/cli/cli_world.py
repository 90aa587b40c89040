"""What the tests of this folder share: the carrier, a server process, a media socket of the carrier."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
from websockets.sync.client import ClientConnection, connect

from voice_runtime.simulator import Carrier
from voice_runtime.wire.signature import sign

__all__ = ["OUR_NUMBER", "PUBLIC", "TOKEN", "Served", "World", "open_media", "webhook"]

PUBLIC, TOKEN, OUR_NUMBER = "https://voice.test", "a-token-of-thirty-two-characters", "+15550001111"
CODE = "from voice_runtime.cli import main; main()"


@dataclass
class World:
    """The carrier, and the port at which it expects us."""

    carrier: Carrier
    port: int
    loop: asyncio.AbstractEventLoop
    api: str

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop, api: str) -> World:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        async def make() -> Carrier:
            return Carrier(TOKEN, addresses={PUBLIC: f"http://127.0.0.1:{port}"}, speed=5)

        return cls(asyncio.run_coroutine_threadsafe(make(), loop).result(30), port, loop, api)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.carrier.close(), self.loop).result(30)


class Served:
    """`voice-runtime serve` in a process of its own. As a context, it leaves no process behind."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        machine = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        ours = {"TWILIO_AUTH_TOKEN": TOKEN, "VOICE_PUBLIC_URL": PUBLIC, "VOICE_MAX_LOOP_LAG_MS": "0"}
        environment = {**machine, **ours, **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-c", CODE, "serve", *arguments, "--port", "0", "--json-logs"],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.lines: list[dict[str, object]] = []
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == "listening":
                break
        assert self.lines and self.lines[-1]["event"] == "listening", self.lines
        self.url = str(self.lines[-1]["at"])

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def terminate(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False)

    def wait_until_not_ready(self) -> None:
        for _ in range(1000):
            if self.get("/readyz").status_code == 503:
                return
            time.sleep(0.01)
        raise AssertionError("still ready")

    def ended(self, seconds: float = 30.0) -> tuple[int, str]:
        """Exit code, and what else was logged."""
        _, rest = self.process.communicate(timeout=seconds)
        return self.process.returncode, rest


def webhook(served: Served, path: str, **fields: str) -> httpx.Response:
    """What Twilio posts, signed."""
    signature = sign(TOKEN, PUBLIC + path, fields.items())
    return httpx.post(
        served.url + path,
        content=urlencode(fields),
        headers={"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
        trust_env=False,
    )


@contextlib.contextmanager
def open_media(served: Served, call_sid: str) -> Iterator[ClientConnection]:
    """A call, begun: its media socket after `start`."""
    said = webhook(served, "/incoming", CallSid=call_sid, From="+358401234567", To=OUR_NUMBER, Direction="inbound")
    found = re.search(r'url="([^"]+)"', said.text)
    assert found is not None, said.text
    url = found[1]
    local = served.url.replace("http", "ws", 1) + url.removeprefix(PUBLIC.replace("http", "ws", 1))
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"streamSid": "MZ1", "accountSid": "AC1", "callSid": call_sid, "tracks": ["inbound"], "mediaFormat": form}
    known = dict(re.findall(r'<Parameter name="([^"]+)" value="([^"]*)"', said.text))
    headers = {"X-Twilio-Signature": sign(TOKEN, url)}
    with connect(local, additional_headers=headers, proxy=None, close_timeout=10) as media:
        media.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        begun = {"event": "start", "streamSid": "MZ1", "start": {**start, "customParameters": known}}
        media.send(json.dumps(begun))
        yield media
