"""A carrier that is told nothing of time lives in that of its loop."""

from __future__ import annotations

import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voice_runtime.simulator import CallRecord, Carrier, listens
from voice_runtime.testing import run

PUBLIC = "https://voice.example.com"


def test_a_carrier_on_virtual_time_needs_no_clock() -> None:
    """Ten minutes of silence take a moment, and are ten minutes."""

    async def voice(request: Request) -> Response:
        return Response("<Response><Pause length='3600'/></Response>", media_type="text/xml")

    async def main() -> CallRecord:
        app = Starlette(routes=[Route("/voice", voice, methods=["POST"])])
        async with Carrier("t" * 32, addresses={PUBLIC: app}) as carrier:
            return await carrier.call(f"{PUBLIC}/voice", listens(600.0))

    began = time.monotonic()
    record = run(main())
    assert 600 <= record.seconds < 601
    assert time.monotonic() - began < 60
