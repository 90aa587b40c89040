"""A voice that tells when its words are over: what was heard needs no estimate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.session import Utterance
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests, run
from voice_runtime.tts import SpeechPart
from voice_runtime.turns.heard import WordTime

FRUIT = "we have apples pears plums cherries grapes melons and figs."
UNEVEN = (0, 0, 0, 0, 0, 2000, 2000, 2000, 2000)  # half of the words at once, then one in two seconds


def call(phone: PhoneTests, tts: Any, after_s: float, text: str = FRUIT) -> tuple[str, str]:
    """An agent begins to say `text` and is interrupted. What the ear heard of it in whole words, what is remembered."""

    async def lists(turn: Turn) -> AsyncIterator[str]:
        yield "as you wish." if turn.history else text

    async def caller(line: Line) -> None:
        await says(line, "what have you got")
        await line.wait_until_agent_speaks()
        await line.pause(after_s)
        await says(line, "stop it please")
        await line.hear_out(quiet_ms=2000)

    agent = Remembering(lists)
    record = phone.call(desk(agent, tts=tts), caller)
    first = next(item for item in agent.remembered if isinstance(item, AgentItem))
    assert first.interrupted
    return ear(record, whole=True).partition(" as ")[0], first.text


def test_an_interruption_is_accounted_for_by_the_word(phone: PhoneTests) -> None:
    """`heard_text` has the words that the caller heard, however unevenly they were spoken."""
    app = VoiceApp(stt=MockStt, tts=MockTts(word_times=True, pauses_ms=UNEVEN))
    said: list[Utterance] = []

    @app.call()
    async def lists(call: VoiceSession) -> None:
        said.append(await call.say(FRUIT))

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(5.0)
        await says(line, "stop it please")
        await line.pause(0.5)

    record = phone.call(app, caller)
    assert said[0].interrupted
    assert said[0].heard_text == ear(record, whole=True)
    assert 5 <= len(said[0].heard_text.split()) <= 8


@pytest.mark.parametrize("after_s", [1.0, 3.0, 5.2, 7.5])
def test_an_agent_remembers_the_words_that_were_heard(phone: PhoneTests, after_s: float) -> None:
    """Also in the pauses of a voice that speaks unevenly; a guess by length is wrong by more than a word."""
    heard, remembered = call(phone, MockTts(word_times=True, pauses_ms=UNEVEN), after_s)
    assert remembered == heard
    heard, guessed = call(phone, MockTts(pauses_ms=UNEVEN), after_s)
    assert abs(len(guessed.split()) - len(heard.split())) > (1 if after_s > 2 else -1)


def test_what_is_spoken_otherwise_than_written_is_remembered_as_written(phone: PhoneTests) -> None:
    """The words are those of the spoken text, and come back as the brain wrote them."""
    text = "That makes $20 and 5 cents for the parcel and the stamps."
    heard, remembered = call(phone, MockTts(word_times=True, pauses_ms=(0, 0, 1500, 0, 0, 1500)), 1.5, text)
    assert (heard, remembered) == ("that makes twenty", "That makes")
    heard, remembered = call(phone, MockTts(word_times=True, pauses_ms=(0, 0, 0, 1500)), 1.5, text)
    assert (heard, remembered) == ("that makes twenty dollars", "That makes $20")


@pytest.mark.parametrize("first_tells", [False, True])
@pytest.mark.parametrize("second_tells", [False, True])
@pytest.mark.parametrize("after_s", [1.0, 1.9, 2.8])
def test_a_sentence_in_two_voices(phone: PhoneTests, first_tells: bool, second_tells: bool, after_s: float) -> None:
    """The second says the rest, in its own time: to the word if both tell, and else as well as can be guessed."""
    first = MockTts(fail_after_ms=1500, word_times=first_tells)
    second = MockTts(word_times=second_tells, pauses_ms=(0, 1500, 0, 1500) if second_tells else ())
    heard, remembered = call(phone, FallbackTts({"a": first, "b": second}), after_s)
    assert abs(len(remembered.split()) - len(heard.split())) <= (0 if first_tells and second_tells else 1)
    assert FRUIT.startswith(heard)
    assert FRUIT.startswith(remembered)


class Hasty(MockTts):
    """Tells of all its words before the first audio."""

    async def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        for word in [part async for part in MockTts(word_times=True).synthesize_timed(text)]:
            if isinstance(word, WordTime):
                yield word
        async for chunk in self.synthesize(text):
            yield chunk


@pytest.mark.parametrize("after_s", [2.0, 3.0])
def test_words_that_a_voice_told_and_did_not_say_are_those_of_the_next(phone: PhoneTests, after_s: float) -> None:
    """The next voice is slow, and does not tell: it is guessed, and not taken for the first."""
    heard, remembered = call(phone, FallbackTts({"a": Hasty(fail_after_ms=800), "b": Slow()}), after_s)
    assert abs(len(remembered.split()) - len(heard.split())) <= 1
    assert 2 < len(heard.split()) < 10


class Slow(MockTts):
    @staticmethod
    def render(text: str) -> bytes:
        return spell(text, 8)


def test_a_voice_that_tells_is_cut_between_two_words() -> None:
    """However long it paused: no word is lost or said twice where the next voice goes on. Its times count on."""

    async def speech() -> None:
        for fail_ms in range(0, 6000, 300):
            first = MockTts(fail_after_ms=fail_ms, word_times=True, pauses_ms=(0, 900, 0, 1200))
            second = MockTts(word_times=True, pauses_ms=(300, 300))
            audio, words = b"", {}
            async for part in FallbackTts({"a": first, "b": second}).synthesize_told(FRUIT, lambda event: None):
                if isinstance(part, WordTime):
                    words[part.end] = part.seconds
                else:
                    audio += part
            read = [word for word in read_spelling(audio) if word.whole]
            assert " ".join(word.text for word in read) == FRUIT
            ends = [words[end] for end in sorted(words)]
            assert len(ends) == len(read)
            assert all(word.end_s <= end <= word.end_s + 0.1 for word, end in zip(read, ends, strict=True))

    run(speech())
