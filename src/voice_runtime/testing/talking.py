"""Talking to an agent in a test: in text, or over the simulated phone, with the same words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from voice_runtime.agent import Agent
from voice_runtime.agent.floor_watch import FloorWatch
from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEnd, CallEvent
from voice_runtime.llm import AgentItem, Brain, History, ToolItem, UserItem
from voice_runtime.session import VoiceSession
from voice_runtime.simulator.hearing import plain_words
from voice_runtime.tasks import TaskOwner
from voice_runtime.testing.simulated_time import refuse_running_loop, run_in

__all__ = ["CallerEnd", "Talk", "TalkTurn", "ToolUse", "agent_of"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

T = TypeVar("T")

_UNDERSTOOD_SECONDS = 3.0
"""How long after its end a recogniser may take for what was said. What it did not understand is no turn."""
_ENDS_SECONDS = 30.0
_ASIDE_SECONDS = 0.1
"""When the agent has said what it had to say: for it to hang up, if that was a goodbye."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that was used: `arguments` are those of its JSON object."""

    name: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class TalkTurn:
    """What the caller said and keyed, and what came of it: `agent` is what was heard of the answer, as in the history.

    `interrupted`: not all of it was. `latency_ms`: from the end of what the caller said to the first sound; None for a
    turn that was not answered, or not begun by `say` or `press`.
    """

    user: str
    keys: str
    agent: str
    interrupted: bool
    tools: tuple[ToolUse, ...]
    latency_ms: float | None


class CallerEnd(Protocol):
    """The caller's end of a call, in text or in sound. What waits raises CallHangupError when the call ends."""

    @property
    def heard(self) -> str: ...
    @property
    def time(self) -> float: ...
    async def carry(self, answer: Callable[[VoiceSession], Coroutine[Any, Any, None]]) -> None:
        """The whole call; it is hung up by `hang_up`."""

    async def answered(self) -> None: ...
    async def say(self, words: str) -> None: ...
    async def press(self, keys: str) -> None: ...
    async def first_sound(self) -> float:
        """Wait until something sounds that did not before now; returns the time."""

    async def hears(self, words: str, timeout: float) -> None: ...
    async def hang_up(self) -> None: ...


