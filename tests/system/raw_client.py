"""A raw-audio client that plays what it gets in real time, as a loudspeaker would, and keeps what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from voice_runtime import Settings, VoiceApp
from voice_runtime.audio import Wav, to_ulaw_8k
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.testing.serving import voice_app_served

TOKEN = "a-token-for-raw-audio"


def raw_settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "voice_raw_token": SecretStr(TOKEN),
            "twilio_auth_token": SecretStr("nobody's"),
            "voice_max_loop_lag_ms": 0.0,
            "voice_drain_seconds": 0.0,
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def raw_served(app: VoiceApp) -> AsyncIterator[str]:
    """`app` behind `serve`; gives the address of its raw-audio socket."""
    async with voice_app_served(app) as address:
        yield address.replace("http", "ws", 1) + "/voice/raw"


def dial(url: str, token: str = TOKEN, **options: Any) -> connect:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return connect(url, additional_headers=headers, compression=None, ping_interval=None, proxy=None, **options)


class Client:
    """One streaming client, in PCM16 at `rate`."""

    def __init__(self, socket: ClientConnection, rate: int = 8000) -> None:
        self.socket = socket
        self.rate = rate
        self.told: list[dict[str, Any]] = []
        self.ended_with = 0
        self.heard_when_cleared: list[str] = []
        self._now = asyncio.get_running_loop().time
        self._played = bytearray()
        self._plays_until = 0.0
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Until the server closes the socket."""
        async for message in self.socket:
            if isinstance(message, bytes):
                self._play(message)
            else:
                told = json.loads(message)
                self.told.append(told)
                if told["type"] == "clear":
                    self._clear()
            self._news.set()
        self.ended_with = self.socket.close_code or 0

    def _play(self, audio: bytes) -> None:
        self._plays_until = max(self._plays_until, self._now()) + len(audio) / 2 / self.rate
        self._played += audio

    def _clear(self) -> None:
        left = int(max(self._plays_until - self._now(), 0) * self.rate) * 2
        del self._played[len(self._played) - left :]
        self._plays_until = 0.0
        self.heard_when_cleared.append(self.heard(whole=True))

    def heard(self, *, whole: bool = False) -> str:
        ulaw = to_ulaw_8k(Wav(self.rate, 1, "pcm16", bytes(self._played)))
        return " ".join(word.text for word in read_spelling(ulaw) if word.whole or not whole)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [told for told in self.told if told["type"] == kind]

    @property
    def states(self) -> list[str]:
        return [told["state"] for told in self.of("state")]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for news until this is so."""
        async with asyncio.timeout(30):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hear_out(self) -> None:
        """Wait until what has come has been played."""
        await asyncio.sleep(max(self._plays_until - self._now(), 0))
