"""A stranger's request must begin in time and in reasonable size, or its connection is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from phone_system import settings

from voice_runtime.server import VoiceApp, patient_http
from voice_runtime.server.serving import Stop, serve


@pytest.fixture(params=[True, False])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    own = settings(voice_fast_sockets=request.param)
    stop, bound = Stop(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(VoiceApp(settings=own), port=0, ready=bound.set_result, stop=stop))
        yield await bound
        stop.ask()


async def closed(port: int, *pieces: bytes) -> bytes:
    """What is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(5):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 60_000, b"X-A: " + b"a" * 60_000 + b"\r\n"])
async def test_a_head_without_end_is_not_kept(port: int, line: bytes) -> None:
    assert await closed(port, b"POST /incoming HTTP/1.1\r\nHost: x\r\n", *[line] * 50) == b""


@pytest.mark.parametrize(
    "begun", [b"", b"GET /voice/x HTTP/1.1\r\nHost", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /h"]
)
async def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_http, "HEAD_SECONDS", 0.2)
    await closed(port, begun)
