"""An agent on providers that take no time: what is left is the runtime's."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable

from voice_runtime import Settings, VoiceApp
from voice_runtime.agent import Agent
from voice_runtime.audio import beep
from voice_runtime.llm import Turn

ANSWER = beep(400, 2000)


class ReadyStt:
    """Has understood the caller when it is asked."""

    def __init__(self) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self._reading: asyncio.Task[None] | None = None

    def set_speaking(self, speaking: bool) -> None:
        pass

    def finalise(self) -> None:
        if self.on_committed is not None:
            self.on_committed("change the delivery to friday")

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        async def read() -> None:
            while await inbound_queue.get() is not None:
                pass

        self._reading = asyncio.get_running_loop().create_task(read())

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()


class ReadyTts:
    """Has its two seconds of sound ready, whatever is to be said."""

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        yield ANSWER


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield "Done. "
    yield "Your parcel now comes on Friday."


def agent(settings: Settings, vad: str) -> VoiceApp:
    """Detector, turns, history, synthesis, recording."""
    recordings = tempfile.mkdtemp(prefix="bench-recordings-")
    app = VoiceApp(
        stt=ReadyStt, tts=ReadyTts(), vad=vad, settings=settings.model_copy(update={"voice_record_dir": recordings})
    )
    app.call()(Agent(brain))
    return app
