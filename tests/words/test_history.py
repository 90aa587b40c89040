"""The history of a conversation, and the turn as a brain is given it."""

from __future__ import annotations

import json

import pytest

from voice_runtime.llm import AgentItem, History, Item, ToolItem, Turn, UserItem, messages

ITEMS: list[Item] = [
    AgentItem("Hello."),
    UserItem("Where is it?", keys="42"),
    ToolItem("find", '{"order": 42}', "Thursday"),
    AgentItem("It comes", interrupted=True),
]


def test_a_history_goes_through_json_and_back() -> None:
    """Nothing is lost, whatever kind of item it is."""
    history = History(ITEMS)
    assert list(History.from_json(json.loads(json.dumps(history.to_json())))) == ITEMS
    assert history.to_json()[3] == {"role": "agent", "text": "It comes", "interrupted": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "boss", "text": "hi"},
        {"text": "hi"},
        {"role": "user", "words": "hi"},
        {"role": "user", "text": 3},
        {"role": "agent", "text": "hi", "interrupted": "no"},
        {"role": "tool", "name": "find"},
    ],
)
def test_what_is_no_item_is_refused(fields: dict[str, object]) -> None:
    """A history from elsewhere is checked when it comes in, not when a brain stumbles over it."""
    with pytest.raises(ValueError, match="not an item"):
        History.from_json([fields])


def test_an_item_is_corrected_where_it_stands() -> None:
    """What was heard becomes known after others have spoken."""
    history = History()
    first, second = history.add(AgentItem("")), history.add(UserItem("stop"))
    history.replace(first, AgentItem("It comes", interrupted=True))
    assert list(history) == [AgentItem("It comes", interrupted=True), UserItem("stop")]
    history.remove(second)
    assert len(history) == 1
    with pytest.raises(KeyError):
        history.replace(second, UserItem("go on"))


def test_a_turn_as_messages_of_a_chat_model() -> None:
    """The caller's turn comes last; what was cut off is seen to be."""
    turn = Turn("I said stop", history=tuple(ITEMS), instructions="Be brief.")
    assert messages(turn) == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Where is it? [keys: 42]"},
        {"role": "assistant", "content": "It comes ..."},
        {"role": "user", "content": "I said stop"},
    ]
