"""How the application under test reaches the simulated REST API in its own process, through the real Twilio SDK."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import requests
import urllib3
from requests.adapters import HTTPAdapter
from starlette.types import ASGIApp

from voice_runtime.clock import time_lent
from voice_runtime.simulator.asgi import AsgiApplication

__all__ = ["RestDoor"]


class RestDoor(HTTPAdapter):
    """Takes requests of a `requests` session, from any thread but the loop's, to an ASGI application on the loop.

    Made on the loop; a request from its thread is a RuntimeError.

    Time-outs are of the loop's time, which passes meanwhile if it is simulated.
    """

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._application = AsgiApplication(app)
        self._loop = loop
        self._thread = threading.get_ident()

    @contextmanager
    def instead_of_twilio(self) -> Iterator[None]:
        """Meanwhile whatever this process sends to Twilio with `requests`, as the SDK does, comes here."""
        over_the_network = HTTPAdapter.send

        def send(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
            host = urlsplit(request.url or "").hostname or ""
            if host == "twilio.com" or host.endswith(".twilio.com"):
                return self.send(request, *args, **options)
            return over_the_network(adapter, request, *args, **options)

        # An SDK's client makes its own session and adapter: their class is the only place that all of them share.
        with patch.object(HTTPAdapter, "send", send):
            yield

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: None | bytes | str | tuple[bytes | str, bytes | str] = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        if threading.get_ident() == self._thread:
            raise RuntimeError("a request to Twilio blocks the event loop: make it in a thread (asyncio.to_thread)")
        seconds = timeout[0] if isinstance(timeout, tuple) else timeout
        try:
            answer = asyncio.run_coroutine_threadsafe(self._answer(request, seconds), self._loop).result()
        except TimeoutError as error:
            raise requests.exceptions.ReadTimeout(request=request) from error
        headers = urllib3.HTTPHeaderDict(answer.headers.multi_items())
        raw = urllib3.HTTPResponse(io.BytesIO(answer.content), headers, answer.status_code, preload_content=False)
        return self.build_response(request, raw)

    async def _answer(self, request: requests.PreparedRequest, seconds: float | None) -> httpx.Response:
        body = request.body or b""
        if not isinstance(body, str | bytes):
            raise TypeError("the body is to be text or bytes: a stream cannot be read from another thread")
        headers = httpx.Headers([(name, _text(value)) for name, value in request.headers.items()])
        asked = httpx.Request(request.method or "GET", request.url or "", headers=headers, content=body)
        with time_lent(self._loop, "a request to Twilio"):
            async with asyncio.timeout(seconds):
                answer = await self._application.transport.handle_async_request(asked)
                await answer.aread()
                return answer

    async def aclose(self) -> None:
        """End requests that nobody waits for any more."""
        await self._application.close()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
