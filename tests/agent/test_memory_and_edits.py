"""What a brain is shown of a long conversation, instructions that change, and what is said of its text."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from voice_runtime import VoiceSession
from voice_runtime.agent import Agent, Budget, Conversation, sentences
from voice_runtime.agent.budget import left_out
from voice_runtime.llm import AgentItem, History, Item, ToolItem, UserItem, messages
from voice_runtime.testing import Fail, ScriptedBrain, Stall, UseTool, Wait, talk

LONG = "word " * 30  # 38 tokens


def of(count: int) -> list[Item]:
    turns = [(UserItem(f"{at} {LONG}"), ToolItem("find", "{}", LONG), AgentItem(LONG)) for at in range(count)]
    return [AgentItem("Hello."), *(item for turn in turns for item in turn)]


@pytest.mark.parametrize(
    ("room", "keep", "out"),
    [(10_000, 3, 0), (640, 3, 1), (520, 3, 4), (300, 3, 7), (0, 3, 7), (0, 0, 16), (140, 1, 13)],
)
def test_whole_turns_are_left_out(room: int, keep: int, out: int) -> None:
    """The oldest first; a tool goes with its turn; the last turns stay, whatever they cost."""
    assert left_out(of(5), Budget(1000, keep_turns=keep), room) == out


def test_a_tokenizer_may_count() -> None:
    """Otherwise four characters are a token."""
    items = of(5)
    assert left_out(items, Budget(1000, count=lambda text: 0), 100) == 0
    assert left_out(items, Budget(1000, count=len), 100) == 7


def test_a_brain_is_shown_what_fits() -> None:
    """The history itself is whole."""
    brain = ScriptedBrain(otherwise=LONG)
    with talk(Agent(brain, instructions="Be brief.", budget=Budget(112, keep_turns=1))) as call:
        for words in ("one", "two", "three", "four"):
            call.say(words)
    assert [[item.text for item in turn.history if isinstance(item, UserItem)] for turn in brain.turns] == [
        [], ["one"], ["one", "two"], ["two", "three"]
    ]  # fmt: skip
    assert len(call.turns) == 4


def test_a_summary_is_made_in_the_background() -> None:
    """No reply waits for it; it stands for what it is about, and for nothing that was said meanwhile."""
    summary = ScriptedBrain([Wait(4.0), "They said one."], otherwise=Stall())
    brain = ScriptedBrain(otherwise=LONG)
    agent = Agent(brain, instructions="Be brief.", budget=Budget(112, keep_turns=1, summarise=summary))
    with talk(agent) as call:
        for words in ("one", "two", "three", "four"):
            call.say(words)
            assert call.turns[-1].latency_ms is not None and call.turns[-1].latency_ms < 1500
    assert [item.text for item in summary.turns[0].history if isinstance(item, UserItem)] == ["one"]
    assert messages(summary.turns[0])[-1]["role"] == "system"
    assert brain.turns[2].instructions == "Be brief."
    last = brain.turns[3]
    assert last.instructions == "Be brief.\n\nEarlier in this conversation: They said one."
    assert [item.text for item in last.history if isinstance(item, UserItem)] == ["two", "three"]
    assert [message["role"] for message in messages(last)].count("system") == 1


@pytest.mark.parametrize("fault", [Fail(), Stall(), ""])
def test_a_summary_that_fails_leaves_the_history(fault: Fail | Stall | str) -> None:
    """It is tried again; the oldest turns are left out meanwhile."""
    summary = ScriptedBrain(otherwise=fault)
    brain = ScriptedBrain(otherwise=LONG)
    agent = Agent(brain, budget=Budget(112, keep_turns=1, summarise=summary, timeout=2.0))
    with talk(agent) as call:
        for words in ("one", "two", "three", "four"):
            call.say(words)
    assert [turn.instructions for turn in brain.turns] == [""] * 4
    assert len(summary.turns) == 2
    assert len(call.turns) == 4


def test_instructions_change_in_mid_call() -> None:
    """The newest are the only ones; those of other calls stay."""

    def be(manner: str, call: VoiceSession) -> None:
        assert call.talk is not None
        call.talk.instructions = f"Be {manner}."

    brain = ScriptedBrain(
        [UseTool("be", {"manner": "brief"}), "Ok."], [UseTool("be", {"manner": "kind"}), "Ok."], otherwise="Ok."
    )
    agent = Agent(brain, instructions="Be helpful.", tools=[be])
    with talk(agent) as call:
        for words in ("one", "two", "three"):
            call.say(words)
    with talk(agent) as call:
        call.say("four")
    systems = [[m["content"] for m in messages(turn) if m["role"] == "system"] for turn in brain.turns]
    assert systems == [["Be helpful."], ["Be brief."], ["Be kind."], ["Be helpful."]]


class Redacting(Agent):
    """Says no numbers of cards."""

    async def edit(self, call: VoiceSession, text: AsyncIterator[str]) -> AsyncIterator[str]:
        async for sentence in sentences(text):
            yield re.sub(r"\d{4} \d{4}", "something", sentence)


def test_an_edit_before_speech() -> None:
    """Also of what comes in pieces; the history has what was heard, and tools stay in their place."""
    note = ToolItem("look", "{}", "found")
    brain = ScriptedBrain(["I see 1234", " 5678 here.", note, " And 11", "11 2222."], ["", Fail()])
    with talk(Redacting(brain)) as call:
        call.say("read it please")
        call.say("again")
    assert call.heard.startswith("i see something here. and something.")
    assert "one two three" not in call.heard
    assert list(call.history)[:3] == [
        UserItem("read it please"), note, AgentItem("I see something here. And something.")
    ]  # fmt: skip
    assert "could not get an answer" in call.heard


def test_a_call_goes_on_with_a_saved_history() -> None:
    """The caller was cut off and calls again: the brain is shown what was said before."""
    with talk(Agent(ScriptedBrain("Which order?"))) as call:
        call.say("where is it")
    saved = json.dumps(call.history.to_json())

    class Resuming(Agent):
        def conversation(self, call: VoiceSession) -> Conversation:
            conversation = super().conversation(call)
            for item in History.from_json(json.loads(saved)):
                conversation.history.add(item)
            return conversation

    brain = ScriptedBrain("Thursday.")
    with talk(Resuming(brain, greeting="Where were we?")) as call:
        call.say("forty two")
    before = (UserItem("where is it"), AgentItem("Which order?"), AgentItem("Where were we?"))
    assert brain.turns[0].history == before
    assert tuple(call.history) == (*before, UserItem("forty two"), AgentItem("Thursday."))
