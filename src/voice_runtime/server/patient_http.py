"""uvicorn's HTTP protocol with an end to its patience: a stranger's request must begin in time, and in reasonable size.

Without it a head that never ends is kept in memory as long as it grows, and one that never comes keeps its connection.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["PatientHttpProtocol", "patient_http"]

HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS = 10.0
MAX_WAITING: Final = 512
"""Connections at once whose request has not come; with more, those have to go that have waited longest."""
GRACE_SECONDS: Final = 1.0
"""None goes before: hundreds of callers in one moment are connected before the first of them is read from."""


def patient_http() -> type[PatientHttpProtocol]:
    """What to give to `uvicorn.Config(http=...)`, for one server."""
    return type("PatientHttp", (PatientHttpProtocol,), {"waiting": {}})


class PatientHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers take more than `HEAD_BYTES` or `HEAD_SECONDS`.

    Make a subclass for each server (`patient_http`): its connections that wait are counted together.
    """

    waiting: ClassVar[dict[PatientHttpProtocol, float]]
    _head: asyncio.TimerHandle | None = None
    """Runs while a head is being waited for."""
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
            self.waiting[self] = self.loop.time()
            while len(self.waiting) > MAX_WAITING:
                oldest, since = next(iter(self.waiting.items()))
                if self.loop.time() - since < GRACE_SECONDS:
                    break
                oldest.give_up()

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head, self._head_bytes = None, 0
            self.waiting.pop(self, None)

    def give_up(self) -> None:
        self.waiting.pop(self, None)
        self.transport.abort()
