"""What is heard of an agent beside its voice: under it, while it thinks, and never on top of a word."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Phrases, Sounds
from voice_runtime.audio.background import Background, looped
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw
from voice_runtime.audio.measure import level_dbfs, silent_runs
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.errors import ConfigurationError
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, History, Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import CallRecord, Line
from voice_runtime.testing import PhoneTests


def hum(dbfs: float, hertz: float = 1000.0, seconds: float = 1.0) -> bytes:
    """A tone that the ear's reader of words does not know, at an RMS level."""
    peak = 32768 * 10 ** (dbfs / 20) * math.sqrt(2)
    samples = (int(peak * math.sin(2 * math.pi * hertz * at / 8000)) for at in range(int(8000 * seconds)))
    return encode_ulaw(array("h", samples).tobytes())


def piece(record: CallRecord, start_s: float, end_s: float) -> bytes:
    return record.ear[int(start_s * 8000) : int(end_s * 8000)]


async def answers(turn: Turn) -> AsyncIterator[str]:
    await asyncio.sleep(1.5)
    yield "yes, it is on its way."


async def asks(line: Line) -> None:
    await line.hear_out(quiet_ms=1000)
    await says(line, "where is it")
    await line.hear_out(quiet_ms=3000)


async def asks_at_once(line: Line) -> None:
    await line.pause(0.5)
    await says(line, "where is it")
    await line.hear_out(quiet_ms=3000)


HUM = Sounds(background=hum(-30), volume=0.1)


def test_a_background_goes_on_through_speech_and_silence(phone: PhoneTests) -> None:
    """As loud as it was to be, without a gap from the first to the last second; every word is whole over it."""
    agent = Remembering(answers, greeting="hello there.", sounds=HUM)
    record = phone.call(desk(agent), asks)
    assert ear(record, whole=True) == "hello there. yes, it is on its way."
    words = read_spelling(record.ear)
    silence = piece(record, words[1].end_s + 0.5, words[2].start_s - 0.5)
    assert len(silence) > 8000
    assert level_dbfs(silence) == pytest.approx(-50, abs=1)
    assert not silent_runs(piece(record, 0.5, record.seconds - 0.5), min_ms=5)
    assert [item.text for item in agent.remembered if isinstance(item, AgentItem)] == [
        "hello there.",
        "yes, it is on its way.",
    ]


def test_the_first_word_is_hardly_later_for_a_background(phone: PhoneTests) -> None:
    """It is sent 40 ms ahead, with a frame on its way; the ear counts in frames."""

    def first_word(sounds: Sounds | None) -> float:
        record = phone.call(desk(Remembering(answers, sounds=sounds)), asks_at_once)
        return read_spelling(record.ear)[0].start_s - record.timeline.caller[0].end_ms / 1000

    assert first_word(HUM) - first_word(None) < 0.085


def test_a_thinking_sound_begins_after_a_while_and_is_gone_before_the_first_word(phone: PhoneTests) -> None:
    """Louder than the background meanwhile; under the words there is only that."""
    thinking = Sounds(background=hum(-30), volume=0.1, thinking=hum(-18, 1300), thinking_volume=1.0)
    record = phone.call(desk(Remembering(answers, sounds=thinking)), asks_at_once)
    first = read_spelling(record.ear)[0]
    assert ear(record, whole=True) == "yes, it is on its way."
    begins = first.start_s - 1.5 + 0.3
    assert level_dbfs(piece(record, begins - 1.0, begins - 0.1)) == pytest.approx(-50, abs=1)
    assert level_dbfs(piece(record, begins + 0.4, first.start_s - 0.2)) == pytest.approx(-18, abs=1)
    assert level_dbfs(piece(record, first.start_s - 0.012, first.start_s - 0.006)) < -40  # the pause before it
    with_voice_only = phone.call(desk(Remembering(answers, sounds=HUM)), asks_at_once)
    alone = read_spelling(with_voice_only.ear)[0]
    assert level_dbfs(piece(record, first.start_s, first.end_s)) == pytest.approx(
        level_dbfs(piece(with_voice_only, alone.start_s, alone.end_s)), abs=0.2
    )


