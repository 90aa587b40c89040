"""Chains over many calls: who is asked, who is left alone, what is told of it, and that nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from voice_runtime.audio.spelling import read_spelling
from voice_runtime.audio.tones import tone
from voice_runtime.errors import BrainError, TtsError
from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.fallback.breaker import BreakerPolicy
from voice_runtime.fallback.llm import FallbackBrain
from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, Part, ToolItem, Turn, messages
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.stt import SttFault
from voice_runtime.testing import run
from voice_runtime.tools import ToolSpec
from voice_runtime.tts import SpeechPart
from voice_runtime.turns.heard import WordTime

TEXT = "it comes on thursday at nine."


class Voice(MockTts):
    """Works or not, as the test says."""

    def __init__(self, *, works: bool = True) -> None:
        super().__init__()
        self.works = works
        self.asked = 0

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.asked += 1
        if not self.works:
            raise TtsError("vendor", "quota", "no money")
        async for chunk in super().synthesize(text):
            yield chunk


async def heard(tts: FallbackTts, told: list[object] | None = None) -> str:
    audio = b"".join([chunk async for chunk in tts.synthesize_told(TEXT, (told if told is not None else []).append)])
    return " ".join(word.text for word in read_spelling(audio))


def test_a_voice_that_keeps_failing_is_left_alone_and_tried_again() -> None:
    """Two failures in a row, of any calls; after the cool-down one call tries it, and then all use it."""

    async def calls() -> None:
        first, second, told = Voice(works=False), Voice(), []
        tts = FallbackTts({"a": first, "b": second}, breaker=BreakerPolicy(failures=2, cooldown=10))
        for _ in range(5):
            assert await heard(tts) == TEXT
        assert first.asked == 2
        await asyncio.sleep(10)
        assert await heard(tts, told) == TEXT
        assert first.asked == 3
        assert [type(event) for event in told] == [ProviderSwitched]
        first.works = True
        await asyncio.sleep(20)
        told.clear()
        assert await heard(tts, told) == TEXT
        assert told == [ProviderRecovered(0.0, "tts", "a")]
        before = second.asked
        assert await heard(tts) == TEXT
        assert second.asked == before

    run(calls())


def test_when_all_are_left_alone_they_are_tried_all_the_same() -> None:
    """Silence is worse; and the error names them all."""

    async def calls() -> None:
        voices = {"a": Voice(works=False), "b": Voice(works=False)}
        tts = FallbackTts(voices, breaker=BreakerPolicy(failures=1))
        for _ in range(3):
            with pytest.raises(TtsError, match="b: quota: no money; before it a: quota no money"):
                await heard(tts)
        voices["b"].works = True
        assert await heard(tts) == TEXT

    run(calls())


def test_an_utterance_that_nobody_wants_any_more_is_no_failure() -> None:
    """A caller who interrupts a slow voice proves nothing about it."""

    async def calls() -> None:
        first = MockTts(stall_after_ms=0)
        tts = FallbackTts({"a": first, "b": MockTts()}, breaker=BreakerPolicy(failures=1))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await heard(tts)
        assert len(first.spoken) == 3

    run(calls())


class Counting:
    """Tools that count."""

    specs = (ToolSpec("book", "Books.", {}),)

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def call(self, name: str, arguments: str) -> str:
        await asyncio.sleep(5.0)
        self.calls.append(arguments)
        return f"number {len(self.calls)}"


def test_a_tool_that_was_called_is_not_called_again() -> None:
    """The next brain is told of it, and gets its result if it asks; the time that tools take is nobody's stall."""

    async def call() -> None:
        tools = Counting()

        async def books_and_fails(turn: Turn) -> AsyncIterator[Part]:
            await turn.tools.call("book", "{}")
            yield "it is booked. your "
            raise ConnectionError

        async def books(turn: Turn) -> AsyncIterator[Part]:
            assert turn.begun == (ToolItem("book", "{}", "number 1"), AgentItem("it is booked. your"))
            assert messages(turn)[-2]["content"] == "it is booked. your"
            result = await turn.tools.call("book", "{}")
            yield f"your number is {result}."

        brain = FallbackBrain([books_and_fails, books])
        parts = [part async for part in brain(Turn("book it", tools=tools))]
        assert "".join(part for part in parts if isinstance(part, str)) == "it is booked. your number is number 1."
        assert [part.to for part in parts if isinstance(part, ProviderSwitched)] == ["books"]
        assert tools.calls == ["{}"]

    run(call())


