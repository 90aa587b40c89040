"""`Budget`: how much of a conversation a brain is shown, in tokens. What does not fit is left out, oldest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from voice_runtime.llm import AgentItem, Brain, HandOffItem, Item, ToolItem, UserItem

__all__ = ["Budget", "left_out", "tokens_of"]

_AROUND_ITEM = 4  # tokens that a message costs beside its text
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """The instructions, what is shown of the history and the caller's turn are `max_tokens` together, at most; but the
    last `keep_turns` turns are shown whatever they cost. `count`: a tokenizer; without, four characters are a token.

    `summarise`: a brain that sums up what would be left out, in the background, once the history fills 80 % of it, and
    within `timeout` seconds. Until then, and if it fails, that is left out.
    """

    max_tokens: int
    keep_turns: int = 3
    count: Callable[[str], int] | None = None
    summarise: Brain | None = None
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.keep_turns < 0 or self.timeout <= 0:
            raise ValueError("max_tokens must be 1 or more, keep_turns 0 or more, timeout more than 0")


def tokens_of(text: str, budget: Budget) -> int:
    """What the text costs."""
    return budget.count(text) if budget.count is not None else -(-len(text) // _CHARACTERS_PER_TOKEN)


def left_out(items: Sequence[Item], budget: Budget, room: float) -> int:
    """How many items, from the first, are to go, so that the rest costs `room` tokens at most.

    Whole turns go, from what the caller said to the next thing they say: a tool never goes without its result.
    """
    costs = [_AROUND_ITEM + tokens_of(_text(item), budget) for item in items]
    begins = [at for at, item in enumerate(items) if isinstance(item, UserItem)]
    most = len(items) if not budget.keep_turns else (begins[-budget.keep_turns :] or [0])[0]
    for at in (0, *begins, len(items)):
        if at >= most or sum(costs[at:]) <= room:
            return min(at, most)
    return most


def _text(item: Item) -> str:
    match item:
        case UserItem(text, keys):
            return text + keys
        case AgentItem(text):
            return text
        case ToolItem(name, arguments, result):
            return name + arguments + result
        case HandOffItem():
            return ""
        case _:
            assert_never(item)
