"""The tools of one call. Whatever chooses one, it is run here: within its time, recorded once, and always answered."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from voice_runtime.agent.hand_off import HandOff
from voice_runtime.agent.tool_run import Answer, run_tool, status_of
from voice_runtime.events import ToolFinished, ToolOutcome, ToolStarted
from voice_runtime.llm import History, ToolItem
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import TaskOwner
from voice_runtime.tools import OnBargeIn, Tool, ToolSpec
from voice_runtime.tools.result import MAX_CHARACTERS, bounded, plain_name
from voice_runtime.tools.signature import BadArguments

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["Toolbox", "TurnTools", "recorded"]

log = logging.getLogger(__name__)

RUNNING = "This is still being done. Its result is not known yet; do not ask for it again."
SAME_IN_TURN = 2
"""A model that wants the same with the same arguments once more in a turn runs in circles."""
SAME_IN_A_ROW = 5
"""The same over turns: so often within `ROW_SECONDS`."""
ROW_SECONDS = 60.0
UNKNOWN = "unknown"
"""How a tool that there is not is called in events, metrics and the log: its name may be anything, and anybody's."""
LAST_SECONDS = 4.0
"""How long tools that are to finish have when the call has ended: less than its handler has."""


class Toolbox:
    """`given`: what is injected, by its type. `hand_off`: asks for one; returns why not, or ""."""

    def __init__(
        self,
        agent: Agent[Any],
        given: Sequence[object],
        call: VoiceSession,
        history: History,
        *,
        hand_off: Callable[[HandOff], str],
    ) -> None:
        self.call = call
        self.history = history
        self.hand_off = hand_off
        self.tasks = TaskOwner("tools")
        self.asked: Callable[[], float] = lambda: 0.0
        """For how many seconds of this call tools have waited for the caller to answer them."""
        self._calls = 0
        self.answering: set[asyncio.Task[str]] = set()
        self._lately: deque[tuple[float, int]] = deque()  # when, and a hash of what was called
        self.equip(agent, given)

    def equip(self, agent: Agent[Any], given: Sequence[object]) -> None:
        """From the next turn on, these are the tools of `agent`."""
        self.limits = agent.limits
        self.holding = agent.phrases.holding
        self.tools = {tool.name: tool for tool in agent.tools}
        self._given = given
        self._types = frozenset(type(one) for one in given)
        self._threads = agent.threads
        self.specs = tuple(tool.spec(self._types) for tool in self.tools.values())

    def turn(self, hold: Callable[[str], None], hand_over: Callable[[], None], used: Callable[[], None]) -> TurnTools:
        """The tools of a turn. `hold`: says a line while the caller waits for one. `hand_over`: a tool handed the call
        off; whoever thinks about the turn is stopped. `used`: one is being called."""
        return TurnTools(self, hold, hand_over, used)

    def number(self) -> int:
        """Of the next tool call."""
        self._calls += 1
        return self._calls

    def repeats(self, what: int) -> int:
        """How often this was called lately, with this call."""
        now = self.call.clock.monotonic()
        while self._lately and self._lately[0][0] < now - ROW_SECONDS:
            self._lately.popleft()
        self._lately.append((now, what))
        return sum(same == what for _, same in self._lately)

    async def settled(self) -> None:
        """Wait until the tools of earlier turns have finished: each does so within its time."""
        if self.answering:
            await asyncio.wait(self.answering)

    async def close(self) -> None:
        """The call is over. Whoever is to finish has a last moment."""
        await self.tasks.finish(LAST_SECONDS)

    def arguments(self, tool: Tool, written: str) -> dict[str, Any]:
        """What the model wrote, checked. Raises `BadArguments`."""
        return tool.signature(self._types).arguments(written)

    async def invoke(self, tool: Tool, arguments: dict[str, Any]) -> object:
        """Run it, with what it wants of the call."""
        injected = {name: self._given_as(kind) for name, kind in tool.signature(self._types).injected.items()}
        if tool.is_async:
            return await tool.function(**arguments, **injected)
        run = partial(contextvars.copy_context().run, partial(tool.function, **arguments, **injected))
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _given_as(self, kind: type) -> object:
        for one in self._given:
            if isinstance(one, kind):
                return one
        raise TypeError(f"this call has no {kind.__name__}")


