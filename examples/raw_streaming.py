"""Talk to an agent as with a microphone and a loudspeaker: `python raw_streaming.py spoken.wav heard.wav`.

The file is sent at the speed of speech; what is played of the answers, and what is told beside it, is kept.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect

from voice_runtime.audio import WavWriter, read_wav

RATE = 16000


class Loudspeaker:
    """Plays what comes, in order, in real time; `clear` throws away what it has not played."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.played = bytearray()
        self._now = now
        self._ends = 0.0

    def play(self, audio: bytes) -> None:
        self._ends = max(self._ends, self._now()) + len(audio) / 2 / RATE
        self.played += audio

    def clear(self) -> None:
        unplayed = int(max(self._ends - self._now(), 0.0) * RATE) * 2
        del self.played[len(self.played) - unplayed :]
        self._ends = 0.0


async def speak(voice: ClientConnection, audio: bytes) -> None:
    """Piece by piece, each when a microphone would have it."""
    now, piece = asyncio.get_running_loop().time, RATE // 50 * 2
    began = now()
    for start in range(0, len(audio), piece):
        await asyncio.sleep(began + start / 2 / RATE - now())
        await voice.send(audio[start : start + piece])


async def main(address: str, token: str, audio: bytes, loudspeaker: Loudspeaker) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(address, additional_headers=headers) as voice, asyncio.TaskGroup() as tasks:
        await voice.send(json.dumps({"type": "hello", "format": "pcm_s16le", "rate": RATE}))
        speaking = tasks.create_task(speak(voice, audio))
        async for message in voice:
            if isinstance(message, bytes):
                loudspeaker.play(message)
                continue
            told = json.loads(message)
            print(told)
            if told["type"] == "clear":
                loudspeaker.clear()
            elif told.get("previous") == "speaking" and told["state"] == "listening" and speaking.done():
                await voice.send(json.dumps({"type": "hangup"}))


if __name__ == "__main__":
    address = os.environ.get("VOICE_RAW_URL", "ws://127.0.0.1:8080/voice/raw")
    spoken, loudspeaker = read_wav(sys.argv[1]), Loudspeaker()
    if (spoken.rate, spoken.channels) != (RATE, 1):
        sys.exit(f"{sys.argv[1]}: one channel at {RATE} Hz is needed")
    asyncio.run(main(address, os.environ["VOICE_RAW_TOKEN"], spoken.pcm16(), loudspeaker))
    with WavWriter(sys.argv[2], rate=RATE, encoding="pcm16") as heard:
        heard.write(bytes(loudspeaker.played))
