"""The shell around the floor, for one call: what happens goes in, what is to be done comes out and is done here.

`Floor` decides who speaks; nothing here does. What is decided here is what the agent does when something it needs fails
or is slow: fillers, an apology, and the end of the call with a reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, assert_never

from voice_runtime.agent.answering import Answering
from voice_runtime.agent.asking import Questions
from voice_runtime.agent.deafness import Deafness
from voice_runtime.agent.ears import Ears
from voice_runtime.agent.end_of_turn import EndOfTurn
from voice_runtime.agent.ending import Ending
from voice_runtime.agent.entrance import Entrance
from voice_runtime.agent.memory import Memory
from voice_runtime.agent.mouth import Mouth
from voice_runtime.agent.reply import Reply
from voice_runtime.agent.seat import Seat
from voice_runtime.agent.sounds import ThinkingSound
from voice_runtime.agent.spend import Spend
from voice_runtime.agent.states import States
from voice_runtime.agent.stopwatch import TurnWatch
from voice_runtime.agent.talk import AgentTalk
from voice_runtime.agent.thinking import Thinking
from voice_runtime.agent.toolbox import Toolbox
from voice_runtime.agent.voice import HURRY_SECONDS, Voice, fault_of
from voice_runtime.agent.voicemail import leave_message
from voice_runtime.agent.watch import SilenceWatch
from voice_runtime.errors import ConfigurationError
from voice_runtime.events import (
    CallEvent,
    EndReason,
    FloorChanged,
    PlaybackOutcome,
    ProviderFailed,
    UtteranceAudible,
    UtteranceFinished,
)
from voice_runtime.llm import AgentItem, History, Turn, UserItem
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import TaskOwner
from voice_runtime.turns import commands as do
from voice_runtime.turns import events as on
from voice_runtime.turns.commands import State, Timer
from voice_runtime.turns.floor import Floor
from voice_runtime.turns.policy import KeyUse

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["Conversation"]

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""How long after the end of a call its last utterance may take to be accounted for."""


