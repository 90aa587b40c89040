"""What five hundred calls leave behind that came by fast sockets, through the server as it is deployed."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref

import pytest
from websockets.asyncio.client import connect

from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.server.fast_socket import FastSocket
from voice_runtime.server.serving import Stop, serve
from voice_runtime.wire.media import Media, MediaBody, Start, StartBody, encode_to_server

pytestmark = pytest.mark.alone

FRAME = bytes(range(160))
AT_ONCE = 25


async def test_five_hundred_calls_on_fast_sockets_leave_nothing() -> None:
    """No task, no descriptor, no session, no socket; the number of objects does not grow with that of calls."""
    living: weakref.WeakSet[VoiceSession] = weakref.WeakSet()
    settings = Settings(twilio_skip_signature_validation=True, voice_require_token=False)
    app = VoiceApp(settings=settings)
    carried = 0

    @app.call()
    async def answer(call: VoiceSession) -> None:
        nonlocal carried
        carried += 1
        living.add(call)
        async for frame in call.audio():
            call.send_audio(frame)

    async def one(port: int, number: int) -> None:
        sid = f"MZ{number}"
        async with connect(f"ws://127.0.0.1:{port}/voice", compression=None, proxy=None) as line:
            await line.send(encode_to_server(Start(StartBody(call_sid=f"CA{number}", stream_sid=sid), sid)))
            for _ in range(3):
                await line.send(encode_to_server(Media(MediaBody(FRAME), sid)))
                await line.recv()
            if number % 2:  # the others hang up as a phone does: with nothing but the socket's end
                await line.send('{"event":"stop","stop":{}}')
                await line.wait_closed()

    def sockets() -> int:
        return sum(type(thing) is FastSocket for thing in gc.get_objects())

    earlier = sockets()  # of other tests, in a traceback that pytest keeps

    async def quiet() -> tuple[int, int, int]:
        """Once all calls are over: tasks, descriptors, objects."""
        gc.collect()
        async with asyncio.timeout(20):
            while app.switchboard.calls or sockets() > earlier:
                await asyncio.sleep(0.05)  # the last clients are gone before the server has tidied up after them
                gc.collect()
        return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    stop, ports = Stop(), asyncio.Queue[int]()
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop))
    port, left = await ports.get(), []
    for batch in range(20):
        await asyncio.gather(*(one(port, batch * AT_ONCE + place) for place in range(AT_ONCE)))
        if batch % 5 == 4:
            left.append(await quiet())
    stop.ask()
    await serving
    tasks, descriptors, objects = zip(*left, strict=True)
    assert carried == 500 and len(living) <= 1  # the name `call` in the handler's last frame
    assert len(set(tasks[1:])) == 1 and len(set(descriptors[1:])) == 1
    assert objects[-1] - objects[1] < 125, f"grew by one for every other call or more: {objects}"
