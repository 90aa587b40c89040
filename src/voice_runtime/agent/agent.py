"""`Agent`: a handler that answers calls by conversation."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import NoneType
from typing import Any, Generic, cast, get_origin, get_type_hints

from typing_extensions import TypeVar

from voice_runtime.agent.brains import AnyBrain, as_brain
from voice_runtime.agent.budget import Budget
from voice_runtime.agent.conversation import Conversation
from voice_runtime.agent.hand_off import HandOff
from voice_runtime.agent.manners import Limits, Phrases
from voice_runtime.agent.sounds import Sounds
from voice_runtime.errors import ConfigurationError
from voice_runtime.llm import AgentItem, EndOfTurnModel, History, Turn
from voice_runtime.session import VoiceSession
from voice_runtime.tools import Tool
from voice_runtime.turns.lexicon import ENGLISH, lexicon_for
from voice_runtime.turns.policy import FloorPolicy
from voice_runtime.turns.verbalise import Pronunciations, language_for, verbalise

__all__ = ["Agent"]

C = TypeVar("C", default=None)

THREADS = 64
"""So many plain functions of an agent's, tools and brains, run at once, of all its calls."""


class Agent(Generic[C]):
    """Answers calls: `app.call()(Agent(brain, greeting="Hello!"))`. One agent answers many at once.

    It holds nothing of a call; subclass it for the hooks. `policy`: the rules of turn-taking; preemptive thinking is
    off unless it says otherwise, since a brain that acts must not think about what was not said to the end.
    `end_of_turn`: a model that says how likely it is that the caller is done; without, pauses and words decide.
    `tools`: functions that the brain may have called, beside the methods that are marked with `@tool`.
    `budget`: how much of the history the brain is shown. `name`: what logs, events and histories call it. `context`:
    makes the application's own context of a call, of any type, a class for example: it is there in `context_of(call)`,
    as `call.context`, in `Turn.context`, and for tools by its type.
    `language`: how numbers and the like are spoken, and which words stop the agent ("en", "de-DE", ...).
    """

    def __init__(
        self,
        brain: AnyBrain,
        *,
        instructions: str = "",
        greeting: str = "",
        tools: Iterable[Tool | Callable[..., Any]] = (),
        language: str = "en",
        pronunciations: Pronunciations | None = None,
        phrases: Phrases | None = None,
        limits: Limits | None = None,
        policy: FloorPolicy | None = None,
        end_of_turn: EndOfTurnModel | None = None,
        budget: Budget | None = None,
        name: str = "",
        context: Callable[[VoiceSession], C] | None = None,
        sounds: Sounds | None = None,
    ) -> None:
        self.name = name or type(self).__name__
        self._make_context = context
        self.budget = budget
        self.instructions = instructions
        self.greeting = greeting
        self.tools = _tools_of(self, tools, _type_made_by(context))
        self.threads = ThreadPoolExecutor(THREADS, "agent")  # they begin when they are needed
        self.brain = as_brain(brain, self.threads)
        self.language = language
        self.pronunciations = pronunciations
        self.phrases = phrases or Phrases()
        self.limits = limits or Limits()
        rules = policy or FloorPolicy()
        lexicon = lexicon_for(language) if rules.lexicon is ENGLISH else rules.lexicon  # unless the policy chose one
        self.policy = replace(rules, ask_model=end_of_turn is not None, lexicon=lexicon)
        self.end_of_turn = end_of_turn
        self.sounds = sounds or Sounds()

    @property
    def fixed_phrases(self) -> tuple[str, ...]:
        """What it says of its own accord, as it is spoken: worth keeping."""
        language = language_for(self.language)
        phrases = (self.greeting, *self.phrases.all, *(tool.holding or "" for tool in self.tools))
        return tuple(verbalise(phrase.strip(), language, self.pronunciations).text for phrase in phrases)

    async def __call__(self, call: VoiceSession) -> None:
        """Hold the conversation; returns when the call has ended."""
        await self.conversation(call).hold()

    def check(self) -> None:
        """Raises `ConfigurationError` for a subclass that could not answer a call."""
        kind = type(self).__name__
        if "brain" not in vars(self):
            raise ConfigurationError(
                f"The __init__ of {kind} does not call that of Agent.", remedy="super().__init__(brain, ...) does."
            )
        for hook in (self.enter, self.exit, self.user_turn, self.agent_turn):
            if not inspect.iscoroutinefunction(inspect.unwrap(hook)):
                raise ConfigurationError(f"{kind}.{hook.__name__} is a plain `def`.", remedy="Hooks are `async def`.")

    def conversation(self, call: VoiceSession) -> Conversation:
        """What is to hold it, for whoever wants to look into it meanwhile."""
        self.check()
        return Conversation(self, call)

    def context_of(self, call: VoiceSession) -> C:
        """The application's own context of this call."""
        return cast(C, call.context)

    def make_context(self, call: VoiceSession) -> None:
        """Give the call its context, unless the application has done so."""
        if call.context is None and self._make_context is not None:
            call.context = self._make_context(call)

    # -- hooks: yours to override. What they raise fails the handler -------------------------------------

    async def enter(self, call: VoiceSession) -> HandOff | None:
        """The call is this agent's now: it has begun, or was handed off to it. The greeting comes next.

        Another agent gets it at once when a `HandOff` is returned.
        """

    async def exit(self, call: VoiceSession, history: History) -> None:
        """The call is this agent's no more: it has ended, or is handed off. Once for each `enter`."""

    async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn | HandOff | str | None:
        """The caller said something. What is returned goes to the brain; raising counts as the brain's failure.

        Text is the answer, without the brain; None: there is no answer. With a `HandOff`, another agent answers.
        """
        return turn

    def edit(self, call: VoiceSession, text: AsyncIterator[str]) -> AsyncIterator[str]:
        """What its brain says, as it comes: yield what is to be spoken instead."""
        return text

    async def agent_turn(self, call: VoiceSession, item: AgentItem) -> None:
        """The caller heard something of the agent."""


def _tools_of(
    agent: Agent[Any], further: Iterable[Tool | Callable[..., Any]], context: type | None
) -> tuple[Tool, ...]:
    """Raises `TypeError` for a function that cannot be a tool, `ValueError` for a name that is there twice."""
    methods = {name: found for kind in type(agent).__mro__ for name, found in vars(kind).items()}
    named = [getattr(agent, name) for name, found in methods.items() if isinstance(found, Tool)]
    tools = (*named, *(one if isinstance(one, Tool) else Tool(one) for one in further))
    if context is not None:  # else the call will tell what it is
        for tool in tools:
            tool.spec(frozenset({VoiceSession, Conversation, context}))
    if len({tool.name for tool in tools}) < len(tools):
        raise ValueError(f"two tools have the same name: {sorted(tool.name for tool in tools)}")
    return tools


def _type_made_by(make: Callable[[VoiceSession], object] | None) -> type | None:
    """None: it does not say."""
    if make is None:
        return NoneType
    if isinstance(make, type):
        return make
    made = get_type_hints(make if inspect.isroutine(make) else type(make).__call__).get("return")
    made = get_origin(made) or made
    return made if isinstance(made, type) else None
