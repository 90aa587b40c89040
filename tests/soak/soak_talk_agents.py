"""Agents and callers of a soak, as the plan has them. They write down what they did."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from soak_talk_plans import TalkPlan
from soak_talk_providers import Open, brain_of
from soak_talk_words import Words

from voice_runtime import VoiceSession
from voice_runtime.agent import Agent, Choice, DigitCode, HandOff, Limits, Phrases, Prices, Sounds, YesNo, ask
from voice_runtime.agent.builtin_tools import collect_digits, hang_up, send_digits, transfer_to
from voice_runtime.audio.g711 import encode_ulaw
from voice_runtime.audio.spelling import spell
from voice_runtime.errors import CallHangupError, ToolError
from voice_runtime.events import CallEvent, FloorChanged
from voice_runtime.llm import AgentItem, History, Turn
from voice_runtime.simulator import Line
from voice_runtime.tools import OnBargeIn, Tool
from voice_runtime.turns.policy import FloorPolicy

__all__ = ["PHRASES", "Story", "agents_of", "caller_of"]

PHRASES = Phrases(
    fillers=("one moment.", "still looking."),
    apology="sorry, say it again.",
    still_there=("are you there?", "hello?"),
    goodbye="goodbye.",
    failed_goodbye="sorry, call later.",
    transfer="somebody can help.",
    holding="let me look.",
    unheard="what was that?",
)
COUGH = spell("x")[:533]


@dataclass
class Run:
    """A tool was begun."""

    tool: str
    at: float
    done: bool = False
    """Its function came to its end, whatever that was."""


@dataclass
class Story:
    """What happened on a call, as those who took part in it have it. Times are those of the loop."""

    opened: Open = field(default_factory=Open)
    words: Words = field(default_factory=Words)
    events: list[tuple[float, CallEvent]] = field(default_factory=list)
    history: History = field(default_factory=History)
    runs: list[Run] = field(default_factory=list)
    entered: int = 0
    left: int = 0
    zero: float = 0.0
    """When the caller's line was opened."""
    said: list[tuple[str, float]] = field(default_factory=list)
    """Words that the caller said to their end, and when."""
    sounded: list[float] = field(default_factory=list)
    """When the caller said anything with words, or pressed a key."""
    agents: list[Agent[Any]] = field(default_factory=list)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self, call: VoiceSession, plan: TalkPlan) -> None:
        loop = asyncio.get_running_loop()
        seen = 0

        def happened(event: CallEvent) -> None:
            nonlocal seen
            self.events.append((loop.time(), event))
            if plan.leaves is not None and isinstance(event, FloorChanged) and event.state is plan.leaves[0]:
                seen += 1
                if seen == plan.leaves[1]:
                    loop.call_later(plan.leaves[2], self.leave.set)

        call.on_event(happened)


# -- agents ------------------------------------------------------------------------------------------------------------


class SoakAgent(Agent[Any]):
    """Its hooks do what the plan says, now and then."""

    plan: TalkPlan
    story: Story
    chance: Random
    asides = 3

    async def enter(self, call: VoiceSession) -> HandOff | None:
        self.story.entered += 1
        if self.plan.hooks == "enter_raises":
            raise ZeroDivisionError("as planned")
        return None

    async def exit(self, call: VoiceSession, history: History) -> None:
        self.story.left += 1

    async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn | HandOff | str | None:
        some = self.chance.random() < 0.5
        match self.plan.hooks:
            case "says" if some:
                self.aside(call)
            case "edits" if some:
                return Turn(turn.text.upper(), turn.keys, turn.history, turn.instructions, turn.tools)
            case "answers" if some:
                return self.story.words.some("hook", self.chance) + "."
            case "silent" if some:
                return None
            case "raises" if some:
                raise ZeroDivisionError("as planned")
            case "replies" if some:
                assert call.talk is not None
                call.talk.reply("say something", interruptible=self.chance.random() < 0.5)
            case "slow" if some:
                await asyncio.sleep(self.chance.uniform(0, 3))
            case "hangs_up" if self.chance.random() < 0.3:
                await call.hangup()
        return turn

    async def agent_turn(self, call: VoiceSession, item: AgentItem) -> None:
        if self.plan.hooks == "says" and self.chance.random() < 0.4:
            self.aside(call)

    def aside(self, call: VoiceSession) -> None:
        if self.asides and call.talk is not None:
            self.asides -= 1
            remembered = self.chance.random() < 0.5
            text = self.story.words.some("line" if remembered else "aside", self.chance) + "."
            audio = spell(text) if self.chance.random() < 0.3 else None
            call.talk.say(text, audio=audio, history=remembered, interruptible=self.chance.random() < 0.7)


