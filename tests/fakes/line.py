"""The part of a session that blocking speech talks into, written down."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Line"]


class Line:
    """The session's ear: what was said into it, in order."""

    def __init__(self) -> None:
        self.is_disconnected = False
        self.heard: list[bytes] = []
        self.tapped: list[bytes] = []
        self.marks: list[tuple[str, float]] = []
        self.mark_error: Exception | None = None
        self.on_audio: Callable[[], None] = lambda: None

    def put_outbound_sync(self, data: bytes) -> None:
        self.heard.append(data)
        self.on_audio()

    def tap_agent(self, data: bytes) -> None:
        self.tapped.append(data)

    def send_mark_and_wait(self, name: str, timeout: float = 10.0) -> object:
        self.marks.append((name, timeout))
        if self.mark_error is not None:
            raise self.mark_error
        return None
