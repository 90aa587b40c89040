"""/metrics: the numbers of this process, for whoever has the key, and for nobody when there is none."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from voice_runtime.server.gate import Refused, key_of
from voice_runtime.settings import Settings

if TYPE_CHECKING:
    from voice_runtime.telemetry.metrics import Metrics

__all__ = ["MetricsRoute", "metrics_of"]


def metrics_of(settings: Settings) -> Metrics | None:
    """What is counted, if the settings ask for it. Raises `ConfigurationError` for a key that can be guessed."""
    if not key_of("VOICE_METRICS_TOKEN", settings.voice_metrics_token):
        return None
    from voice_runtime.telemetry.metrics import Metrics  # prometheus_client is for those who want it

    return Metrics()


class MetricsRoute:
    """Answers GET /metrics."""

    def __init__(self, settings: Settings, metrics: Metrics | None) -> None:
        self._key = settings.voice_metrics_token.get_secret_value().encode()
        self._metrics = metrics

    async def metrics(self, request: Request) -> Response:
        """In Prometheus' text format; 404 when nothing is counted, 403 without the key."""
        if self._metrics is None or not self._key:
            return Response("Not Found\n", 404, media_type="text/plain")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(key.strip().encode(), self._key):
            raise Refused(403, "the key of the metrics is wrong or missing")
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
