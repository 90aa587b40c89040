"""Plays many phone lines against a server: 50 frames a second each, on a real clock."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop
from websockets.asyncio.client import connect

from voice_runtime.wire.media import Media, MediaBody, encode_to_server

FRAME = bytes(range(160))


async def line(url: str, number: int, frames: int, begin: float, delays: list[float]) -> int:
    """One call; returns how many audio bytes came back."""
    await asyncio.sleep(number * 0.02 / 50)  # lines do not tick in step
    async with connect(url, compression=None, ping_interval=None) as socket:
        await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        sid = f"MZ{number:032x}"
        start = {"streamSid": sid, "callSid": f"CA{number:032x}", "mediaFormat": {"encoding": "audio/x-mulaw"}}
        await socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": start}))
        sent_at: list[float] = []
        received = 0

        async def hear() -> None:
            nonlocal received
            while received < frames * len(FRAME):
                message = await socket.recv()
                now = time.perf_counter()
                received += (len(message) - 70) // 4 * 3 // 160 * 160  # whole frames; cheaper than reading them
                index = received // 160 - 1
                if 0 <= index < len(sent_at):
                    delays.append(now - sent_at[index])

        hearing = asyncio.get_running_loop().create_task(hear())
        message = encode_to_server(Media(MediaBody(FRAME, "inbound", "2", "40"), stream_sid=sid, sequence_number="3"))
        begin = time.perf_counter()
        for index in range(frames):
            await asyncio.sleep(max(0.0, begin + index * 0.02 - time.perf_counter()))
            sent_at.append(time.perf_counter())
            await socket.send(message)
        try:
            async with asyncio.timeout(3):
                await hearing
        except TimeoutError:
            hearing.cancel()
        return received


async def main(port: int, calls: int, seconds: float) -> None:
    delays: list[float] = []
    frames = int(seconds * 50)
    url = f"ws://127.0.0.1:{port}/voice"
    begin = time.perf_counter()
    received = await asyncio.gather(*(line(url, n, frames, begin, delays) for n in range(calls)))
    delays.sort()
    print(
        json.dumps(
            {
                "back": sum(received) / (calls * frames * 160),
                "p50_ms": delays[len(delays) // 2] * 1000 if delays else None,
                "p99_ms": delays[int(len(delays) * 0.99)] * 1000 if delays else None,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
