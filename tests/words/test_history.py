"""The history of a conversation, and the turn as a brain is given it."""

from __future__ import annotations

import json
from typing import Any

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
        {"role": ["user"], "text": "hi"},
        {"role": {}, "text": "hi"},
        {"role": "user", "text": "half a pair: \ud83d"},
        {"role": "user", "text": "hi", "keys": None},
        {"role": "user", "text": {"role": "user"}},
        {"role": "user", "text": "hi", 3: "x"},
        None,
        3,
        "role",
        [["role", "user"], ["text", "hi"]],
        [[]],
    ],
)
def test_what_is_no_item_is_refused(fields: Any) -> None:
    """A history from elsewhere is checked when it comes in, not when a brain stumbles over it; none is quoted."""
    with pytest.raises(ValueError, match="not an item of a history: number 2$"):
        History.from_json([{"role": "user", "text": "fine"}, fields])


@pytest.mark.parametrize("whole", [None, 3, {"role": "user"}, "history", True])
def test_what_is_no_list_is_refused(whole: Any) -> None:
    """Likewise."""
    with pytest.raises(ValueError, match="not an item"):
        History.from_json(whole)


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


def test_a_summary_for_people() -> None:
    """The last items, cut where they are long and only there; or all of it, whole; tools and keys included."""
    story = "word " * 40
    history = History(
        [
            UserItem("hello\nthere"),
            ToolItem("find", '{"id": 7}', '{"state": "lost"}'),
            AgentItem("It is", interrupted=True),
            UserItem("", keys="12"),
            AgentItem(story),
        ]
    )
    assert history.summary(last=4, width=20).splitlines() == [
        'tool: find({"id": 7}) = {"...',
        "agent (interrupted): It is",
        "user: [keys: 12]",
        "agent: word word word word...",
    ]
    assert history.summary(last=None) == "\n".join(
        [
            "user: hello there",
            'tool: find({"id": 7}) = {"state": "lost"}',
            "agent (interrupted): It is",
            "user: [keys: 12]",
            f"agent: {story.strip()}",
        ]
    )
    assert len(history.summary().splitlines()[-1]) <= len("agent: ") + 100 + len("...")
    assert History([UserItem("x" * 100)]).summary() == "user: " + "x" * 100
    assert History().summary() == history.summary(last=0) == ""
