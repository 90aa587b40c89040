"""Serving a `VoiceApp`: one port, from the first request to the last call's end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from enum import IntEnum

import uvicorn
from uvicorn.config import WS_PROTOCOLS

from voice_runtime.errors import ConfigurationError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.server.fast_server import http_protocol
from voice_runtime.server.fast_socket import FATAL_TIMES
from voice_runtime.server.patient_http import patient_http
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.settings import Settings
from voice_runtime.tasks import TaskOwner

__all__ = ["Stop", "listen", "serve"]

BACKLOG = 2048
LAST_ANSWERS_SECONDS = 5
"""How long requests that are under way may take once all calls are over."""


class Stop:
    """Stops a `serve`: asked once, it drains; asked twice, it ends at once. Any thread or signal handler may ask."""

    class Wish(IntEnum):
        NONE = 0
        DRAIN = 1
        END = 2

    def __init__(self) -> None:
        self._wish = Stop.Wish.NONE
        self._lock = threading.RLock()  # a signal handler may come in between
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = {Stop.Wish.DRAIN: asyncio.Event(), Stop.Wish.END: asyncio.Event()}

    @property
    def wish(self) -> Stop.Wish:
        return self._wish

    def ask(self) -> None:
        """Once: no new calls, and end when the live ones have. Once more: now."""
        with self._lock:
            if self._wish is not Stop.Wish.END:
                self._wish = Stop.Wish(self._wish + 1)
            loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
                loop.call_soon_threadsafe(self._tell)

    async def wait(self, wish: Stop.Wish) -> None:
        """Returns once `wish`, or more, was asked for."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._tell()
        await self._told[wish].wait()

    def _tell(self) -> None:
        for wish, told in self._told.items():
            if self._wish >= wish:
                told.set()


class _Server(uvicorn.Server):
    """uvicorn, without its signal handling: that would close the port at SIGTERM, with calls still alive, and raise
    the signal again afterwards, so that a clean end would be exit code 143."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def listen(host: str, port: int) -> socket.socket:
    """A socket at that address; port 0 takes a free one. Raises `ConfigurationError` when it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ConfigurationError(
            f"Cannot listen at {host}:{port}: {reason}.", remedy="Choose another with --host, --port or their settings."
        ) from error


async def serve(
    app: VoiceApp,
    *,
    host: str | None = None,
    port: int | None = None,
    settings: Settings | None = None,
    ready: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> bool:
    """Serve `app` until `stop` is asked; `ready` is called with the port as soon as it answers.

    While it drains the port still answers: /healthz is 200, /readyz 503, calls get VOICE_OVERFLOW, and status callbacks
    arrive. Calls that live on after VOICE_DRAIN_SECONDS are hung up. True when it drained, False when `stop` was asked
    twice and calls were cut. Raises `ConfigurationError`.
    """
    settings = settings or app.settings
    stop = stop or Stop()
    app.api  # noqa: B018  # made here, so that what is missing is known before the port is taken
    listener = listen(
        settings.voice_server_host if host is None else host, settings.voice_server_port if port is None else port
    )
    bound = listener.getsockname()[1]
    server = _Server(_config(app, settings), lambda: ready(bound) if ready else None)
    tasks = TaskOwner("serve")
    try:
        tasks.start("stop", _stop(server, app, stop, settings.voice_drain_seconds))
        await server.serve(sockets=[listener])
    except SystemExit as exit:  # uvicorn's word for it; it has logged why
        raise ConfigurationError("The application failed to start.", remedy="The log says why.") from exit
    finally:
        await tasks.close()
        listener.close()
    return stop.wish is not Stop.Wish.END


async def _stop(server: _Server, app: VoiceApp, stop: Stop, drain_seconds: float) -> None:
    """Tell `server` to end, once the calls have or nobody wants to wait for them any more."""
    waits = TaskOwner("stop")
    try:
        await stop.wait(Stop.Wish.DRAIN)
        await asyncio.wait(
            {
                waits.start("drain", app.switchboard.drain(drain_seconds)),
                waits.start("end", stop.wait(Stop.Wish.END)),
            },
            return_when=asyncio.FIRST_COMPLETED,
        )
        await waits.close()
        for session in app.switchboard.calls:
            session.signal_disconnected(CallEnd(EndReason.DRAINED, "the server was told to end at once"))
    finally:
        server.should_exit = True


def _config(app: VoiceApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http_protocol(app.api.state.media) if settings.voice_fast_sockets else patient_http(),
        # It costs half of what the older one does, where the installed uvicorn has it.
        ws="websockets-sansio" if "websockets-sansio" in WS_PROTOCOLS else "auto",
        ws_max_size=max(
            FATAL_TIMES * settings.voice_max_message_bytes,
            settings.voice_raw_max_message_bytes if settings.voice_raw_token.get_secret_value() else 0,
        ),
        ws_per_message_deflate=False,  # speech does not get smaller
        # Whether Twilio answers pings is written nowhere. A dead socket is found by VOICE_MEDIA_TIMEOUT.
        ws_ping_interval=None,
        backlog=BACKLOG,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the gate decides what forwarded headers are worth (VOICE_TRUST_FORWARDED)
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )
