"""Brains, voices, recognisers and detectors of a soak: doubles that fail, stall or are slow, as the plan has it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

from soak_talk_plans import TalkPlan
from soak_talk_words import Words

from voice_runtime.errors import TtsError
from voice_runtime.fallback.llm import FallbackBrain
from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import Part, Turn, Usage
from voice_runtime.mock import MockStt, MockTts, MockVad
from voice_runtime.testing import Fail, ScriptedBrain, Stall, UseTool, Wait
from voice_runtime.vad import VoiceListener

__all__ = ["CountedVad", "Open", "brain_of", "ears_of", "vad_of", "voice_of"]


class Open:
    """Counts what was opened and is not closed, by its kind."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}

    def add(self, kind: str, change: int) -> None:
        self.count[kind] = self.count.get(kind, 0) + change

    @property
    def left(self) -> dict[str, int]:
        return {kind: count for kind, count in self.count.items() if count}


# -- brains ------------------------------------------------------------------------------------------------------------


class SoakBrain:
    """Answers each turn with words of its own, in the manner of its kind."""

    def __init__(self, kind: str, chance: Random, words: Words, tools: tuple[str, ...], opened: Open) -> None:
        self.kind, self.chance, self.words, self.tools, self.opened = kind, chance, words, tools, opened

    async def __call__(self, turn: Turn) -> AsyncIterator[Part]:
        self.opened.add("brain", 1)
        try:
            async for part in ScriptedBrain(otherwise=self.steps(turn))(turn):
                yield part
        finally:
            self.opened.add("brain", -1)

    def steps(self, turn: Turn) -> list[Any]:
        chance, bad = self.chance, self.chance.random() < 0.5
        if self.kind == "tools":
            return self._with_tools()
        text = self._text()
        match self.kind:
            case "slow":
                return [step for word in text.split() for step in (f"{word} ", Wait(chance.uniform(0, 1.2)))]
            case "tardy":
                return [Wait(chance.uniform(0, 7)), text]
            case "stalls" if bad:
                return [*chance.choice(([], [text], [text + " " + self._words()])), Stall()]
            case "fails" if bad:
                return [*chance.choice(([], [text], [text + " " + self._words()])), Fail()]
            case "empty" if bad:
                return [chance.choice(("", "\n", "**", Usage(10, 0)))]
            case "endless":
                return [step for _ in range(60) for step in (self._text(1) + " ", Wait(chance.uniform(0, 0.5)))]
            case "circles":
                name = chance.choice(self.tools)
                return [step for _ in range(8) for step in (UseTool(name, self._arguments(name)), Usage(100, 10))] + [
                    text
                ]
        return [text, Usage(100, 10)]

    def _with_tools(self) -> list[Any]:
        chance, steps = self.chance, []
        for _ in range(chance.randint(1, 3)):
            if chance.random() < 0.5:
                steps.append(self._text(1) + " ")
            name = chance.choice(self.tools)
            steps.append(UseTool(name, self._arguments(name)))
        return [*steps, Usage(200, 20), self._text()] if chance.random() < 0.9 else steps

    def _arguments(self, name: str) -> dict[str, Any]:
        chance = self.chance
        arguments = {
            "collect_digits": {"max_digits": chance.choice((None, 2))},
            "send_digits": {"digits": "1w2"},
            "transfer": {"to": "sales"},
        }
        if name in ("hang_up", "hand_off", "nonsense"):
            return {}
        return arguments.get(name) or {"number": chance.choice((0, chance.randrange(1 << 20)))}

    def _text(self, most: int = 3) -> str:
        return " ".join(self._words() + "." for _ in range(self.chance.randint(1, most)))

    def _words(self) -> str:
        return self.words.some("brain", self.chance, 1, 9)


def brain_of(plan: TalkPlan, desk: int, words: Words, tools: tuple[str, ...], opened: Open) -> Any:
    chance = plan.chance(f"brain {desk}")
    if plan.brain == "plain":
        return lambda turn: " ".join(words.some("brain", chance) + "." for _ in range(2))
    if plan.brain != "chain":
        return SoakBrain(plan.brain, chance, words, tools, opened)
    shaky = SoakBrain(chance.choice(("stalls", "fails", "empty")), chance, words, tools, opened)
    return FallbackBrain({"shaky": shaky, "steady": SoakBrain("tools", chance, words, tools, opened)})


# -- voices ------------------------------------------------------------------------------------------------------------


class SoakVoice(MockTts):
    """Each synthesis has a fate of its own, or all have the same."""

    def __init__(self, kind: str, chance: Random, opened: Open) -> None:
        super().__init__()
        self.kind, self.chance, self.opened = kind, chance, opened

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.opened.add("voice", 1)
        try:
            async for chunk in self._made(text):
                yield chunk
        finally:
            self.opened.add("voice", -1)

    async def _made(self, text: str) -> AsyncIterator[bytes]:
        kind, chance, made = self.kind, self.chance, 0
        bad = not kind.endswith("now_and_then") or chance.random() < 0.3
        after = chance.choice((0, 0, chance.randint(0, 3000)))
        if kind == "slow":
            await asyncio.sleep(chance.uniform(0, 1.4))
        async for chunk in super().synthesize(text):
            if bad and kind.startswith("fails") and made >= after:
                raise TtsError("soak", "network", "gone")
            if bad and kind.startswith("stalls") and made >= after:
                await asyncio.Event().wait()
            made += len(chunk) // 8
            yield chunk


def voice_of(plan: TalkPlan, opened: Open) -> Any:
    chance = plan.chance("voice")
    if plan.voice != "chain":
        return SoakVoice(plan.voice, chance, opened)
    shaky = SoakVoice(chance.choice(("fails_now_and_then", "stalls_now_and_then", "fails")), chance, opened)
    return FallbackTts({"shaky": shaky, "steady": SoakVoice("good", chance, opened)})


# -- ears --------------------------------------------------------------------------------------------------------------


def ears_of(plan: TalkPlan) -> Callable[[], Any]:
    after = plan.chance("ears").choice((0.0, plan.chance("ears").uniform(500, 15000)))
    kind = plan.ears.removeprefix("chain_")
    made: dict[str, Callable[[], Any]] = {
        "good": MockStt,
        "dies": lambda: MockStt(die_after_ms=after),
        "stalls": lambda: MockStt(stall_after_ms=after),
        "absent": lambda: MockStt(fail_start=True),
        "deaf": lambda: MockStt(deaf_after_ms=after),
    }
    return made[kind] if kind == plan.ears else FallbackStt({"shaky": made[kind], "steady": MockStt})


class CountedVad(MockVad):
    """Knows which of its detectors are open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.detectors: weakref.WeakSet[Any] = weakref.WeakSet()

    def detector(self, listener: VoiceListener) -> Any:
        self.detectors.add(found := super().detector(listener))
        return found

    @property
    def left(self) -> int:
        return sum(detector._open for detector in self.detectors)


def vad_of(plan: TalkPlan) -> CountedVad | None:
    if plan.vad == "off":
        return None
    return CountedVad(fail_after=plan.chance("vad").uniform(0, 15) if plan.vad == "fails" else None)