def test_brains_that_all_fail_are_all_named() -> None:
    """By the names of their functions, and in the order of failing."""

    async def mute(turn: Turn) -> AsyncIterator[Part]:
        yield ""

    async def stuck(turn: Turn) -> AsyncIterator[Part]:
        await asyncio.Event().wait()
        yield ""

    async def call() -> None:
        with pytest.raises(BrainError, match=r"stuck: stalled: no words for 2\.5 s; before it mute: empty"):
            async for _ in FallbackBrain([mute, stuck])(Turn("hello")):
                pass

    run(call())


def test_a_noise_costs_a_second_opinion_and_nothing_else() -> None:
    """What neither recogniser has words for is no reason to change."""

    async def call() -> None:
        told: list[object] = []
        seconds: list[MockStt] = []

        def second() -> MockStt:
            seconds.append(MockStt())
            return seconds[-1]

        stt = FallbackStt({"a": MockStt, "b": second})()
        stt.on_switched = told.append
        faults: list[SttFault] = []
        stt.on_error = faults.append  # type: ignore[assignment]
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        await stt.start(queue)
        door = tone([(1000, 0.3)], 500)
        for audio in (b"\xff" * 8000, door, b"\xff" * 60_000):
            for at in range(0, len(audio), 160):
                queue.put_nowait(audio[at : at + 160])
                await asyncio.sleep(0.02)
        await stt.stop()
        assert len(seconds) == 1
        assert seconds[0].heard_bytes > len(door)
        assert not told and not faults

    run(call())


LONG = "it comes on thursday at nine with the other parcel and the letter that you have been waiting for since may."


class Forgetful(MockTts):
    """Tells when its first three words are over, and then no more. Or tells a moment after the audio."""

    def __init__(self, *, late: bool = False, **options: float) -> None:
        super().__init__(word_times=True, **options)  # type: ignore[arg-type]
        self.late = late

    async def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        parts = [part async for part in super().synthesize_timed(text)] if self.late else []
        if self.late:
            audio = b"".join(part for part in parts if isinstance(part, bytes))
            first, *others = (part for part in parts if isinstance(part, WordTime))
            yield first
            yield audio[:1600]
            yield audio[1600:7000]
            await asyncio.sleep(0.005)
            for word in others:
                yield word
            await asyncio.sleep(1.0)
            raise TtsError("late", "network", "gone")
        told = 0
        async for part in super().synthesize_timed(text):
            told += not isinstance(part, bytes)
            if isinstance(part, bytes) or told <= 3:
                yield part


def test_a_voice_that_stops_telling_is_guessed_from_there() -> None:
    """It failed a few seconds after its last word time: the next voice does not say all of that again."""

    async def call() -> None:
        chain = FallbackTts({"a": Forgetful(fail_after_ms=5500), "b": MockTts()})
        audio = b"".join([chunk async for chunk in chain.synthesize(LONG)])
        assert " ".join(word.text for word in read_spelling(audio) if word.whole) == LONG

    run(call())


def test_word_times_that_come_after_the_audio_hold_nothing_up() -> None:
    """Azure's come from another thread: what they cover is heard at once, and not with the next piece of audio."""

    async def call() -> None:
        chain = FallbackTts({"a": Forgetful(late=True), "b": MockTts()})
        loop, given, audio = asyncio.get_running_loop(), [], b""
        began = loop.time()
        async for part in chain.synthesize_told(LONG, lambda event: None):
            if isinstance(part, bytes):
                audio += part
                given.append((round(loop.time() - began, 3), len(audio)))
        assert [size > 6000 for at, size in given if at <= 0.01][-1]
        assert " ".join(word.text for word in read_spelling(audio) if word.whole) == LONG

    run(call())
