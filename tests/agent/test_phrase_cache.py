"""Phrases that are synthesised before they are needed: once, never from what is said live, and never a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime.agent import Limits, Phrases
from voice_runtime.audio.spelling import spell
from voice_runtime.errors import TtsError
from voice_runtime.events import EndReason
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, Turn
from voice_runtime.mock import MockTts
from voice_runtime.phrase_cache import PhraseCache
from voice_runtime.providers.elevenlabs_tts import ElevenLabsTTS
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests

PHRASES = Phrases(("one moment.",), "sorry, say it again.", ("hello?",), "goodbye.", "sorry, call later.")


async def answers(turn: Turn) -> AsyncIterator[str]:
    yield "yes."


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def said(cache: PhraseCache, tts: object, text: str) -> bytes | None:
    """The audio that the cache has; None when it has none."""
    stream = cache.stream(tts, text)
    return None if stream is None else b"".join([part async for part in stream if isinstance(part, bytes)])


def test_the_apology_is_heard_when_the_voice_is_dead(phone: PhoneTests) -> None:
    """It was made while the voice lived; so was the goodbye."""

    class Dying(MockTts):
        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            if text == "yes.":
                raise TtsError("dying", "network", "gone")
            async for chunk in super().synthesize(text):
                yield chunk

    async def caller(line: Line) -> None:
        await line.hear_out()
        await says(line, "are you there")
        await line.hear_out(quiet_ms=2000)
        await says(line, "are you there now")
        await line.stay(60)

    agent = Remembering(answers, greeting="hello.", phrases=PHRASES, limits=Limits(failures=2))
    record = phone.call(desk(agent, tts=Dying()), caller)
    assert ear(record) == "hello. sorry, say it again. sorry, call later."
    assert agent.end is not None
    assert (agent.end.reason, agent.end.detail) == (EndReason.PROVIDER_FAILED, "tts dying: network gone")


@pytest.mark.parametrize("word_times", [False, True])
def test_a_chain_apologises_in_the_first_voice_when_all_voices_have_died(phone: PhoneTests, word_times: bool) -> None:
    """What was kept is said in the voice that died; what was not, by the next voice as long as there is one."""

    class Mortal(MockTts):
        """As another voice, it begins everything with its name."""

        def __init__(self, name: str) -> None:
            super().__init__(word_times=word_times)
            self.name = name
            self.alive = True

        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            if not self.alive:
                raise TtsError(self.name, "network", "gone")
            async for chunk in super().synthesize(f"{self.name} {text}"):
                yield chunk

    first, second = Mortal("a:"), Mortal("b:")

    async def caller(line: Line) -> None:
        await line.hear_out()
        first.alive = False
        await says(line, "are you there")
        await line.hear_out(quiet_ms=2000)
        second.alive = False
        await says(line, "are you there now")
        await line.hear_out(quiet_ms=2000)
        await says(line, "are you there still")
        await line.stay(60)

    agent = Remembering(answers, greeting="hello.", phrases=PHRASES, limits=Limits(failures=2))
    record = phone.call(desk(agent, tts=FallbackTts({"first": first, "second": second})), caller)
    assert ear(record) == "a: hello. b: yes. a: sorry, say it again. a: sorry, call later."
    assert agent.end is not None
    assert agent.end.reason is EndReason.PROVIDER_FAILED
    assert [item.text for item in agent.remembered if isinstance(item, AgentItem)] == [
        "hello.",
        "yes.",
        "sorry, say it again.",
        "sorry, call later.",
    ]
    assert "second: network gone; before it first: network gone" in agent.end.detail


async def test_phrases_of_a_chain_of_voices_are_kept_in_the_first_voice() -> None:
    """And are said with it when all voices are dead. What is not kept yet is left to the chain."""
    first, second = MockTts(), MockTts()
    cache, chain = PhraseCache(), FallbackTts([first, second])
    cache.keep(chain, ["goodbye."])
    assert cache.stream(chain, "goodbye.") is None
    await settle()
    assert await said(cache, chain, "goodbye.") == spell("goodbye.")
    assert (first.spoken, second.spoken) == (["goodbye."], [])


async def test_two_calls_are_one_synthesis() -> None:
    """A phrase is made once, however many want it kept or say it meanwhile."""
    cache, voice = PhraseCache(), MockTts()
    cache.keep(voice, ["hello.", "goodbye."])
    cache.keep(voice, ["hello.", "hello."])
    first, second = await asyncio.gather(said(cache, voice, "hello."), said(cache, voice, "hello."))
    await settle()
    assert first == second == spell("hello.")
    assert await said(cache, voice, "goodbye.") == spell("goodbye.")
    assert sorted(voice.spoken) == ["goodbye.", "hello."]


async def test_the_first_to_say_a_phrase_need_not_wait_for_its_end() -> None:
    """Whoever says a phrase that is being made hears its beginning as soon as it exists."""
    cache, voice = PhraseCache(), MockTts(stall_after_ms=200)
    cache.keep(voice, ["a greeting that takes its time."])
    stream = cache.stream(voice, "a greeting that takes its time.")
    assert stream is not None
    async for part in stream:
        assert part == spell("a greeting that takes its time.")[:800]
        break
    await cache.aclose()


async def test_an_interrupted_utterance_takes_nothing_from_a_phrase() -> None:
    """Who stops listening does not stop the making: the phrase is whole."""
    cache, voice = PhraseCache(), MockTts()
    cache.keep(voice, ["one moment, please."])
    stream = cache.stream(voice, "one moment, please.")
    assert stream is not None
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await settle()
    assert await said(cache, voice, "one moment, please.") == spell("one moment, please.")


async def test_a_failed_synthesis_is_not_kept() -> None:
    """Neither half a phrase nor an empty one; the next call tries again."""
    cache = PhraseCache()
    for broken in (MockTts(fail_after_ms=100), MockTts(stall_after_ms=0)):
        cache.keep(broken, ["goodbye."])
        await settle()
        await cache.aclose()
        assert (await said(cache, broken, "goodbye."), cache.size) == (None, 0)
    whole = MockTts()
    cache.keep(whole, ["goodbye."])
    await settle()
    assert await said(cache, whole, "goodbye.") == spell("goodbye.")


async def test_who_reads_along_hears_of_the_failure() -> None:
    """As if it had been synthesised for it alone."""
    cache, voice = PhraseCache(), MockTts(fail_after_ms=100)
    cache.keep(voice, ["goodbye."])
    with pytest.raises(TtsError, match="as the test asked"):
        await said(cache, voice, "goodbye.")


async def test_only_what_is_wanted_is_kept_and_only_so_much() -> None:
    """Other sentences pass by; the phrase that was not said for the longest time makes room."""
    size = len(spell("one."))
    cache, voice = PhraseCache(max_bytes=2 * size), MockTts()
    assert cache.stream(voice, "something else") is None
    cache.keep(voice, ["one.", "two."])
    await settle()
    assert await said(cache, voice, "one.")
    cache.keep(voice, ["six."])
    await settle()
    assert cache.size <= 2 * size
    assert [bool(await said(cache, voice, text)) for text in ("one.", "two.", "six.")] == [True, False, True]


async def test_another_voice_is_another_sound() -> None:
    """The key has all that changes the sound; a voice without one is not cached."""

    class Nameless(MockTts):
        sound_key = None

    keys: set[Hashable] = {
        ElevenLabsTTS("key", voice, model).sound_key for voice in ("anna", "bert") for model in ("fast", "good")
    }
    assert len(keys) == 4
    cache = PhraseCache()
    cache.keep(Nameless(), ["goodbye."])
    await settle()
    assert cache.size == 0
