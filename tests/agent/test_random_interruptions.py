"""Conversations interrupted at random: what the agent remembers is what the ear heard. `make interruptions`: more."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from difflib import SequenceMatcher

import pytest
from agent_world import Remembering, desk, ear, says

from voice_runtime.audio.spelling import spell
from voice_runtime.llm import AgentItem, Turn
from voice_runtime.mock import MockTts
from voice_runtime.simulator import BadDay, CallRecord, Line, Script
from voice_runtime.testing import PhoneTests

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa".split()
INTERRUPTIONS = ("stop", "no wait", "what about me", "mhm", "tell me something else please", "okay")
COUGH = spell("x")[:533]
SEEDS = int(os.environ.get("SEEDS", "50"))


def text(seed: int) -> str:
    """Sentences of words in no order, so that every place in them can be told."""
    chance = random.Random(seed)
    sentences = (" ".join(chance.choices(WORDS, k=chance.randint(2, 9))) for _ in range(chance.randint(1, 5)))
    return " ".join(f"{sentence}." for sentence in sentences)


class Babbler(Remembering):
    """Speaks at length, at the pace of some model, whatever it is told."""

    def __init__(self, seed: int) -> None:
        super().__init__(self.babble)
        self.chance = random.Random(seed)

    async def babble(self, turn: Turn) -> AsyncIterator[str]:
        whole = text(self.chance.randrange(1 << 30))
        while whole:
            size = self.chance.randint(1, 30)
            yield whole[:size]
            whole = whole[size:]


def interrupter(seed: int) -> Script:
    """Cuts the agent short once: with words, a cough, keys, or by hanging up. Hears the rest out."""
    chance = random.Random(seed)

    async def caller(line: Line) -> None:
        await says(line, "please begin now")
        await line.wait_until_agent_speaks()
        await line.pause(chance.uniform(0.0, 6.0))
        match chance.randrange(6):
            case 0:
                return
            case 1:
                await line.say(COUGH)
            case 2:
                line.press("5")
            case _:
                await says(line, chance.choice(INTERRUPTIONS))
        await line.wait_until_agent_stops(quiet_ms=3200, timeout=90)

    return caller


def differing(agent: Remembering, record: CallRecord) -> int:
    """Words in which the memory and the ear differ."""
    remembered = " ".join(item.text for item in agent.remembered if isinstance(item, AgentItem)).lower().split()
    codes = SequenceMatcher(None, remembered, ear(record, whole=True).split(), autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in codes if tag != "equal")


def bad_marks(seed: int) -> BadDay:
    """On three of four calls, echoes of marks are lost, late, or both."""
    return BadDay(lost_marks=0.3 * (seed % 2), late_marks=1.0 * (seed // 2 % 2))


@pytest.mark.parametrize("part", range(SEEDS // 25))
def test_memory_and_ear_differ_in_at_most_one_word(phone: PhoneTests, part: int) -> None:
    """Wherever the agent was cut, and whatever became of its marks: twenty-five seeds at a time."""
    off: dict[int, int] = {}
    words = 0
    for seed in range(part * 25, part * 25 + 25):
        agent = Babbler(seed)
        phone.options = {"seed": seed}
        record = phone.call(desk(agent), interrupter(seed), bad_day=bad_marks(seed))
        words += len(ear(record).split())
        off[seed] = differing(agent, record)
        phone.records.clear()  # so many transcripts help nobody
    assert words > 25 * 5  # callers hang up, too, but few before they have heard anything
    assert max(off.values()) <= 1, {seed: count for seed, count in off.items() if count > 1}


def test_with_word_times_memory_and_ear_do_not_differ(phone: PhoneTests) -> None:
    """However unevenly the voice speaks, and whatever becomes of its marks: by a guess every fourth would be off."""
    off: dict[int, int] = {}
    for seed in range(SEEDS // 6):
        chance = random.Random(seed)
        voice = MockTts(word_times=True, pauses_ms=[chance.choice([0, 0, 700]) for _ in range(9)])
        agent = Babbler(seed)
        phone.options = {"seed": seed}
        record = phone.call(desk(agent, tts=voice), interrupter(seed), bad_day=bad_marks(seed))
        off[seed] = differing(agent, record)
        phone.records.clear()
    assert max(off.values()) == 0, {seed: count for seed, count in off.items() if count}
