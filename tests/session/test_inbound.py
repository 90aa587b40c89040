"""The caller's audio from any thread to every reader, and what is lost when nobody reads."""

from __future__ import annotations

import asyncio

from voice_runtime import VoiceSession

FRAME = b"\x55" * 160


async def session() -> VoiceSession:
    made = VoiceSession()
    made.set_loop(asyncio.get_running_loop())
    return made


async def test_a_frame_of_another_thread_reaches_every_reader() -> None:
    """The recogniser's queue, `audio()`, and a recorder: all of them."""
    call = await session()
    recorded: list[bytes] = []

    class Recorder:
        def write_caller(self, data: bytes) -> None:
            recorded.append(data)

        def write_agent(self, data: bytes) -> None: ...

    call.recorder = Recorder()
    reading, recognising = call.audio(), asyncio.ensure_future(call.inbound.get())
    await asyncio.to_thread(call.put_inbound, FRAME)
    async with asyncio.timeout(30):
        assert await anext(reading) == FRAME and await recognising == FRAME
    assert recorded == [FRAME]


async def test_only_the_recognisers_queue_waits_for_a_reader_and_only_without_another() -> None:
    """Who reads `audio()` does not pay for ten seconds that nobody wants; a recogniser that comes gets the rest."""
    call = await session()
    call.put_inbound(b"1" * 160)
    reading = call.audio()
    call.put_inbound(b"2" * 160)
    assert call.inbound.get_nowait() == b"1" * 160 and call.inbound.empty()
    call.put_inbound(b"3" * 160)  # from here on somebody reads it
    assert call.inbound.get_nowait() == b"3" * 160
    assert [await anext(reading) for _ in range(2)] == [b"2" * 160, b"3" * 160]


async def test_a_queue_that_nobody_reads_keeps_the_newest() -> None:
    """Ten seconds of audio, counted losses, and the end of the call is never among them."""
    call = await session()
    call.put_inbound(None)
    for number in range(600):
        call.put_inbound(bytes([number % 256]) * 160)
    waiting = [call.inbound.get_nowait() for _ in range(call.inbound.qsize())]
    assert len(waiting) == 500 and None in waiting
    assert waiting[-1] == bytes([599 % 256]) * 160 and call.frames.dropped == 101
