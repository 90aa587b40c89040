"""What is no handler is refused when it is registered, and not when somebody calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from typing import Any

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.errors import ConfigurationError
from voice_runtime.llm import Turn


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield turn.text


def pieces(call: Any) -> Iterator[str]:
    yield "Hello!"


class Unmade(Agent):
    def __init__(self) -> None:
        self.customers: dict[str, str] = {}


class Blocking(Agent):
    def agent_turn(self, call: Any, item: Any) -> None:  # type: ignore[override]
        """Not `async def`."""


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (brain, r"^brain is a generator, and no handler. .* app.call\(\)\(Agent\(brain\)\).$"),
        (pieces, "^pieces is a generator"),
        (Agent, r"^Agent is a class. A handler is one of it: app.call\(\)\(Agent\(...\)\).$"),
        ("agent:app", "^A str is no handler."),
        (Unmade(), r"^The __init__ of Unmade does not call that of Agent. super\(\).__init__\(brain, ...\) does.$"),
        (Blocking(brain), "^Blocking.agent_turn is a plain `def`. Hooks are `async def`.$"),
    ],
)
def test_what_is_no_handler_is_refused(handler: Any, why: str) -> None:
    """In one line that says what to do."""
    with pytest.raises(ConfigurationError, match=why):
        VoiceApp().call()(handler)


def test_the_decorator_needs_its_parentheses() -> None:
    """Without, it would take the function for a number, and nobody would answer."""
    with pytest.raises(ConfigurationError, match=r"Write @app.call\(\)."):

        @VoiceApp().call  # type: ignore[arg-type]
        async def answer(call: VoiceSession) -> None:
            """Never called."""


def logged(hook: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(hook)
    def around(*args: Any) -> Any:
        return hook(*args)

    return around


class Logged(Agent):
    @logged
    async def enter(self, call: VoiceSession) -> None:
        """Decorated by somebody who passes the coroutine on."""


async def greet(name: str, call: VoiceSession) -> None:
    """With one argument given beforehand."""


class Desk:
    def __call__(self, call: Any) -> None:
        """An object, called in a thread."""


@pytest.mark.parametrize("handler", [Agent(brain), Logged(brain), partial(greet, "Ann"), Desk(), Desk().__call__])
def test_what_can_answer_is_taken(handler: Any) -> None:
    """Functions, objects, and functions around them."""
    app = VoiceApp()
    app.call()(handler)
    assert app.answers
