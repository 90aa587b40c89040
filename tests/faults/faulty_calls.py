"""An application for one handler, and what happened on its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEnded, CallEvent, EndReason, Fault, PlaybackOutcome, UtteranceFinished

__all__ = ["Agent"]


class Agent:
    def __init__(self, handler: Callable[[VoiceSession], Awaitable[object]], **options: Any) -> None:
        self.app = VoiceApp(**options)
        self.events: list[CallEvent] = []

        @self.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_event(self.events.append)
            try:
                await handler(call)
            except CallHangupError:
                return

    @property
    def ends(self) -> list[tuple[EndReason, Fault]]:
        return [(event.end.reason, event.end.fault) for event in self.events if isinstance(event, CallEnded)]

    @property
    def outcomes(self) -> list[PlaybackOutcome]:
        return [event.outcome for event in self.events if isinstance(event, UtteranceFinished)]