class Talk:
    """A call to `agent`, made by `with`; after it the call is over. Each method returns when what it says has happened.

    On the loop of `runner`, whose time passes only meanwhile.
    """

    def __init__(
        self,
        agent: Agent[Any],
        end: CallerEnd,
        runner: asyncio.Runner,
        *,
        around: AbstractContextManager[object] | None = None,
        patience: float = 120.0,
    ) -> None:
        self.history = History()
        self.events: list[CallEvent] = []
        """All events of the call so far."""
        self._agent = agent
        self._end = end
        self._runner = runner
        self._around = around or nullcontext()
        self._patience = patience
        self._session: VoiceSession | None = None
        self._watch: FloorWatch | None = None
        self._failure: BaseException | None = None
        self._tasks = TaskOwner("talk")
        self._call: asyncio.Task[None] | None = None
        self._stack = ExitStack()
        self._latencies: dict[int, float] = {}  # by the number of the caller's turn

    # -- what the caller does ------------------------------------------------------------------------------------------

    def say(self, words: str, *, hear_out: bool = True) -> None:
        """Say it, and hear the answer out, if it is not to be interrupted."""
        self._do(self._input(self._end.say(words), hear_out, words=True))

    def press(self, keys: str, *, hear_out: bool = True) -> None:
        """Press keys, and hear the answer out."""
        self._do(self._input(self._end.press(keys), hear_out, words=False))

    def interrupt_after(self, seconds: float, words: str, *, hear_out: bool = True) -> None:
        """Let the agent speak for so many seconds, then talk over it, and hear out what it says to that."""
        self._do(self._interrupt(seconds, words, hear_out))

    def hear_out(self) -> None:
        """Wait until it is the caller's turn, or the call has ended."""
        self._do(self._hear_out())

    def hears(self, words: str, timeout: float = 10.0) -> None:
        """Wait until the agent has said these words, since those that were waited for before.

        Case and punctuation do not matter. Raises TimeoutError, which says what was heard.
        """
        self._do(self._end.hears(words, timeout))

    def pause(self, seconds: float) -> None:
        """Say nothing for so long."""
        self._do(asyncio.sleep(seconds))

    def hang_up(self) -> None:
        """Put the phone down; returns when the call is over."""
        self._do(self._hang_up())

    def wait_ended(self) -> CallEnd:
        """Wait until the agent has hung up. Raises TimeoutError."""
        self._do(self._over())
        assert self.end is not None
        return self.end

    # -- what came of it -----------------------------------------------------------------------------------------------

    @property
    def session(self) -> VoiceSession:
        assert self._session is not None, "use it as `with`"
        return self._session

    @property
    def heard(self) -> str:
        """Everything that the caller has heard so far, as it sounded, in lower case."""
        return self._end.heard

    def agent_said(self, words: str) -> bool:
        """Whether the caller has heard these words, one after the other. Case and punctuation do not matter."""
        return f" {' '.join(plain_words(words))} " in f" {' '.join(plain_words(self.heard))} "

    @property
    def turns(self) -> tuple[TalkTurn, ...]:
        """The caller's turns, from the history of the agent."""
        found: list[TalkTurn] = []
        items = list(self.history)
        starts = [at for at, item in enumerate(items) if isinstance(item, UserItem)]
        for number, at in enumerate(starts):
            asked = items[at]
            assert isinstance(asked, UserItem)
            rest = items[at + 1 : starts[number + 1] if number + 1 < len(starts) else None]
            said = [item for item in rest if isinstance(item, AgentItem) and item.text]
            found.append(
                TalkTurn(
                    asked.text,
                    asked.keys,
                    " ".join(item.text for item in said),
                    any(item.interrupted for item in said),
                    tuple(_use(item) for item in rest if isinstance(item, ToolItem)),
                    self._latencies.get(number),
                )
            )
        return tuple(found)

    @property
    def tools(self) -> tuple[ToolUse, ...]:
        """All tools that were used."""
        return tuple(_use(item) for item in self.history if isinstance(item, ToolItem))

    @property
    def end(self) -> CallEnd | None:
        """How the call ended; None while it lasts."""
        return self._session.end if self._session is not None else None

    # -- the call ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        refuse_running_loop()
        with ExitStack() as stack:
            stack.enter_context(self._around)
            stack.enter_context(self._runner)
            try:
                self._do(self._begin())
            except CallHangupError:
                if self._failure is not None:
                    raise self._failure from None
                raise
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            self._do(self._hang_up())
        if self._failure is not None and (error is None or isinstance(error, CallHangupError | TimeoutError)):
            raise self._failure from None  # what the test waited for could not come any more

    async def _begin(self) -> None:
        """Returns when the greeting was heard."""
        self._call = self._tasks.start("call", self._end.carry(self._answer))
        answered = self._tasks.start("answered", self._end.answered())
        await asyncio.wait({self._call, answered}, return_when=asyncio.FIRST_COMPLETED)
        if self._call.done():
            self._call.result()
            raise CallHangupError()
        await self._hear_out()

    async def _answer(self, call: VoiceSession) -> None:
        self._session, self._watch = call, FloorWatch(call)
        call.on_event(self.events.append)
        try:
            conversation = self._agent.conversation(call)
            self.history = conversation.history
            await conversation.hold()
        except Exception as error:  # a hook's: raised again here, and where the test is
            self._failure = error
            raise

    async def _input(self, doing: Coroutine[Any, Any, None], hear_out: bool, *, words: bool) -> None:
        assert self._watch is not None
        finals, number = self._watch.finals, sum(isinstance(item, UserItem) for item in self.history)
        await doing
        self._tasks.start("latency", self._time(number, self._end.time))
        if words:
            await self._watch.until_understood(finals, _UNDERSTOOD_SECONDS)
        if hear_out:
            await self._hear_out()

    async def _time(self, number: int, since: float) -> None:
        with suppress(CallHangupError):
            self._latencies[number] = round((await self._end.first_sound() - since) * 1000, 1)

    async def _interrupt(self, seconds: float, words: str, hear_out: bool) -> None:
        assert self._watch is not None
        await self._watch.until_speaking(self._patience)
        await asyncio.sleep(seconds)
        await self._input(self._end.say(words), hear_out, words=True)

    async def _hear_out(self) -> None:
        assert self._watch is not None
        await self._watch.until_settled(self._patience)
        await asyncio.sleep(_ASIDE_SECONDS)
        await self._watch.until_settled(self._patience)

    async def _hang_up(self) -> None:
        if self._call is not None and not self._call.done():
            await self._end.hang_up()
            await self._over()
        await self._tasks.close()

    async def _over(self) -> None:
        assert self._call is not None
        await asyncio.wait({self._call}, timeout=_ENDS_SECONDS)
        if not self._call.done():
            raise TimeoutError(f"nobody hung up within {_ENDS_SECONDS:g} s")

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return run_in(self._runner, work)


def agent_of(target: object) -> Agent[Any]:
    """An agent, the one that answers a `VoiceApp`, or one around a brain. Raises TypeError for anything else."""
    found = getattr(target, "handlers", None)  # of a VoiceApp
    candidates = [target] if found is None else list(found.values())
    agents = [one for one in candidates if isinstance(one, Agent)]
    if len(agents) == 1:
        return agents[0]
    if found is None and callable(target) and not isinstance(target, type):
        brain: Brain = target
        return Agent(brain)
    raise TypeError(f"{target!r} is no agent, no brain, and no VoiceApp that one agent answers")


def _use(item: ToolItem) -> ToolUse:
    try:
        arguments = json.loads(item.arguments or "{}")
    except ValueError:
        arguments = item.arguments
    return ToolUse(item.name, arguments if isinstance(arguments, dict) else {"": arguments}, item.result)