def agents_of(plan: TalkPlan, story: Story) -> SoakAgent:
    """The one that answers; it knows the others, if there are any."""
    desks: list[SoakAgent] = []
    for desk in range(plan.desks):
        chance = plan.chance(f"desk {desk}")
        tools = _tools(plan, story, chance, desks)
        names = (*(tool.name for tool in tools), "nonsense")
        limits = dict(plan.limits)
        if "max_spend" in limits:
            limits["prices"] = Prices(input_tokens=0.5, output_tokens=1.0, characters=0.3, call_minute=0.2)
        agent = SoakAgent(
            brain_of(plan, desk, story.words, names, story.opened),
            name=f"desk{desk}",
            greeting=story.words.some("desk", chance) + "." if chance.random() < 0.7 else "",
            tools=tools,
            phrases=PHRASES,
            limits=Limits(**limits),
            policy=FloorPolicy(**{"preemptive": plan.preemptive, **plan.policy}),
            end_of_turn=_end_of_turn(plan, chance),
            sounds=_sounds(plan),
        )
        agent.plan, agent.story, agent.chance = plan, story, chance
        desks.append(agent)
    story.agents = list(desks)
    return desks[0]


def _sounds(plan: TalkPlan) -> Sounds:
    hum = {"background": _hum(-30.0), "volume": 0.1} if plan.aside in ("background", "both") else {}
    thinking = {"thinking": _hum(-40.0), "thinking_volume": 0.1} if plan.aside in ("thinking", "both") else {}
    return Sounds(**hum, **thinking)  # type: ignore[arg-type]


def _hum(dbfs: float) -> bytes:
    peak = 32768 * 10 ** (dbfs / 20) * math.sqrt(2)
    return encode_ulaw(array("h", (int(peak * math.sin(2 * math.pi * at / 8)) for at in range(8000))).tobytes())


def _end_of_turn(plan: TalkPlan, chance: Random) -> Any:
    async def model(turn: Turn) -> float:
        if plan.model == "slow":
            await asyncio.sleep(chance.uniform(0, 3))
        if plan.model == "fails" and chance.random() < 0.5:
            raise ZeroDivisionError("as planned")
        return chance.random()

    return None if plan.model == "none" else model


