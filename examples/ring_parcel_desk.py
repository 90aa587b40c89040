"""Ring the parcel desk, offline: a simulated carrier, a caller with a recorded voice. `python ring_parcel_desk.py`"""

import asyncio
from pathlib import Path

from parcel_desk import parcel_desk
from pydantic import SecretStr

import voice_runtime.simulator
from voice_runtime import Settings
from voice_runtime.server.serving import Stop, serve
from voice_runtime.simulator import CallRecord, Carrier, Line

PUBLIC = "https://parcel-desk.example.com"  # what the carrier believes to call: signatures are made and checked for it
SECRET = "what Twilio's console calls the auth token"
CLIPS = Path(voice_runtime.simulator.__file__).parent / "clips"


async def caller(line: Line) -> None:
    await line.interrupt_after(2.5, CLIPS / "where-is-my-parcel.wav", "where is my parcel")
    await line.hear_out()
    line.press("7216#")
    await line.stay()


async def ring() -> CallRecord:
    app = parcel_desk(Settings(voice_public_url=PUBLIC, twilio_auth_token=SecretStr(SECRET)))
    stop = Stop()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, port=0, ready=port.set_result, stop=stop))
        async with Carrier(SECRET, addresses={PUBLIC: f"http://127.0.0.1:{await port}"}) as carrier:
            record = await carrier.call(f"{PUBLIC}/incoming", caller)
        stop.ask()
    return record


if __name__ == "__main__":
    record = asyncio.run(ring())
    print(record.transcript())
    print(f"{record.seconds:.1f} s, ended by {record.ended_by}, faults: {list(record.faults)}")
    record.write_wav("parcel-desk.wav")
