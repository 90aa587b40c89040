"""One function puts the server together from its parts; nothing in it is global."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute

from voice_runtime.admission import Readiness
from voice_runtime.clock import Clock
from voice_runtime.handler import Handler
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.server.media import RAW_SUFFIX, MediaEndpoint
from voice_runtime.server.metrics import MetricsRoute, metrics_of
from voice_runtime.server.raw import RawEndpoint
from voice_runtime.server.recordings import recording_of
from voice_runtime.server.webhooks import SmsHandler, StatusHandler, Webhooks
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Switchboard
from voice_runtime.tasks import TaskOwner
from voice_runtime.telemetry.loop_lag import LoopLag
from voice_runtime.telemetry.loop_watch import watched
from voice_runtime.telemetry.observing import Observe
from voice_runtime.telemetry.traces import Traces
from voice_runtime.transport import CallControl, CallInfo
from voice_runtime.transports.twilio_sms import SmsStatus

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from voice_runtime.telemetry.metrics import Metrics

__all__ = ["ANY_NUMBER", "create_app", "new_switchboard"]

log = logging.getLogger(__name__)

ANY_NUMBER = "*"
"""The key of the handler for calls to numbers that have none of their own."""


def new_switchboard(
    settings: Settings,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    tracers: TracerProvider | None = None,
) -> Switchboard:
    """As the settings say, counted by `metrics` and traced by `tracers`. Raises `ConfigurationError`."""
    lag = LoopLag(limit_ms=settings.voice_max_loop_lag_ms)
    observers: list[Observe] = [Traces(tracers, content=settings.voice_trace_content).observe]
    if metrics is not None:
        metrics.watch(lag)
        observers.append(metrics.observe)
    return Switchboard(
        max_calls=settings.voice_max_calls,
        max_call_seconds=settings.voice_max_call_seconds,
        record=recording_of(settings, clock),
        goodbye=settings.voice_drain_message,
        lag=lag,
        observers=observers,
    )


def create_app(
    handlers: Mapping[str, Handler],
    *,
    settings: Settings | None = None,
    new_session: Callable[[], VoiceSession] = VoiceSession,
    control: CallControl | None = None,
    switchboard: Switchboard | None = None,
    on_status: StatusHandler | None = None,
    on_sms: SmsHandler | None = None,
    on_sms_status: Callable[[SmsStatus], Awaitable[None] | None] | None = None,
    on_startup: Callable[[], Awaitable[None]] | None = None,
    on_shutdown: Callable[[], Awaitable[None]] | None = None,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """The server: webhooks, media sockets, health.

    `handlers` maps our own numbers (E.164, or `ANY_NUMBER`) to what answers them; it is looked at for every call.
    `new_session` makes each call's session, with its speech providers. `control` ends calls at the carrier.
    """
    settings = settings or Settings()
    if switchboard is None:
        metrics = metrics or metrics_of(settings)
        switchboard = new_switchboard(settings, clock, metrics)
    gate = Gate(settings, clock)

    def handler_of(number: str) -> Handler | None:
        return handlers.get(number) or handlers.get(ANY_NUMBER)

    def route(info: CallInfo) -> Handler | None:
        return handler_of(info.called_number if info.direction == "inbound" else info.caller_number)

    media = MediaEndpoint(
        settings=settings, gate=gate, switchboard=switchboard, route=route, new_session=new_session, control=control
    )
    webhooks = Webhooks(
        settings=settings,
        gate=gate,
        switchboard=switchboard,
        answers=lambda number: handler_of(number) is not None,
        status_path="/status",
        on_status=on_status,
        on_sms=on_sms,
        on_sms_status=on_sms_status,
    )

    lifespan = partial(_lifespan, switchboard, on_startup, on_shutdown)
    app = FastAPI(title="voice-runtime", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # A redirect would name the Host header's address: not what the carrier signed, and not always https.
    app.router.redirect_slashes = False
    app.state.switchboard = switchboard
    app.state.media = media  # for a web server that has a faster way to it than ASGI

    raw = RawEndpoint(settings=settings, switchboard=switchboard, route=route, new_session=new_session)
    app.router.routes.append(WebSocketRoute(settings.voice_media_path + RAW_SUFFIX, raw))  # before what takes a token
    for path in (settings.voice_media_path, settings.voice_media_path + "/{token}"):
        app.router.routes.append(WebSocketRoute(path, media))
    app.add_exception_handler(Refused, webhooks.refusal)
    app.add_api_route("/incoming", webhooks.incoming, methods=["POST", "GET"])
    app.add_api_route("/status", webhooks.status, methods=["POST", "GET"])
    app.add_api_route("/sms", webhooks.sms, methods=["POST", "GET"])
    app.add_api_route("/sms/status", webhooks.sms_status, methods=["POST", "GET"])

    if settings.transport.strip().lower() == "mock":
        app.add_api_route("/test/inject", webhooks.inject, methods=["POST"])
        app.add_api_route("/test/inject/{call_sid}", webhooks.inject, methods=["POST"])

    _add_health_routes(app, switchboard)
    app.add_api_route("/metrics", MetricsRoute(settings, metrics).metrics, methods=["GET"])
    return app


@asynccontextmanager
async def _lifespan(
    switchboard: Switchboard,
    on_startup: Callable[[], Awaitable[None]] | None,
    on_shutdown: Callable[[], Awaitable[None]] | None,
    _: FastAPI,
) -> AsyncIterator[None]:
    if on_startup is not None:
        await on_startup()
    measuring = TaskOwner("server")
    measuring.start("loop-lag", switchboard.places.lag.run())
    with watched(switchboard.places.lag):
        yield
    await measuring.close()
    # Reached when the web server has stopped taking connections; whoever serves us drains before (server.serving).
    await switchboard.drain(0.0)
    if on_shutdown is not None:
        await on_shutdown()


def _add_health_routes(app: FastAPI, switchboard: Switchboard) -> None:
    async def healthz(request: Request) -> Response:
        """Alive: the loop answers."""
        return JSONResponse({"status": "ok", "calls": len(switchboard.calls)})

    async def readyz(request: Request) -> Response:
        """Ready: a new call would be taken."""
        load = switchboard.places.load
        return JSONResponse(dataclasses.asdict(load), 200 if load.status is Readiness.READY else 503)

    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.add_api_route("/readyz", readyz, methods=["GET"])
