"""Places one simulated call through a running server and exits 0 when the caller was answered in kind.

Usage: place_call.py http://127.0.0.1:PORT   (TWILIO_AUTH_TOKEN as the server has it; VOICE_PUBLIC_URL is that address)

The container runs `voice-runtime serve` without an application, which answers with the parrot: what the caller says
comes back. So the caller says something, and listens for just that.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import voice_runtime.simulator
from voice_runtime.audio import read_wav, to_ulaw_8k
from voice_runtime.simulator import Carrier, Line

PUBLIC = "https://image-test.example.com"
CLIP = Path(voice_runtime.simulator.__file__).parent / "clips" / "where-is-my-parcel.wav"


async def call(url: str) -> str:
    """What went wrong; "" when nothing did."""
    said = to_ulaw_8k(read_wav(CLIP))

    async def caller(line: Line) -> None:
        await line.hear_out(quiet_ms=300)  # the beep, which says that the line is open
        await line.say(said)
        await line.pause(2.0)

    async with Carrier(
        os.environ["TWILIO_AUTH_TOKEN"], account_sid=os.environ["TWILIO_ACCOUNT_SID"], addresses={PUBLIC: url}
    ) as carrier:
        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    if record.violations:
        return f"the carrier complained: {', '.join(map(str, record.violations))}"
    if said[800:8000] not in record.ear:
        return f"the caller did not hear the parrot; {record.seconds:.1f} s on the line, ended by {record.ended_by}"
    return ""


if __name__ == "__main__":
    wrong = asyncio.run(call(sys.argv[1]))
    if wrong:
        sys.exit(f"place_call: {wrong}")
    sys.stdout.write("the caller heard the parrot\n")
