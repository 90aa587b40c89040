"""A voice that tells when its words are over: what was heard needs no estimate."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent_world import ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import silence
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.session import Utterance
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests
from voice_runtime.tts import SpeechPart
from voice_runtime.turns.heard import WordTime


class Uneven(MockTts):
    """Says half of its words at once, then pauses for two seconds before each: no estimate by length is right."""

    async def synthesize_timed(self, text: str) -> AsyncIterator[SpeechPart]:
        end = size = 0
        words = text.split()
        for number, word in enumerate(words):
            audio = spell(word) + silence(2000 if number >= len(words) // 2 else 0)
            end, size = text.index(word, end) + len(word), size + len(audio)
            spoken = size - (16000 if number >= len(words) // 2 else 0)
            yield WordTime(end, spoken / 8000)
            yield audio


def test_an_interruption_is_accounted_for_by_the_word(phone: PhoneTests) -> None:
    """`heard_text` has the words that the caller heard, however unevenly they were spoken."""
    app = VoiceApp(stt=MockStt, tts=Uneven())
    said: list[Utterance] = []

    @app.call()
    async def lists(call: VoiceSession) -> None:
        said.append(await call.say("we have apples pears plums cherries grapes melons and figs."))

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(5.0)
        await says(line, "stop it please")
        await line.pause(0.5)

    record = phone.call(app, caller)
    assert said[0].interrupted
    assert said[0].heard_text == ear(record, whole=True)
    assert 5 <= len(said[0].heard_text.split()) <= 8
