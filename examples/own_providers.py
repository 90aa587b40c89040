"""Providers of your own: a voice, an ear and a carrier, each the smallest that works (docs/writing-a-provider.md)."""

import asyncio
from collections.abc import AsyncIterator, Callable

from voice_runtime.audio import beep, level_dbfs, silence
from voice_runtime.errors import TtsError
from voice_runtime.tasks import TaskOwner

MORSE = dict(zip("adeinorst", (".-", "-..", ".", "..", "-.", "---", ".-.", "...", "-"), strict=True))


class MorseTts:
    """A `StreamingTts`: yields mu-law audio at 8 kHz, as soon as there is some."""

    def __init__(self, *, dot_ms: float = 60) -> None:
        self._dot_ms = dot_ms

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        for letter in text.lower():
            if letter == " ":
                yield silence(4 * self._dot_ms)
            elif letter in MORSE:
                for sign in MORSE[letter]:
                    yield beep(600, self._dot_ms * (1 if sign == "." else 3)) + silence(self._dot_ms)
                yield silence(2 * self._dot_ms)
            else:
                raise TtsError("morse", "bad_request", f"no sign for {letter!r}")


class SomethingStt:
    """An `SttWithSpeechStart`: whatever the caller says, it understands "something"."""

    def __init__(self, *, threshold_dbfs: float = -40.0, silence_ms: float = 500.0) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        self._threshold_dbfs, self._silence_ms = threshold_dbfs, silence_ms
        self._tasks = TaskOwner("something_stt")

    def set_speaking(self, speaking: bool) -> None:
        """0.1's echo guard. This one hears the caller only."""

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        self._tasks.start("listen", self._listen(inbound_queue))

    async def stop(self) -> None:
        await self._tasks.close()

    async def _listen(self, frames: asyncio.Queue[bytes | None]) -> None:
        spoken, quiet_ms = False, 0.0
        while (frame := await frames.get()) is not None:
            if level_dbfs(frame) > self._threshold_dbfs:
                quiet_ms = 0.0
                if not spoken and self.on_speech_started is not None:
                    self.on_speech_started()
                spoken = True
            elif spoken:
                quiet_ms += len(frame) / 8
                if quiet_ms >= self._silence_ms:
                    spoken = False
                    if self.on_committed is not None:
                        self.on_committed("something")


class PaperCarrier:
    """A `CarrierTransport`: writes down what a carrier with a REST API would be asked to do."""

    def __init__(self, **options: object) -> None:
        self.asked: list[str] = []

    async def place_call(
        self, to: str, *, from_: str = "", twiml: str = "", url: str = "", status_callback: str = ""
    ) -> str:
        self.asked.append(f"call {to} from {from_}, then ask {url}")
        return f"PAPER{len(self.asked)}"

    async def hang_up(self, call_sid: str) -> None:
        self.asked.append(f"end {call_sid}")
