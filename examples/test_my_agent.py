"""A test of the parcel desk with pytest: ten times as fast as life, and the same every time."""

import asyncio

from parcel_desk import parcel_desk
from pydantic import SecretStr

from voice_runtime import Settings, VoiceSession
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.server.serving import Stop, serve
from voice_runtime.session.outbound import OutboundStream
from voice_runtime.simulator import Carrier, presses

PUBLIC, SECRET = "https://parcel-desk.example.com", "the carrier's secret"


def in_a_hurry() -> VoiceSession:
    """Speech is sent at once and not as it is played: the carrier plays ten times as fast as the server thinks."""
    return VoiceSession(outbound=OutboundStream(lead_seconds=60))


async def test_the_desk_asks_for_the_number_and_repeats_it() -> None:
    voice, stop = MockTts(), Stop()
    settings = Settings(voice_public_url=PUBLIC, twilio_auth_token=SecretStr(SECRET))
    app = parcel_desk(settings, lambda: MockStt(script=[(1000, "where is my parcel")]), voice, in_a_hurry)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, port=0, ready=port.set_result, stop=stop))
        async with Carrier(SECRET, addresses={PUBLIC: f"http://127.0.0.1:{await port}"}, speed=10) as carrier:
            record = await carrier.call(f"{PUBLIC}/incoming", presses("7216#"))
        stop.ask()
    assert voice.spoken[-1] == "Order 7 2 1 6 comes on Thursday. Goodbye."
    assert not record.faults