def test_a_thinking_sound_does_not_pass_for_an_answer(phone: PhoneTests) -> None:
    """A brain that stalls is covered up for, background or not: the patience counts what is said."""

    async def stalls(turn: Turn) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    async def waits(line: Line) -> None:
        await says(line, "where is it")
        await line.pause(10.0)

    sounds = Sounds(background=hum(-30), volume=0.1, thinking=hum(-50, 1300), thinking_volume=1.0)
    phrases = Phrases(fillers=("one moment.",), apology="sorry.")
    record = phone.call(desk(Remembering(stalls, sounds=sounds, phrases=phrases)), waits)
    assert ear(record).startswith("one moment. sorry.")


def test_an_interruption_clears_the_voice_and_not_the_background(phone: PhoneTests) -> None:
    """Audio that synthesis delivers late is not heard, the background goes on, and what was heard is known."""

    class Late(MockTts):
        """Goes on delivering for a while when nobody wants it any more."""

        late = 0

        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            async for chunk in super().synthesize(text):
                yield chunk
                await asyncio.sleep(0.09)

    async def counts(turn: Turn) -> AsyncIterator[str]:
        yield "one is a number. two is another number. three comes after two. four is the last."

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await says(line, "stop it please")
        await line.pause(1.0)

    agent = Remembering(counts, sounds=HUM)
    record = phone.call(desk(agent, tts=Late()), caller)
    heard = next(item for item in agent.remembered if isinstance(item, AgentItem))
    assert heard.interrupted
    assert abs(len(heard.text.split()) - len(ear(record, whole=True).split())) <= 1
    last = read_spelling(record.ear)[-1].end_s
    after = piece(record, last + 0.3, last + 1.0)
    assert level_dbfs(after) == pytest.approx(-50, abs=1)
    assert not silent_runs(after, min_ms=5)


class Stubborn(MockTts):
    """Does not notice that it is stopped, or even closed: it goes on delivering."""

    late = 0

    def __init__(self, *, ignores_closing: bool) -> None:
        super().__init__()
        self.ignores_closing = ignores_closing

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        audio = spell(text)
        for at in range(0, len(audio), 800):
            try:
                await asyncio.sleep(0.09)
            except asyncio.CancelledError:
                self.late += 1
            try:
                yield audio[at : at + 800]
            except GeneratorExit:
                if not self.ignores_closing:
                    raise
                yield audio[at : at + 800]
                raise


NUMBERS = "one is a number and two is another number and three comes after two and four is the last."


@pytest.mark.parametrize("ignores_closing", [False, True])
def test_nothing_is_heard_of_a_voice_that_does_not_stop(phone: PhoneTests, ignores_closing: bool) -> None:
    """Over a background: that goes on alone, the next answer is whole, and nobody reads the voice any more."""

    async def counts(turn: Turn) -> AsyncIterator[str]:
        yield "as you wish." if turn.history else NUMBERS

    left: list[str] = []

    class Looking(Remembering):
        async def exit(self, call: VoiceSession, history: History) -> None:
            left.extend(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("fallback_tts"))
            await super().exit(call, history)

    async def caller(line: Line) -> None:
        await says(line, "count for me please")
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await says(line, "stop it please")
        await line.hear_out(quiet_ms=3000)

    agent, tts = Looking(counts, sounds=HUM), Stubborn(ignores_closing=ignores_closing)
    record = phone.call(desk(agent, tts=tts), caller)
    first, second = (item for item in agent.remembered if isinstance(item, AgentItem))
    assert tts.late
    assert first.interrupted
    assert ear(record, whole=True) == f"{first.text} as you wish."
    assert second == AgentItem("as you wish.")
    words = read_spelling(record.ear)
    cut = words[-4].end_s
    for start, end in ((cut + 0.3, words[-3].start_s - 0.3), (words[-1].end_s + 0.3, record.seconds - 0.5)):
        between = piece(record, start, end)
        assert level_dbfs(between) == pytest.approx(-50, abs=1)
        assert not silent_runs(between, min_ms=5)
    assert not left


