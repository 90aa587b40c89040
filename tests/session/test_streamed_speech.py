"""`say` with text that does not exist yet: sentence by sentence, one utterance, heard to the word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.events import CallEvent, UtteranceAudible, UtteranceFinished, UtteranceStarted
from voice_runtime.mock import MockTts
from voice_runtime.session import Utterance
from voice_runtime.simulator import listens
from voice_runtime.testing import PhoneTests
from voice_runtime.turns.spoken import Replacement, Spoken


async def slowly(*sentences: str | Spoken) -> AsyncIterator[str | Spoken]:
    for sentence in sentences:
        await asyncio.sleep(1.0)
        yield sentence


def test_the_first_sentence_is_heard_before_the_last_exists(phone: PhoneTests) -> None:
    """Each is said when it comes; together they are one utterance."""
    app, seen, said = VoiceApp(tts=MockTts()), list[CallEvent](), list[Utterance]()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        call.on_event(seen.append)
        price = Spoken("It costs $5. ", (Replacement(9, 11, "five dollars"),))
        said.append(await call.say(slowly("Good day. ", price, "Goodbye.")))

    record = phone.call(app, listens(30))
    words = read_spelling(record.ear)
    assert " ".join(word.text for word in words) == "good day. it costs five dollars. goodbye."
    assert words[0].start_s < 1.5
    assert said[0].text == said[0].heard_text == "Good day. It costs $5. Goodbye."
    of_utterances = UtteranceStarted | UtteranceAudible | UtteranceFinished
    kinds = [type(event) for event in seen if isinstance(event, of_utterances)]
    assert kinds == [UtteranceStarted, UtteranceAudible, UtteranceFinished]


def test_an_interrupted_stream_is_accounted_for_as_it_was_written(phone: PhoneTests) -> None:
    """A number counts as heard with the last of the words that say it, and the rest is never asked for."""
    app, made, said = VoiceApp(tts=MockTts()), list[str](), list[Utterance]()

    async def sentences() -> AsyncIterator[Spoken]:
        for text in ("It costs $5 in all. ", "Not a cent more. "):
            made.append(text)
            yield Spoken(text, (Replacement(9, 11, "five dollars"),) if "$" in text else ())
        await asyncio.Event().wait()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        asyncio.get_running_loop().call_later(1.2, call.interrupt)
        said.append(await call.say(sentences(), barge_in="never"))

    phone.call(app, listens(30))
    assert said[0].interrupted
    assert said[0].heard_text == "It costs"