class Conversation:
    """One call of an agent. Everything happens on the call's loop."""

    def __init__(self, agent: Agent[Any], call: VoiceSession) -> None:
        self.history = History()
        self._call = call
        self._seat = Seat(agent, call, self.history, start=self._start, taken=self._taken_over)
        self._floor = Floor(agent.policy)
        self._measured = TurnWatch(call)
        self._ears = Ears(self._tell, agent.policy.lexicon, detector=call.detects_voice)
        self._mouth = Mouth(call, self.history, tell=self._tell, start=self._start, on_spoken=self._spoken)
        self._tools = Toolbox(agent, (call, self), call, self.history, hand_off=self._seat.ask_for)
        self._memory = Memory(self._seat, call, self._start)
        answering = Answering(self._seat, call, self.history, self._memory, self._tools, self._measured)
        self._thinking = Thinking(
            self._seat,
            call,
            self.history,
            self._mouth,
            answering,
            tell=self._tell,
            start=self._start,
            failed=self._failed,
        )
        self._questions = Questions(
            self._seat, call, tell=self._tell, start=self._start, park=self._park, resume=self._thinking.resume
        )
        self._tools.asked = lambda: self._questions.seconds
        self._talk = AgentTalk(call, self._seat, self._memory, self.history, self._mouth, self._questions, self._start)
        call.talk = self._talk
        self._ending = Ending(call, self._seat, self._talk, self._mouth, self._serve)
        self._entrance = Entrance(call, self._seat, self._talk, self._questions, self._crashed)
        self._end_of_turn = EndOfTurn(agent.end_of_turn, self._tell, self._start)
        self._states = States(call.report_state)
        self._voice = Voice(call)
        self._deafness = Deafness(self._unheard)
        self._thinking_sound = ThinkingSound(call, agent.sounds.thinking_after)
        self._watch = SilenceWatch(call, agent.limits.patience, self._break_silence)
        self._tasks = TaskOwner("agent")  # turns and utterances
        self._services = TaskOwner("agent")  # what runs beside them
        self._events: deque[on.Event] = deque()
        self._telling = False
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._turns = 0
        self._failures = 0  # in a row
        self._spend: Spend | None = None
        self._crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def _agent(self) -> Agent[Any]:
        return self._seat.agent

    async def hold(self) -> None:
        """From the greeting to the end of the call. Raises what a hook raises."""
        call, agent = self._call, self._agent
        if call.tts is None:
            raise ConfigurationError("An agent needs a voice.", remedy="VoiceApp(tts=...), or VOICE_TTS.")
        unlisten = call.on_event(self._happened)
        try:
            await self._sound(agent)
            agent.make_context(call)
            self._equip(agent)
            self._serve("watch", self._watch.run())
            self._watch.caller_waits(True)  # for the greeting
            await self._or_crash(self._begin())
            self._tell(on.CallStarted())  # only now is it the caller's turn to say something
            if self._floor.state is State.LISTENING:  # without a greeting, nothing has changed yet that would say so
                self._report(State.LISTENING)
                self._watch.caller_waits(False)
            if agent.limits.max_seconds is not None:
                self._serve("limit", self._limit(agent.limits.max_seconds))
            if agent.limits.max_spend is not None:
                self._spend = Spend(call, agent.limits.prices, agent.limits.max_spend, self._spent)
            ended = self._serve("ended", call.wait_ended())
            await asyncio.wait({ended, self._crash}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._close()
            unlisten()
            self._measured.close()
            if self._spend is not None:
                self._spend.close()
            await self._seat.end()
        if self._crash.done():
            self._crash.result()

    # -- what tools may ask for ----------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """End the call when the answer to this turn has been heard to its end. A caller who interrupts it stays."""
        self._thinking.make_last()

    @contextmanager
    def collecting_keys(self) -> Iterator[None]:
        """Meanwhile keys are no part of what the caller says, and the caller is not waiting: somebody waits for them.

        Nor do they stop a prompt. Words still interrupt.
        """
        policy = self._agent.policy
        self._tell(on.PolicyChanged(replace(policy, keys=KeyUse.PROGRAM, keys_interrupt=False)))
        try:
            with self._watch.paused():
                yield
        finally:
            self._tell(on.PolicyChanged(policy))

    async def _or_crash(self, work: Coroutine[Any, Any, None]) -> None:
        done = self._serve("enter", work)
        await asyncio.wait({done, self._crash}, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            self._crash.result()
        done.result()

    async def _begin(self) -> None:
        opening = await self._seat.begin()
        who = self._call.answered_by
        if who is not None and who.machine:
            self._serve("voicemail", leave_message(self._call, who, self._talk, self._agent.phrases.voicemail))
            return
        for phrase in (*opening.messages, opening.greeting):
            self._talk.say(phrase)

    async def _close(self) -> None:
        """Let what was said last be accounted for, if the call has ended; end the rest."""
        self._tell(on.CallEnded())
        self._ears.close()
        self._deafness.close()
        self._call.stream.set_background(None)
        self._mouth.close()
        for timer in self._timers.values():
            timer.cancel()
        await self._services.close()
        ended = self._call.is_disconnected
        await asyncio.gather(self._tasks.finish(SETTLE_SECONDS if ended else 0.0), self._tools.close())

    # -- who answers ---------------------------------------------------------------------------------------------------

    def _equip(self, agent: Agent[Any]) -> None:
        call = self._call
        given = (call, self) if call.context is None else (call, self, call.context)
        self._tools.equip(agent, given)
        if call.phrase_cache is not None and call.tts is not None:
            call.phrase_cache.keep(call.tts, agent.fixed_phrases)

    def _taken_over(self, agent: Agent[Any]) -> None:
        """Another agent has the call."""
        self._equip(agent)
        self._tell(on.PolicyChanged(agent.policy))
        self._ears.lexicon = agent.policy.lexicon
        self._end_of_turn.model = agent.end_of_turn
        self._watch.patience = agent.limits.patience
        self._thinking_sound.after = agent.sounds.thinking_after
        self._start("sounds", self._sound(agent))

    async def _sound(self, agent: Agent[Any]) -> None:
        self._call.stream.set_background(await agent.sounds.for_call())

    # -- events in, commands out ---------------------------------------------------------------------------------------

    def _happened(self, event: CallEvent) -> None:
        self._voice.happened(event)
        match event:
            case UtteranceAudible() | UtteranceFinished():
                self._mouth.happened(event)
                self._states.happened(event, self._floor.state)
            case ProviderFailed(kind="stt"):
                self._ending.failed(fault_of(event))
            case _:
                self._ears.hear(event, agent_speaks=self._floor.state in (State.SPEAKING, State.PAUSED))

    def _tell(self, event: on.Event) -> None:
        """Tell the floor, now or, from within a command, when that is done; and do what it says."""
        self._events.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._events:
                self._measured.told(told := self._events.popleft())
                self._deafness.told(told)
                self._ending.told(told)
                for command in self._floor.handle(told, self._call.clock.monotonic()):
                    self._do(command)
                    self._measured.did(command)
        except Exception as error:  # a fault of ours, in a callback: it must end this call's handler, not be lost
            self._crashed(error)
        finally:
            self._telling = False

    def _do(self, command: do.Command) -> None:
        match command:
            case do.ScheduleWakeup(timer, delay, token):
                if (old := self._timers.pop(timer, None)) is not None:
                    old.cancel()
                loop = asyncio.get_running_loop()
                self._timers[timer] = loop.call_later(delay, self._tell, on.Wakeup(token))
            case do.ReportState(state):
                self._states.floor_changed(state)
                self._report(state)
                self._thinking_sound.thinks(state is State.THINKING)
                self._watch.caller_waits(state in (State.THINKING, State.SPEAKING) or not self._seat.begun)
            case do.FinaliseStt():
                if self._ears.detector:  # else it is the recogniser itself who said so
                    self._call.finalise_stt()
            case do.AskEndOfTurn(request, text):
                self._end_of_turn.ask(request, Turn(text, history=tuple(self.history)))
            case do.BeginTurn(turn, text, keys):
                wanted = not self._ending.decided
                self._thinking.begin(turn, UserItem(text, keys), self._questions.current, wanted=wanted)
            case do.CommitTurn():
                self._commit_turn()
            case do.DiscardTurn() | do.CancelThinking():
                self._thinking.cancel()
            case do.CorrectTurn(turn, text):
                self._thinking.correct(turn, text)
            case do.RecordUnanswered(text, keys):
                self.history.add(UserItem(text, keys))
            case do.StartSpeech(utterance):
                self._mouth.start(utterance)
            case do.PauseSpeech(utterance):
                self._mouth.pause(utterance)
            case do.ResumeSpeech(utterance):
                self._mouth.resume(utterance)
            case do.StopSpeech(utterance):
                self._states.speech_stopped()
                self._mouth.stop(utterance)
            case do.DropSpeech(utterance):
                self._mouth.drop(utterance)
            case do.PromptSilentCaller(stage):
                self._talk.say(self._prompt(stage))
            case do.GiveUpOnCaller():
                self._ending.decide(EndReason.CALLER_SILENT)
            case _:
                assert_never(command)

    def _commit_turn(self) -> None:
        self._turns += 1
        limit = self._agent.limits.max_turns
        if limit is not None and self._turns > limit:
            self._ending.decide(EndReason.MAX_TURNS, f"the agent's limit of {limit} turns")
        self._thinking.commit(wanted=not self._ending.decided)

    def _report(self, state: State) -> None:
        if not self._call.is_disconnected:  # the end of the call is the last of its events
            self._call.hub.publish(FloorChanged(self._call.elapsed(), state))

    def _park(self, prompt: str) -> None:
        """The caller is asked something."""
        if not self._thinking.park(prompt):
            self._talk.say(prompt)

    def _prompt(self, stage: int) -> str:
        """For a caller who says nothing."""
        if self._questions.current is not None:
            return self._questions.current.silence()
        prompts = self._agent.phrases.still_there
        return prompts[min(stage, len(prompts)) - 1] if prompts else ""

    # -- speaking ------------------------------------------------------------------------------------------------------

    def _spoken(self, reply: Reply, outcome: PlaybackOutcome) -> None:
        if self._thinking.spoken(reply, outcome):
            self._failures = 0
        if self._thinking.ends_call(reply, outcome):
            self._call.request_disconnect(EndReason.AGENT_HUNG_UP, "the agent said goodbye")
        if outcome is PlaybackOutcome.FAILED and not self._failed(self._voice.fault):
            self._talk.say(self._agent.phrases.apology)
        self._measured.spoken(reply.heard, reply.unfinished)
        if reply.heard:
            item = AgentItem(reply.heard, reply.unfinished)
            self._start("agent-turn", self._agent.agent_turn(self._call, item))

    # -- when something fails, or is slow ------------------------------------------------------------------------------

    def _break_silence(self) -> float:
        """The caller waits, and has heard nothing for as long as anybody's patience lasts. How long to wait now."""
        if not self._seat.begun and self._mouth.current is None:
            self._entrance.late()
            return self._agent.limits.patience
        reply = self._mouth.current or self._thinking.reply
        if reply is None or self._call.waive_proof():  # a carrier that loses a mark: nobody waits for the agent
            return self._agent.limits.patience
        if reply.starved:
            if reply is self._thinking.reply:
                self._thinking.late()
            else:
                reply.give_up()
            return self._agent.limits.patience
        if self._voice.is_gone():
            self._call.request_disconnect(EndReason.PROVIDER_FAILED, self._voice.fault)
        elif filler := self._thinking.filler(reply, self._voice.has_ready):
            self._mouth.begin_again_with(filler)
        return HURRY_SECONDS

    def _unheard(self, times: int) -> None:
        """The caller has spoken, and no words came of it."""
        if self._floor.state is not State.LISTENING or not self._seat.begun:
            return
        if times > self._agent.limits.failures:
            self._ending.failed("stt: no words for a voice")
        else:
            self._tell(on.NotUnderstood())
            self._talk.say(self._agent.phrases.unheard)

    def _failed(self, why: str) -> bool:
        """A turn failed. Whether that was one too many, and the call ends."""
        self._failures += 1
        self._measured.failed()
        log.error("call %s: a turn failed: %s", self._call.call_sid, why)
        if self._failures < self._agent.limits.failures:
            return False
        self._ending.failed(why)
        return True

    async def _limit(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._ending.decide(EndReason.MAX_DURATION, f"the agent's limit of {seconds:g} s")

    def _spent(self) -> None:
        limit = self._agent.limits.max_spend
        self._ending.decide(EndReason.MAX_SPEND, f"the agent's limit of {limit:g} on what a call costs")

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def _serve(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self._start(name, work, self._services)

    def _start(self, name: str, work: Coroutine[Any, Any, Any], owner: TaskOwner | None = None) -> asyncio.Task[Any]:
        """A task whose failure is the conversation's."""
        task = (self._tasks if owner is None else owner).start(name, work)
        task.add_done_callback(lambda done: None if done.cancelled() else self._crashed(done.exception()))
        return task

    def _crashed(self, error: BaseException | None) -> None:
        if error is not None and not self._crash.done():
            self._crash.set_exception(error)
            self._crash.exception()  # it counts as seen: the task that failed was logged
