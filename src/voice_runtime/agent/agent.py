"""`Agent`: a handler that answers calls by conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from voice_runtime.agent.brains import AnyBrain, as_brain
from voice_runtime.agent.conversation import Conversation
from voice_runtime.agent.manners import Limits, Phrases
from voice_runtime.llm import AgentItem, EndOfTurnModel, History, Turn
from voice_runtime.session import VoiceSession
from voice_runtime.tools import Tool
from voice_runtime.turns.lexicon import lexicon_for
from voice_runtime.turns.policy import FloorPolicy
from voice_runtime.turns.verbalise import Pronunciations, language_for, verbalise

__all__ = ["Agent"]

THREADS = 64
"""So many plain functions of an agent's, tools and brains, run at once, of all its calls."""


class Agent:
    """Answers calls: `app.call()(Agent(brain, greeting="Hello!"))`. One agent answers many at once.

    It holds nothing of a call; subclass it for the hooks. `policy`: the rules of turn-taking; preemptive thinking is
    off unless it says otherwise, since a brain that acts must not think about what was not said to the end.
    `end_of_turn`: a model that says how likely it is that the caller is done; without, pauses and words decide.
    `tools`: functions that the brain may have called, beside the methods that are marked with `@tool`.
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
    ) -> None:
        self.instructions = instructions
        self.greeting = greeting
        self.tools = _tools_of(self, tools)
        self.threads = ThreadPoolExecutor(THREADS, "agent")  # they begin when they are needed
        self.brain = as_brain(brain, self.threads)
        self.language = language
        self.pronunciations = pronunciations
        self.phrases = phrases or Phrases()
        self.limits = limits or Limits()
        rules = policy or FloorPolicy(preemptive=False, lexicon=lexicon_for(language))
        self.policy = replace(rules, ask_model=end_of_turn is not None)
        self.end_of_turn = end_of_turn

    @property
    def fixed_phrases(self) -> tuple[str, ...]:
        """What it says of its own accord, as it is spoken: worth keeping."""
        language = language_for(self.language)
        phrases = (self.greeting, *self.phrases.all, *(tool.holding or "" for tool in self.tools))
        return tuple(verbalise(phrase.strip(), language, self.pronunciations).text for phrase in phrases)

    async def __call__(self, call: VoiceSession) -> None:
        """Hold the conversation; returns when the call has ended."""
        await self.conversation(call).hold()

    def conversation(self, call: VoiceSession) -> Conversation:
        """What is to hold it, for whoever wants to look into it meanwhile."""
        return Conversation(self, call)

    # -- hooks: yours to override. What they raise fails the handler -------------------------------------

    async def enter(self, call: VoiceSession) -> None:
        """The call has begun; the greeting comes next."""

    async def exit(self, call: VoiceSession, history: History) -> None:
        """The call has ended."""

    async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
        """The caller said something. What is returned goes to the brain; raising counts as the brain's failure."""
        return turn

    async def agent_turn(self, call: VoiceSession, item: AgentItem) -> None:
        """The caller heard something of the agent."""


def _tools_of(agent: Agent, further: Iterable[Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    """Raises `TypeError` for a function that cannot be a tool, `ValueError` for a name that is there twice."""
    methods = {name: found for kind in type(agent).__mro__ for name, found in vars(kind).items()}
    named = [getattr(agent, name) for name, found in methods.items() if isinstance(found, Tool)]
    tools = (*named, *(one if isinstance(one, Tool) else Tool(one) for one in further))
    for tool in tools:
        tool.spec(frozenset({VoiceSession, Conversation}))
    if len({tool.name for tool in tools}) < len(tools):
        raise ValueError(f"two tools have the same name: {sorted(tool.name for tool in tools)}")
    return tools