@pytest.mark.parametrize("ignores_closing", [False, True])
def test_late_audio_is_turned_away_and_counted(phone: PhoneTests, ignores_closing: bool) -> None:
    """Also where there is no agent, and a background plays: the call knows how many bytes came too late."""
    late: list[int] = []
    tts = Stubborn(ignores_closing=ignores_closing)
    app = VoiceApp(stt=MockStt, tts=tts)

    @app.call()
    async def counts(call: VoiceSession) -> None:
        call.stream.set_background(await HUM.for_call())
        await call.say(NUMBERS)
        await call.say("as you wish.")
        late.append(call.stream.late_bytes)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await says(line, "stop it please")
        await line.hear_out(quiet_ms=2000)

    record = phone.call(app, caller)
    assert late[0] == tts.late * 800 > 0
    heard = ear(record, whole=True).removesuffix(" as you wish.")
    assert 0 < len(heard) < len(NUMBERS)
    assert NUMBERS.startswith(heard)


@pytest.mark.parametrize("fails", [{"fail_after_ms": 1500}, {"stall_after_ms": 1500}, {"fail_after_ms": 0}])
@pytest.mark.parametrize("word_times", [False, True])
def test_the_background_goes_on_while_the_voice_is_changed(
    phone: PhoneTests, fails: dict[str, float], word_times: bool
) -> None:
    """No word of the answer is lost or said twice, and nothing is missing under it."""
    agent = Remembering(counting, sounds=HUM)
    voices = {"a": MockTts(word_times=word_times, **fails), "b": MockTts(word_times=word_times)}
    record = phone.call(desk(agent, tts=FallbackTts(voices)), asks_at_once)
    assert ear(record, whole=True) == NUMBERS
    assert agent.remembered[1:] == [AgentItem(NUMBERS)]
    words = read_spelling(record.ear)
    assert not silent_runs(piece(record, 0.5, record.seconds - 0.5), min_ms=5)
    assert level_dbfs(piece(record, words[-1].end_s + 0.5, record.seconds - 0.5)) == pytest.approx(-50, abs=1)


async def counting(turn: Turn) -> AsyncIterator[str]:
    yield NUMBERS


def test_mixing_stops_at_the_limits() -> None:
    """Two sounds at full scale do not wrap around; a volume above 1 is louder."""
    loud = hum(-4)
    background = Background(looped(loud, 1.5))
    background.alone(1600)  # faded in
    pcm = array("h", decode_ulaw(background.under(loud[:1600])))
    voice = array("h", decode_ulaw(loud[:1600]))
    assert max(pcm) > 32000
    assert all(mixed >= one * 0.95 for mixed, one in zip(pcm, voice, strict=True) if one > 1000)


def test_a_sound_that_is_not_there_is_missed_before_the_first_call() -> None:
    """When the agent is made, and with the folder that it was looked for in."""
    with pytest.raises(ConfigurationError, match=r"There is no file hum.wav. Its path is taken from /"):
        Sounds(background="hum.wav")


def test_a_loop_has_no_seam() -> None:
    """A sound of a whole number of waves is the same tone for ever, whatever pieces are asked for."""
    background = Background(looped(hum(-20), 0.5))
    background.alone(1600)
    got = b"".join(background.alone(size) for size in (160, 77, 8000, 801, 20_000 // 3, 1))
    whole = decode_ulaw(got)
    assert level_dbfs(got) == pytest.approx(-26, abs=0.3)
    steps = array("h", whole)
    assert max(abs(later - earlier) for earlier, later in zip(steps, steps[1:], strict=False)) < 2200
