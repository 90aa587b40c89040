"""An agent that can be looked into after its call, a phone line to it, and an ear that reads."""

from __future__ import annotations

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.events import AnsweredBy, CallEnd
from voice_runtime.llm import Brain, History, Item
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import CallRecord, Line


class Remembering(Agent):
    """Keeps what it remembers of its last call, and how that ended."""

    def __init__(self, brain: Brain, **options: object) -> None:
        super().__init__(brain, **options)  # type: ignore[arg-type]
        self.remembered: list[Item] = []
        self.end: CallEnd | None = None
        self.answered_by: AnsweredBy | None = None

    async def exit(self, call: VoiceSession, history: History) -> None:
        self.remembered, self.end, self.answered_by = list(history), call.end, call.answered_by


def desk(agent: Agent, tts: MockTts | None = None) -> VoiceApp:
    app = VoiceApp(stt=MockStt, tts=tts or MockTts())
    app.call()(agent)
    return app


def ear(record: CallRecord, *, whole: bool = False) -> str:
    """What the caller heard; `whole`: without words that were cut."""
    return " ".join(word.text for word in read_spelling(record.ear) if word.whole or not whole)


async def says(line: Line, text: str) -> None:
    await line.say(spell(text), text)
