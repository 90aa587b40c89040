"""An agent with the real voice detector: how soon the ear is silent when the caller speaks, and what stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources

import pytest
from noises import ten_minutes

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.audio import read_wav, to_ulaw_8k
from voice_runtime.audio.measure import Span, speech_spans
from voice_runtime.events import CallEvent, VoiceStarted
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests

LONG = "This sentence goes on and on and never seems to come to any end at all. "


def clip(name: str) -> bytes:
    return to_ulaw_8k(read_wav(str(resources.files("voice_runtime.simulator") / "clips" / f"{name}.wav")))


class Watched(Agent):
    """Says something long, and keeps the events of its call."""

    def __init__(self, greeting: str) -> None:
        super().__init__(_unused, greeting=greeting)
        self.events: list[CallEvent] = []

    async def enter(self, call: VoiceSession) -> None:
        call.on_event(self.events.append)


async def _unused(turn: Turn) -> AsyncIterator[str]:
    yield "Fine."


def desk(agent: Agent) -> VoiceApp:
    """Recognition understands nothing of what is said here: whatever stops the agent is the voice detector."""
    app = VoiceApp(stt=MockStt, tts=MockTts(), vad="silero")
    app.call()(agent)
    return app


def silences(ear: bytes, *, of_ms: float = 300.0) -> list[Span]:
    """In what the ear heard; between sentences there are shorter ones."""
    spans = speech_spans(ear, min_gap_ms=of_ms)
    return [Span(one.end_ms, other.start_ms) for one, other in zip(spans, spans[1:], strict=False)]


def test_the_ear_is_silent_a_quarter_second_after_the_caller_began(phone: PhoneTests) -> None:
    """Whatever the words and wherever in a frame they begin, the agent falls silent within 250 ms of their onset."""
    names = ["no", "thank-you-goodbye", "hello", "where-is-my-parcel", "yes", "order-7216"]

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        for turn, name in enumerate(names * 3):
            await line.pause(1.0)
            await line.play(b"\xff" * (turn * 53) + clip(name))
            await line.wait_until_agent_speaks()

    record = phone.call(desk(Watched(LONG * 40)), caller)
    fell_silent = [gap.start_ms for gap in silences(record.ear)]
    onsets = [span.start_ms for span in speech_spans(record.mouth, min_gap_ms=900)]
    assert len(onsets) == len(fell_silent) == 3 * len(names)
    waits = [silent - onset for onset, silent in zip(onsets, fell_silent, strict=True)]
    assert 0 < min(waits) and max(waits) < 250, waits


@pytest.mark.alone
def test_ten_minutes_of_noise_do_not_stop_the_agent(phone: PhoneTests) -> None:
    """Touch tones, music, ringback, steady noise, coughs, doors: the agent speaks through all of it, without a gap."""
    noises = list(ten_minutes())
    seconds = sum(len(noise) for _, noise in noises) / 8000
    agent = Watched(LONG * 30)

    def one_minute(part: int) -> Callable[[Line], Awaitable[None]]:
        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            for name, noise in noises[part::10]:
                await line.play(noise, name)

        return caller

    records = phone.calls(desk(agent), *(one_minute(part) for part in range(10)))
    assert seconds > 600
    assert [event for event in agent.events if isinstance(event, VoiceStarted)] == []
    assert [silences(record.ear) for record in records] == [[]] * 10