def _tools(plan: TalkPlan, story: Story, chance: Random, desks: list[SoakAgent]) -> list[Tool]:
    def begun(name: str) -> Run:
        story.runs.append(run := Run(name, asyncio.get_running_loop().time()))
        return run

    async def quick(number: int) -> str:
        begun("quick").done = True
        return f"result {number}"

    async def reads(number: int) -> str:
        run = begun("reads")
        await asyncio.sleep(chance.uniform(0, 4))
        run.done = True
        return "read"

    async def writes(number: int) -> str:
        run = begun("writes")
        await asyncio.sleep(chance.uniform(0, 3.5))
        run.done = True
        return "written"

    async def hangs(number: int) -> str:
        begun("hangs")
        await asyncio.sleep(1000)
        return "never"

    async def raises(number: int) -> str:
        begun("raises").done = True
        await asyncio.sleep(chance.uniform(0, 0.2))
        raise (ToolError("as planned") if number % 2 else ZeroDivisionError("as planned"))

    def plain(number: int) -> int:
        time.sleep(0.002)
        return number

    def plain_raises(number: int) -> int:
        raise ZeroDivisionError("as planned")

    async def asks(number: int, call: VoiceSession) -> str:
        run = begun("asks")
        questions = (
            DigitCode("which number?", length=2, again="pardon?", timeout=chance.choice((2.0, 6.0))),
            YesNo("shall i?", again="pardon?", attempts=2),
            Choice("which size?", options={"small": 1, "large": 2}, again="pardon?", attempts=2),
        )
        answer = await ask(call, chance.choice(questions))
        run.done = True
        return str(answer)

    async def says(number: int, call: VoiceSession) -> str:
        begun("says").done = True
        assert call.talk is not None
        call.talk.say(story.words.some("line", chance) + ".", interruptible=chance.random() < 0.5)
        return "said"

    def hand_off() -> HandOff:
        to = chance.choice(desks)
        return HandOff(to, chance.choice(("", "please hold.")), chance.choice((True, False, 1)))

    return [
        Tool(quick),
        Tool(reads, on_barge_in=OnBargeIn.CANCEL),
        Tool(writes, on_barge_in=OnBargeIn.FINISH),
        Tool(hangs, timeout=2.0),
        Tool(raises),
        Tool(plain),
        Tool(plain_raises),
        Tool(asks, timeout=60.0, on_barge_in=OnBargeIn.CANCEL),
        Tool(says),
        Tool(hand_off),
        hang_up,
        collect_digits,
        send_digits,
        transfer_to(sales="+15551230001"),
    ]


# -- callers -----------------------------------------------------------------------------------------------------------


class Caller:
    """Does one thing after the other, and hangs up at the moment that the plan has for it."""

    def __init__(self, plan: TalkPlan, story: Story) -> None:
        self.plan, self.story, self.chance = plan, story, plan.chance("caller")

    async def __call__(self, line: Line) -> None:
        self.story.zero = asyncio.get_running_loop().time() - line.time
        acting = asyncio.ensure_future(self.act(line))
        leaving = asyncio.ensure_future(self.story.leave.wait())
        try:
            await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            acting.cancel()
            leaving.cancel()
            await asyncio.gather(acting, leaving, return_exceptions=True)

    async def act(self, line: Line) -> None:
        with suppress(CallHangupError):
            for _ in range(self.chance.randint(2, 9)):
                with suppress(TimeoutError):
                    await self.one(line)
            if self.chance.random() < 0.7:
                await line.pause(self.chance.uniform(0, 5))
            else:
                await line.stay(60)

    async def one(self, line: Line) -> None:
        chance, kind = self.chance, self.plan.caller
        if kind == "mixed":
            kind = chance.choice(("talks", "talks", "interrupts", "mumbles", "coughs", "presses", "silent"))
        match kind:
            case "talks":
                await line.hear_out(quiet_ms=chance.choice((300, 900, 2500)), timeout=10)
                await self.say(line)
            case "interrupts":
                await line.wait_until_agent_speaks(10)
                await line.pause(chance.uniform(0, 3))
                await self.say(line, chance.choice(("", "", "stop", "mhm", "no wait", "yes", "cancel")))
            case "mumbles":
                await line.pause(chance.uniform(0, 4))
                await line.mumble(chance.uniform(0.1, 3))
            case "coughs":
                await line.pause(chance.uniform(0, 4))
                await line.say(COUGH)
            case "presses":
                await line.pause(chance.uniform(0, 4))
                self.story.sounded.append(asyncio.get_running_loop().time())
                line.press("".join(chance.choice("0123456789*#") for _ in range(chance.randint(1, 4))))
                await line.wait_until_keys_pressed()
            case _:
                await line.pause(chance.uniform(1, 12))

    async def say(self, line: Line, words: str = "") -> None:
        words = words or self.story.words.some("caller", self.chance, 1, 5)
        await line.say(spell(words), words)
        now = asyncio.get_running_loop().time()
        self.story.said.append((words, now))
        self.story.sounded.append(now)
        await line.pause(self.chance.choice((0.0, 0.2, 1.5)))


def caller_of(plan: TalkPlan, story: Story) -> Caller:
    return Caller(plan, story)
