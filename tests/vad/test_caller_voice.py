"""A voice detector on a call: its events, and an agent that goes by them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.clock import LoopClock
from voice_runtime.events import AudioStalled, CallEvent, ProviderFailed, VoiceStarted, VoiceStopped
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts, MockVad
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.testing import PhoneTests, run
from voice_runtime.transport import CallInfo
from voice_runtime.vad import Vad, create_vad

HEARD = (VoiceStarted, VoiceStopped, AudioStalled, ProviderFailed)


def test_the_first_syllable_is_in_the_onset(phone: PhoneTests) -> None:
    """The events say when a voice began and ended, and bring the audio from before it began."""
    events: list[CallEvent] = []
    app = VoiceApp(stt=MockStt, tts=MockTts(), vad=MockVad())

    @app.call()
    async def answer(call: VoiceSession) -> None:
        async for event in call.events():
            events.append(event)

    async def caller(line: Line) -> None:
        await line.pause(1.0)
        await line.say("hello")
        await line.pause(1.0)

    record = phone.call(app, caller)
    started, stopped = (event for event in events if isinstance(event, HEARD))
    assert isinstance(started, VoiceStarted) and isinstance(stopped, VoiceStopped)
    said = next(note.at for note in record.notes if note.text == "hello")
    assert abs(started.at - started.voiced - said) < 0.1
    assert 0.25 <= stopped.silence < 0.3
    assert len(started.onset) == round((started.voiced + 0.3) * 8000)
    assert started.onset in record.mouth


def test_audio_that_stops_in_mid_word_ends_the_voice() -> None:
    """Nobody waits for ever for the end of a voice of which no audio comes any more; the next voice is found again."""

    async def scenario() -> list[CallEvent]:
        call = VoiceSession(vad=MockVad(), clock=LoopClock(asyncio.get_running_loop()))
        events: list[CallEvent] = []
        call.on_event(lambda event: events.append(event) if isinstance(event, HEARD) else None)
        call.media_started(CallInfo(call_sid="CA1", stream_sid="MZ1"))
        for _ in range(2):
            for _ in range(10):
                call.caller_audio(b"\x00\x80" * 80)
                await asyncio.sleep(0.02)
            await asyncio.sleep(2)
        call.signal_disconnected()
        return events

    events = run(scenario())
    assert [type(event) for event in events] == [VoiceStarted, AudioStalled] * 2
    stalled = events[1]
    assert isinstance(stalled, AudioStalled) and 0.5 <= stalled.seconds < 0.6


async def echoes(turn: Turn) -> AsyncIterator[str]:
    yield f"You said {turn.text}."


def answered_after(phone: PhoneTests, stt: MockStt, vad: MockVad | str) -> tuple[float, CallRecord]:
    """From the caller's last sound to the agent's first, in seconds."""
    app = VoiceApp(stt=lambda: stt, tts=MockTts(), vad=vad)
    app.call()(Agent(echoes))
    silent = 0.0

    async def caller(line: Line) -> None:
        nonlocal silent
        await line.pause(0.5)
        await line.say("two pizzas")
        silent = line.time
        await line.wait_until_agent_speaks()
        silent = line.time - silent
        await line.hear_out()

    record = phone.call(app, caller)
    return silent, record


def test_a_recogniser_is_told_when_the_caller_is_silent(phone: PhoneTests) -> None:
    """It would wait for three seconds to be sure; the agent answers when its own wait of half a second is over."""
    slow = MockStt(end_of_speech_ms=3000)
    seconds, record = answered_after(phone, slow, MockVad())
    assert 0.4 < seconds < 0.7
    assert record.heard.text == "you said two pizzas."


def test_an_agent_whose_detector_fails_goes_by_the_words(phone: PhoneTests) -> None:
    """The caller is answered all the same, by the recogniser's own end of speech."""
    seconds, record = answered_after(phone, MockStt(), MockVad(fail_after=0.8))
    assert record.heard.text == "you said two pizzas."
    assert 0.9 < seconds < 1.4


def test_without_a_detector_nothing_is_missing(phone: PhoneTests) -> None:
    """The same call, by words alone."""
    seconds, record = answered_after(phone, MockStt(), "none")
    assert record.heard.text == "you said two pizzas."
    assert 0.9 < seconds < 1.4


def test_an_mhm_makes_the_agent_pause_and_go_on_at_the_same_word(phone: PhoneTests) -> None:
    """With a detector the agent falls silent before it can know; what it had to say is said all the same."""
    app = VoiceApp(stt=MockStt, tts=MockTts(), vad=MockVad())
    greeting = "One is a number and two is another number and three comes after two and four comes last"
    app.call()(Agent(echoes, greeting=greeting))

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await line.say("mhm")
        await line.hear_out(quiet_ms=3000)

    record = phone.call(app, caller)
    words = [word.text for word in read_spelling(record.ear) if word.whole]
    assert words == greeting.lower().split()
    assert len(record.streams) == 1 and record.streams[0].bytes_cleared > 0


@pytest.mark.parametrize("vad", [MockVad, create_vad], ids=["mock", "default"])
def test_pieces_of_any_size_are_heard(vad: Callable[[], Vad]) -> None:
    """Raw-audio clients and programs send what they like: nothing, a byte, noise, seconds at once."""
    noise = random.Random(1)

    async def scenario() -> list[CallEvent]:
        call = VoiceSession(vad=vad(), clock=LoopClock(asyncio.get_running_loop()))
        events: list[CallEvent] = []
        call.on_event(lambda event: events.append(event) if isinstance(event, ProviderFailed) else None)
        call.media_started(CallInfo(call_sid="CA1", stream_sid="MZ1"))
        for size in (0, 1, 2, 255, 256, 257, 511, 20_000, *(noise.randrange(2000) for _ in range(20))):
            call.caller_audio(noise.randbytes(size))
            await asyncio.sleep(0.02)
        call.signal_disconnected()
        await asyncio.sleep(2)
        return events

    assert run(scenario()) == []
