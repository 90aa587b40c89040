"""The caller's end of a talk with an agent: in text, or on the line of a simulated phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voice_runtime.audio.spelling import spellable
from voice_runtime.clock import LoopClock
from voice_runtime.errors import CallHangupError
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.session import VoiceSession
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.simulator.hearing import plain_words
from voice_runtime.switchboard import Switchboard
from voice_runtime.testing.phone_system import PhoneSystem
from voice_runtime.testing.simulated_time import ScaledLoop, VirtualLoop
from voice_runtime.testing.talking import Talk, agent_of
from voice_runtime.transports.text_line import TextLine
from voice_runtime.transports.text_speech import SPEAKING_PACE, TextVoice

__all__ = ["PhoneEnd", "TextEnd", "talk"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines


def talk(target: object, *, speed: float | None = None, pace: float = SPEAKING_PACE) -> Talk:
    """Talk to an agent in text, on virtual time: `with talk(agent) as call: call.say("Hello")`.

    `target`: the agent, a `VoiceApp` that it answers, or a brain, which gets a plain agent. A brain that asks something
    outside of this process, a model say, needs real time: `speed=1.0`; then a high `pace`, in letters a second, is what
    makes a test quick.
    """
    loop = VirtualLoop if speed is None else lambda: ScaledLoop(speed)
    return Talk(agent_of(target), TextEnd(pace), asyncio.Runner(loop_factory=loop))


class TextEnd:
    """No sound: what is said is understood at once, what the agent says takes as long as it does on the phone."""

    def __init__(self, pace: float = SPEAKING_PACE) -> None:
        self._line = TextLine(on_heard=self._heard)
        self._voice = TextVoice(pace)
        self._answered = asyncio.Event()
        self._news = asyncio.Event()
        self._session: VoiceSession | None = None
        self._taken = 0  # of the words heard: up to the end of what was last waited for

    def _heard(self, text: str) -> None:
        self._news.set()

    @property
    def heard(self) -> str:
        return spellable(" ".join(self._line.heard.split()))

    @property
    def time(self) -> float:
        return asyncio.get_running_loop().time()

    async def carry(self, answer: Callable[[VoiceSession], Coroutine[Any, Any, None]]) -> None:
        clock = LoopClock(asyncio.get_running_loop())
        self._session = session = VoiceSession(stt=self._line.recogniser, tts=self._voice, clock=clock)
        session.stream.has_sound = False
        session.on_event(lambda _: self._news.set())

        async def answered(call: VoiceSession) -> None:
            self._answered.set()
            await answer(call)

        await Switchboard().carry(session, self._line, answered)
        self._news.set()

    async def answered(self) -> None:
        await self._answered.wait()

    async def say(self, words: str) -> None:
        self._line.say(words)

    async def press(self, keys: str) -> None:
        self._line.press(keys)

    async def first_sound(self) -> float:
        for speaks in (True, False):  # until what sounds now is over, until something sounds
            while self._line.agent_speaks is speaks:
                await self._next()
        return self.time

    async def hears(self, words: str, timeout: float) -> None:
        wanted = plain_words(words)
        if not wanted:
            raise ValueError(f"there is no word to hear in {words!r}")
        try:
            async with asyncio.timeout(timeout):
                while not self._take(wanted):
                    await self._next()
        except TimeoutError:
            raise TimeoutError(f"did not hear {words!r} within {timeout:g} s, but {self._since_taken()!r}") from None
        except CallHangupError:
            raise TimeoutError(f"the call ended before {words!r}; heard: {self._since_taken()!r}") from None

    def _take(self, words: list[str]) -> bool:
        heard = plain_words(self.heard)
        for start in range(self._taken, len(heard) - len(words) + 1):
            if heard[start : start + len(words)] == words:
                self._taken = start + len(words)
                return True
        return False

    def _since_taken(self) -> str:
        return " ".join(plain_words(self.heard)[self._taken :])

    async def hang_up(self) -> None:
        self._line.hang_up()

    async def _next(self) -> None:
        if self._session is None or self._session.is_disconnected:
            raise CallHangupError()
        self._news.clear()
        await self._news.wait()


class PhoneEnd:
    """A call over the whole simulated carrier, in spelled sound. `done` is given the record of it."""

    def __init__(self, done: Callable[[CallRecord], object], **options: Any) -> None:
        self._done = done
        self._options = options
        self._line: Line | None = None
        self._picked_up = asyncio.Event()
        self._answered = asyncio.Event()
        self._over = False

    async def carry(self, answer: Callable[[VoiceSession], Coroutine[Any, Any, None]]) -> None:
        app = VoiceApp(stt=MockStt, tts=MockTts)

        @app.call()
        async def answered(call: VoiceSession) -> None:
            self._answered.set()
            await answer(call)

        async with PhoneSystem(app, **self._options) as system:
            self._done(await system.call(self._caller))

    async def _caller(self, line: Line) -> None:
        self._line = line
        self._picked_up.set()
        await line.until(lambda: self._over)

    async def answered(self) -> None:
        await self._picked_up.wait()
        await self._answered.wait()

    @property
    def line(self) -> Line:
        if self._line is None:
            raise CallHangupError()
        return self._line

    @property
    def heard(self) -> str:
        return self.line.heard

    @property
    def time(self) -> float:
        return self.line.time

    async def say(self, words: str) -> None:
        await self.line.say(words)

    async def press(self, keys: str) -> None:
        self.line.press(keys)
        await self.line.wait_until_keys_pressed()

    async def first_sound(self) -> float:
        line = self.line
        await line.until(lambda: not line.agent_speaks)
        await line.until(lambda: line.agent_speaks)
        return line.time

    async def hears(self, words: str, timeout: float) -> None:
        await self.line.hears(words, timeout)

    async def hang_up(self) -> None:
        self._over = True
