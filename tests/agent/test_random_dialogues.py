"""Callers who do anything at any time, while agents ask them things and hand them on."""

from __future__ import annotations

import random

import pytest

from voice_runtime import VoiceSession
from voice_runtime.agent import Agent, Budget, DigitCode, HandOff, ask
from voice_runtime.llm import ToolItem
from voice_runtime.testing import ScriptedBrain, Talk, UseTool, Wait, talk

SAYINGS = ("ask me", "the other one", "both please", "one two three four", "hello you", "never mind", "no", "stop that")
ANSWERS = {
    "ask": ["Sure. ", UseTool("ask_number"), "Thanks."],
    "other": ["Ok. ", UseTool("hand_on"), "I stay."],
    "both": [UseTool("ask_number"), Wait(1.0), UseTool("hand_on"), "I stay."],
}


def desk(rng: random.Random) -> Agent:
    """One of three agents, who ask, and hand on to one another."""
    agents: list[Agent] = []

    async def ask_number(call: VoiceSession) -> str:
        return str(await ask(call, DigitCode("Your number, please, if you have it?", length=4, timeout=4.0)))

    def hand_on() -> HandOff:
        return HandOff(rng.choice(agents), rng.choice(["", "One moment."]), rng.choice([True, False, 1]))

    for name in ("first", "second", "third"):
        brain = ScriptedBrain(on=ANSWERS, otherwise="Well, that is what there is to say of it.")
        budget = Budget(100, keep_turns=1, summarise=ScriptedBrain(otherwise="They talked."))
        greeting = rng.choice(["", "Hi."])
        agents.append(Agent(brain, name=name, greeting=greeting, tools=[ask_number, hand_on], budget=budget))
    return agents[0]


def something(call: Talk, rng: random.Random) -> None:
    match rng.choices(("say", "press", "pause"), (60, 15, 25))[0]:
        case "say":
            call.say(rng.choice(SAYINGS), hear_out=rng.random() < 0.6)
        case "press":
            call.press(rng.choice(["1", "1234", "12#"]), hear_out=rng.random() < 0.6)
        case _:
            call.pause(rng.uniform(0, 6))


@pytest.mark.parametrize("seed", range(25))
def test_nothing_sticks(seed: int) -> None:
    """After any order of words, keys, questions and hand-offs, the next turn is answered, and no tool is left open."""
    rng = random.Random(seed)
    with talk(desk(rng)) as call:
        for _ in range(8):
            something(call, rng)
        call.hear_out()
        call.say("never mind")
        call.say("hello you")
        assert (call.turns[-1].user, call.turns[-1].agent) == ("hello you", "Well, that is what there is to say of it.")
    assert not [item for item in call.history if isinstance(item, ToolItem) and "still being done" in item.result]
