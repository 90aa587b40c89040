"""Ring the parcel desk, offline: a simulated carrier, a caller with a recorded voice. `python ring_parcel_desk.py`"""

import asyncio
from pathlib import Path

from parcel_desk import parcel_desk

import voice_runtime.simulator
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.testing import PhoneSystem

CLIPS = Path(voice_runtime.simulator.__file__).parent / "clips"


async def caller(line: Line) -> None:
    await line.interrupt_after(2.5, CLIPS / "where-is-my-parcel.wav", "where is my parcel")
    await line.hear_out()
    line.press("7216#")
    await line.stay()


async def ring() -> CallRecord:
    async with PhoneSystem(parcel_desk(), over_sockets=True) as system:
        return await system.call(caller)


if __name__ == "__main__":
    record = asyncio.run(ring())
    print(record.transcript())
    print(f"{record.seconds:.1f} s, ended by {record.ended_by}, faults: {list(record.faults)}")
    record.write_wav("parcel-desk.wav")
