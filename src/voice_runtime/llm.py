"""What answers: the contract of a brain, and the conversation that it is given.

A brain is one callable, given a `Turn`, that streams its answer. A plain async generator of text is one:

    async def brain(turn):
        async for piece in some_model(messages(turn)):
            yield piece
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, assert_never

from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.tools import NO_TOOLS, Toolset

__all__ = [
    "GO_ON",
    "AgentItem",
    "Brain",
    "EndOfTurnModel",
    "HandOffItem",
    "History",
    "Item",
    "Part",
    "ToolItem",
    "Turn",
    "Usage",
    "UserItem",
    "messages",
]


@dataclass(frozen=True, slots=True)
class UserItem:
    """What the caller said and keyed in: one turn."""

    text: str
    keys: str = ""


@dataclass(frozen=True, slots=True)
class AgentItem:
    """What the caller heard of something the agent said, and no more. `interrupted`: more was to be said."""

    text: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ToolItem:
    """A tool that a brain used: its name, its arguments and its result, both as text (JSON as a rule)."""

    name: str
    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class HandOffItem:
    """Another agent took over: the names of both. Models are not told: what they are, their instructions say."""

    agent: str
    to: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request to a model used, in tokens. A brain may yield several in a turn: they add up."""

    input_tokens: int
    output_tokens: int


Item: TypeAlias = UserItem | AgentItem | ToolItem | HandOffItem
Part: TypeAlias = str | ToolItem | Usage | ProviderSwitched | ProviderRecovered
"""A piece of an answer: text to say, as a model writes it, the record of a tool that the brain ran by itself for it,
what it cost, or what a chain of brains did: see `voice_runtime.fallback`."""
GO_ON = "[You were cut off. Go on exactly where your last words end, and repeat none of them.]"
"""What `messages` adds for a model that is to go on with an answer that another one began."""

_ROLES: dict[str, type[Item]] = {
    "user": UserItem,
    "agent": AgentItem,
    "tool": ToolItem,
    "hand_off": HandOffItem,
}
_TYPES: dict[str, type] = {"interrupted": bool}  # of the fields that are not text


@dataclass(frozen=True, slots=True)
class Turn:
    """What a brain is to answer: `text` and `keys` of the caller, after `history`, which does not have them yet.

    A brain that has its model choose from `tools` calls them there, and yields no `ToolItem` for them. `begun`: what
    another brain, which failed, has made of the answer: the tools it used, and its words, which the caller has heard.
    After a hand-off, these are the tools that the last agent used in this turn. `context`: the application's own.
    `instruction`: what to say now, when the caller has said nothing: then `text` is empty.
    """

    text: str
    keys: str = ""
    history: tuple[Item, ...] = ()
    instructions: str = ""
    tools: Toolset = field(default=NO_TOOLS, compare=False)
    begun: tuple[Item, ...] = ()
    instruction: str = ""
    context: Any = field(default=None, compare=False, repr=False)


Brain: TypeAlias = Callable[[Turn], AsyncIterator[Part]]
"""Answers a turn. It is closed (`aclose`) when nobody wants the rest, and may raise: the caller hears an apology."""


EndOfTurnModel: TypeAlias = Callable[[Turn], Awaitable[float]]
"""How likely it is, 0 to 1, that the caller is done: `text` is what they said up to now. It must not block the loop."""


def messages(turn: Turn, tool: Callable[[ToolItem], Iterable[dict[str, Any]]] | None = None) -> list[dict[str, Any]]:
    """The turn as chat models take it: `role` (system, user, assistant) and `content`. What was keyed in is quoted.

    `tool`: the messages that tell of a tool's use, which differ between vendors; without it, they are left out.
    """
    found: list[dict[str, Any]] = [{"role": "system", "content": turn.instructions}] if turn.instructions else []
    asked = () if turn.instruction else (UserItem(turn.text, turn.keys),)
    for item in (*turn.history, *asked, *turn.begun):
        match item:
            case UserItem(text, keys):
                keyed = f"[keys: {keys}]" if keys else ""
                found.append({"role": "user", "content": f"{text} {keyed}".strip()})
            case AgentItem(text, interrupted):
                found.append({"role": "assistant", "content": text + (" ..." if interrupted else "")})
            case ToolItem():
                found += tool(item) if tool is not None else ()
            case HandOffItem():
                pass
            case _:
                assert_never(item)
    if turn.instruction:
        found.append({"role": "system", "content": turn.instruction})
    if any(isinstance(item, AgentItem) for item in turn.begun):
        found.append({"role": "user", "content": GO_ON})
    return found


class History:
    """The items of one conversation, in order. Each has a key, since what was heard is known only afterwards."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items: dict[int, Item] = {}
        self._last = 0
        for item in items:
            self.add(item)

    def __iter__(self) -> Iterator[Item]:
        return iter(tuple(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterator[tuple[int, Item]]:
        """Each item with its key."""
        return iter(tuple(self._items.items()))

    def add(self, item: Item) -> int:
        """Put it at the end. Returns its key."""
        self._last += 1
        self._items[self._last] = item
        return self._last

    def replace(self, key: int, item: Item) -> None:
        """Let this stand in that place. Raises KeyError for one that was removed."""
        if key not in self._items:
            raise KeyError(key)
        self._items[key] = item

    def remove(self, key: int) -> None:
        """Raises KeyError when it is not there."""
        del self._items[key]

    def summary(self, last: int | None = 10, width: int = 100) -> str:
        """The conversation for people, a line for each item: the last `last` items, with `width` characters of each.

        None for `last`: all of it, uncut. "..." is behind what was cut, and nothing else.
        """
        told = [_told(item) for item in self]
        if last is not None:
            told = told[max(len(told) - last, 0) :]
            told = [(who, text if len(text) <= width else f"{text[:width].rstrip()}...") for who, text in told]
        return "\n".join(f"{who}: {text}" for who, text in told)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values: {"role": "user", "text": ...}, {"role": "agent", ...}, {"role": "tool", ...}."""
        names = {kind: role for role, kind in _ROLES.items()}
        return [{"role": names[type(item)], **asdict(item)} for item in self]

    @classmethod
    def from_json(cls, items: Iterable[Mapping[str, Any]]) -> History:
        """What `to_json` made. Raises ValueError for anything else, which does not quote it."""
        found: list[Item] = []
        try:
            for fields in items:
                found.append(_item(fields))
        except (TypeError, ValueError, AttributeError):  # whatever else JSON may hold, at any depth
            raise ValueError(f"not an item of a history: number {len(found) + 1}") from None
        return cls(found)


def _told(item: Item) -> tuple[str, str]:
    """Whose it is, and what, in one line."""
    match item:
        case UserItem(text, keys):
            who, told = "user", f"{text} [keys: {keys}]" if keys else text
        case AgentItem(text, interrupted):
            who, told = "agent (interrupted)" if interrupted else "agent", text
        case ToolItem(name, arguments, result):
            who, told = "tool", f"{name}({arguments}) = {result}"
        case HandOffItem(agent, to):
            who, told = "hand-off", f"{agent} to {to}"
        case _:
            assert_never(item)
    return who, " ".join(told.split())


def _item(fields: Mapping[str, Any]) -> Item:
    """Raises TypeError and ValueError, among them for text that no request to a model could hold."""
    values = dict(fields.items())
    kind = _ROLES[role] if (role := values.pop("role", None)) in tuple(_ROLES) else None
    if kind is None or any(type(value) is not _TYPES.get(name, str) for name, value in values.items()):
        raise TypeError
    for value in values.values():
        if isinstance(value, str):
            value.encode()
    return kind(**values)