class TurnTools:
    """The tools of one turn, or of what may turn out to be none: nothing is done before it is committed."""

    def __init__(
        self, box: Toolbox, hold: Callable[[str], None], hand_over: Callable[[], None], used: Callable[[], None]
    ) -> None:
        self._box = box
        self._hold = hold
        self._hand_over = hand_over
        self._used = used
        self._handed_off = False
        self._committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = False
        self._calls = 0
        self._same: Counter[int] = Counter()
        self._held: set[str] = set()  # lines that were said
        self.silent = False
        """Whether a tool was called after which nothing need be said."""
        self._running: dict[asyncio.Task[str], OnBargeIn] = {}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """None when the turn has used up its calls: a model that is asked again has to answer then."""
        return () if self._calls >= self._box.limits.tool_calls else self._box.specs

    @property
    def busy(self) -> bool:
        """Whether a tool runs: it ends within its time."""
        return bool(self._running)

    async def call(self, name: str, arguments: str) -> str:
        """See `Toolset`."""
        self._used()
        await self.committed()
        if self._over:
            return "This turn is over."
        tool, box = self._box.tools.get(name), self._box
        refused = self._refusal(name, arguments)
        if self._calls > 2 * box.limits.tool_calls and refused is not None:
            return refused  # a model gone mad: there is nothing to learn from more of the same
        self.silent = self.silent or (tool is not None and tool.silent)
        shown = UNKNOWN if tool is None else name
        work = box.tasks.start(f"answer-{shown}", self._answer(tool, name, arguments, refused))
        self._running[work] = tool.on_barge_in if tool is not None else OnBargeIn.CANCEL
        box.answering.add(work)
        work.add_done_callback(self._running.pop)
        work.add_done_callback(box.answering.discard)
        try:
            result = await asyncio.shield(work)
        except asyncio.CancelledError:  # by the brain: it may not want this result
            if self._running.get(work) is OnBargeIn.CANCEL:
                work.cancel()
            raise
        if self._handed_off and not self._over:
            self._hand_over()  # which closes the brain that waits here
            await asyncio.get_running_loop().create_future()
        return result

    async def committed(self) -> None:
        """Wait until the turn is known to be one. It is cancelled when it is not."""
        await asyncio.shield(self._committed)

    # -- what becomes of the turn --------------------------------------------------------------------------------------

    def commit(self) -> None:
        """It is a turn: go."""
        if not self._committed.done():
            self._committed.set_result(None)

    def end(self) -> None:
        """It is over: what is to finish does, the rest is cancelled, and nothing else is begun."""
        self._over = True
        self._committed.cancel()
        for work, policy in list(self._running.items()):
            if policy is OnBargeIn.CANCEL:
                work.cancel()

    # -- one call ------------------------------------------------------------------------------------------------------

    async def _answer(self, tool: Tool | None, name: str, written: str, refused: str | None) -> str:
        """From the first event to the last, and recorded whatever happens."""
        call, history = self._box.call, self._box.history
        number, began = self._box.number(), call.clock.monotonic()
        shown, known_as = (UNKNOWN, plain_name(name)) if tool is None else (name, name)
        key = history.add(recorded(ToolItem(known_as, written, RUNNING)))
        answer = Answer(ToolOutcome.CANCELLED, "This was cancelled, since the caller went on. It has no result.")
        try:
            answer = await self._do(tool, written, number, refused)
        finally:
            item = recorded(ToolItem(known_as, written, answer.text))
            history.replace(key, item)
            took = (call.clock.monotonic() - began) * 1000
            call.hub.publish(ToolFinished(call.elapsed(), number, shown, took, answer.outcome))
            log.info("call %s: tool %s: %s after %.0f ms", call.call_sid, shown, answer.outcome, took)
        if tool is not None and tool.result_instruction and answer.outcome is ToolOutcome.DONE:
            return f"{item.result}\n\n{tool.result_instruction}"
        return item.result

    async def _do(self, tool: Tool | None, written: str, number: int, refused: str | None) -> Answer:
        box, call = self._box, self._box.call
        if refused is not None:
            answer = Answer(ToolOutcome.REFUSED, refused)
        elif tool is None:
            answer = Answer(ToolOutcome.REFUSED, f"There is no such tool. There are: {', '.join(box.tools)}.")
        else:
            try:
                arguments = box.arguments(tool, written)
            except BadArguments as error:
                answer = Answer(ToolOutcome.REFUSED, f"The arguments are wrong: {error}.")
            else:
                call.hub.publish(ToolStarted(call.elapsed(), number, tool.name, status_of(tool, arguments)))
                line = partial(self._hold_once, box.holding if tool.holding is None else tool.holding)
                return await run_tool(
                    tool, self._invoke(tool, arguments), call=call, tasks=box.tasks, hold=line, asked=box.asked
                )
        call.hub.publish(ToolStarted(call.elapsed(), number, UNKNOWN if tool is None else tool.name, ""))
        return answer

    async def _invoke(self, tool: Tool, arguments: dict[str, Any]) -> object:
        result = await self._box.invoke(tool, arguments)
        if not isinstance(result, HandOff):
            return result
        if refused := self._box.hand_off(result):
            return refused
        self._handed_off = True
        return f"Handed off to {result.to.name}."

    def _refusal(self, name: str, written: str) -> str | None:
        """Why this is not even tried: models that run in circles are stopped here."""
        self._calls += 1
        if self._calls > self._box.limits.tool_calls:
            return "No more tools in this turn. Answer the caller now with what you know."
        if len(written) > MAX_CHARACTERS:
            return f"The arguments are too long: {MAX_CHARACTERS} characters at most."
        what = hash((name, _canonical(written)))
        self._same[what] += 1
        if self._same[what] > SAME_IN_TURN or self._box.repeats(what) > SAME_IN_A_ROW:
            return "You have called this with the same arguments again and again. Answer the caller with what you know."
        return None

    def _hold_once(self, line: str) -> None:
        if line and line not in self._held and not self._over:
            self._held.add(line)
            self._hold(line)


def recorded(item: ToolItem) -> ToolItem:
    """As the history keeps it."""
    return ToolItem(item.name, bounded(item.arguments), bounded(item.result))


def _canonical(written: str) -> str:
    try:
        return json.dumps(json.loads(written), sort_keys=True)
    except (ValueError, RecursionError):
        return written
