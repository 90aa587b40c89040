"""Who has the floor: a machine that takes events and the time, and returns commands. No clock, no loop, no socket.

                       voice                     voice ends, or words
    LISTENING ───────────────────▶ CALLER_SPEAKING ───────────────▶ ENDING_TURN
        ▲ ▲                           ▲    ▲   ◀──────── voice ─────── │     │
        │ └── no words came ──────────┼────┼───────────────────────────┘     │ the wait is over: turn
        │                             │    └──── words ── THINKING ◀─────────┘
        │ played                 stop │                      │ utterance
        └──────────── SPEAKING ───────┤◀─────────────────────┘
                       │    ▲         │ words
        voice for 0.5 s▼    │ no words came
                       PAUSED ────────┘

What the caller says is kept in `Caller` whatever the state, and is taken by exactly one turn. A turn is begun, then
committed or discarded; it is begun early when it is likely over (preemptive thinking). An utterance is queued by the
agent and started here, one at a time. Every wait is bounded by a wake-up.
"""

from __future__ import annotations

from typing import assert_never

from voice_runtime.turns import commands as do
from voice_runtime.turns import events as on
from voice_runtime.turns.caller import Caller
from voice_runtime.turns.commands import Command, State, Timer
from voice_runtime.turns.interruption import Verdict, judge
from voice_runtime.turns.lexicon import Meaning
from voice_runtime.turns.policy import Ending, FloorPolicy, KeyUse
from voice_runtime.turns.silence import Silence
from voice_runtime.turns.thinking import Phase, Turns
from voice_runtime.turns.timers import Timers
from voice_runtime.turns.utterances import Utterances

__all__ = ["Floor"]

_FREE = (State.LISTENING, State.CALLER_SPEAKING, State.ENDING_TURN)  # the agent neither thinks nor speaks
_TALKING = (State.SPEAKING, State.PAUSED)
_OF_THE_STATE = (Timer.TURN_END, Timer.RESUME, Timer.SILENCE, Timer.AGENT_STUCK)  # end with the state they were set in


class Floor:
    """The machine of one call."""

    def __init__(self, policy: FloorPolicy | None = None) -> None:
        self.state = State.LISTENING
        self._policy = policy or FloorPolicy()
        self._caller = Caller()
        self._turns = Turns()
        self._speech = Utterances()
        self._silence = Silence()
        self._timers = Timers()
        self._requests = 0  # to the end-of-turn model
        self._limited = 0  # the turn that was cut by a limit: more words do not take it back
        self._keyed_until = float("-inf")  # a terminator up to then belongs to the keys that were enough without it
        self._paused_at = 0.0
        self._now = 0.0
        self._out: list[Command] = []

    def handle(self, event: on.Event, now: float) -> list[Command]:
        """What to do about `event`. `now`: seconds of any clock that does not run backwards."""
        self._now, self._out = now, []
        if self.state is not State.ENDED:
            self._handle(event)
        return self._out

    def _handle(self, event: on.Event) -> None:
        match event:
            case on.CallStarted():
                if self.state is State.LISTENING:
                    self._listen()
            case on.CallEnded():
                self._end_call()
            case on.PolicyChanged(policy):
                self._policy = policy
                if self.state is State.LISTENING:
                    self._listen()
            case on.Wakeup(token):
                self._woke(token)
            case on.VoiceStarted(voiced, detected):
                self._voice_started(voiced, detected)
            case on.VoiceStopped(silence):
                self._voice_stopped(self._now - silence)
            case on.AudioStalled():
                self._voice_stopped(self._now)
            case on.PartialHeard(text, confidence):
                if self._caller.hear_partial(text, self._now, self._policy):
                    self._words_came(confidence)
            case on.FinalHeard(text, confidence):
                self._final_heard(text, confidence)
            case on.NotUnderstood():
                self._silence.broken()
            case on.KeyPressed(key):
                self._key_pressed(key)
            case on.EndOfTurnEstimated(request, probability):
                self._estimated(request, probability)
            case on.TurnDeclared():
                if self.state in _FREE:
                    self._take_turn()
            case on.ThinkingEnded(turn):
                if self._turns.answered(turn) and self.state is State.THINKING:
                    self._give_floor()
            case on.UtteranceQueued(utterance, turn, interruptible):
                self._speech.add(utterance, turn, interruptible)
                self._speak_next()
            case on.SpeechHeard(utterance):
                self._speech.heard(utterance)
                self._caller.agent_heard(self._now)
            case on.UtteranceEnded(utterance):
                if self._speech.ended(utterance):
                    self._caller.agent_spoke()
                    self._give_floor()
            case on.InterruptRequested(force):
                self._interrupt(force=force)
            case _:
                assert_never(event)

    # -- the caller's voice -------------------------------------------------------------------------------------------

    def _voice_started(self, voiced: float, detected: bool) -> None:
        if self._caller.voiced:
            return
        self._caller.voice_started(self._now - voiced, detected, self._policy)
        self._wake_in(Timer.VOICE_STUCK, self._policy.voice_limit)
        if self.state in (State.LISTENING, State.ENDING_TURN):
            self._enter(State.CALLER_SPEAKING)
        elif self.state in (State.THINKING, State.SPEAKING):
            self._confirm_voice()

    def _voice_stopped(self, at: float) -> None:
        if not self._caller.voiced:
            return
        self._caller.voice_stopped(at)
        self._out.append(do.FinaliseStt())
        if self.state is State.CALLER_SPEAKING:
            self._await_end()
        elif self.state is State.PAUSED:
            self._wake_in(Timer.RESUME, self._resume_at() - self._now)

    # -- the caller's words and keys ----------------------------------------------------------------------------------

    def _final_heard(self, text: str, confidence: float | None) -> None:
        if self._policy.ending is not Ending.WORDS and self._turns.committed:
            if text.strip():  # the turn was taken without its words: these are they
                self._out += self._turns.correct(f"{self._turns.committed_text} {text.strip()}".strip())
            return
        heard = self._caller.words.hear_final(text)
        if heard.corrected is not None:
            self._out += self._turns.correct(heard.corrected)
        if heard.fresh:
            self._words_came(confidence, final=True)

    def _words_came(self, confidence: float | None, *, final: bool = False) -> None:
        self._input_came()
        limit, text = self._policy.max_turn_words, self._caller.words.text
        if self.state in _FREE:
            if limit is not None and sum(self._policy.lexicon.weight(text)) >= limit:
                self._cut_turn(limited=True)
            elif self._caller.voiced:
                self._enter(State.CALLER_SPEAKING)
            else:
                self._await_end()
        elif self.state is State.THINKING:
            if self._takes_turn_back():
                self._interrupt()
        elif self._speech.current is not None:
            suspected = self.state is State.PAUSED or not self._speech.current.audible
            match judge(self._policy, text, confidence, final=final, suspected=suspected):
                case Verdict.STOP:
                    self._interrupt()
                case Verdict.RESUME if self.state is State.PAUSED:
                    self._resume()
                case _:
                    pass

    def _input_came(self) -> None:
        """The pending words or keys are others now. They wait for a bounded time, and prove that somebody is there."""
        words, policy = self._caller.words, self._policy
        if self._caller.input_came(self._now, policy) and policy.max_turn is not None:
            self._wake_in(Timer.TURN_LIMIT, policy.max_turn)
        self._wake_in(Timer.TURN_STALL, policy.turn_stall)
        if self._caller.voiced:
            self._wake_in(Timer.VOICE_STUCK, policy.voice_limit)
        self._silence.broken()
        self._out += self._turns.contradict(words.text, words.keys)

    def _takes_turn_back(self) -> bool:
        """While the agent thinks: whether the caller was not done after all."""
        words = self._caller.words
        meant = self._policy.lexicon.meaning(words.text) in (Meaning.WORDS, Meaning.STOP)
        return self._turns.number != self._limited and (meant or bool(words.keys))

    def _key_pressed(self, key: str) -> None:
        self._silence.broken()
        if self._policy.keys is KeyUse.PROGRAM:
            if self._policy.keys_interrupt:
                self._stop_speech()  # only that: whoever collects keys may be what the agent is busy with
            if self.state is State.LISTENING:
                self._listen()
            return
        words = self._caller.words
        if words.keys and key == self._policy.key_terminator and self.state in _FREE:
            self._take_turn()
            return
        if not words.keys and key == self._policy.key_terminator and self._now < self._keyed_until:
            self._keyed_until = float("-inf")
            return
        words.keys += key
        self._input_came()
        if self.state in (State.LISTENING, State.ENDING_TURN):
            self._await_end()
        elif self.state is State.THINKING or self._policy.keys_interrupt:
            self._interrupt()

    # -- the end of the caller's turn ---------------------------------------------------------------------------------

    def _await_end(self) -> None:
        """The caller is silent: for how long until the turn is over?"""
        self._enter(State.ENDING_TURN)
        caller, policy = self._caller, self._policy
        words = caller.words
        if policy.ask_model and words.text and words.text != caller.asked_for:
            self._requests += 1
            caller.asked_for, caller.waits_for_model = words.text, True
            self._out.append(do.AskEndOfTurn(self._requests, words.text))
        self._speculate()
        wait = caller.due(policy) - self._now
        if wait > 0:
            self._wake_in(Timer.TURN_END, wait)
        else:
            self._turn_is_over()

    def _estimated(self, request: int, probability: float | None) -> None:
        if request == self._requests and self._caller.waits_for_model:
            self._caller.waits_for_model, self._caller.probability = False, probability
            if self.state is State.ENDING_TURN:
                self._await_end()

    def _speculate(self) -> None:
        caller, policy = self._caller, self._policy
        likely = not caller.waits_for_model if caller.probability is None else caller.probability >= policy.likely_end
        possible = policy.preemptive and self._turns.speculations < policy.speculations
        if likely and possible and caller.words.text and not caller.words.unfinished and not self._wants_more():
            self._out += self._turns.speculate(caller.words.text, caller.words.keys)

    def _turn_is_over(self) -> None:
        if self._wants_more():
            self._listen()
            self._speak_next()
        elif self._caller.has_turn(self._policy):
            self._take_turn()
        else:
            self._caller.turn_taken()
            self._give_floor()

    def _take_turn(self) -> None:
        text, keys = self._caller.words.take()
        self._caller.turn_taken()
        if self._policy.max_keys is not None and len(keys) >= self._policy.max_keys:
            self._keyed_until = self._now + self._policy.key_wait
        self._silence.broken()
        self._out += self._turns.commit(text, keys)
        self._think()
        self._speak_next()

    def _cut_turn(self, *, limited: bool = False) -> None:
        """The turn is over although the voice goes on: what comes is another turn."""
        if self._caller.voiced:
            self._caller.voice_stopped(self._now)
            self._out.append(do.FinaliseStt())
        self._turn_is_over()
        if limited:
            self._limited = self._turns.number

    # -- the agent's side ---------------------------------------------------------------------------------------------

    def _think(self) -> None:
        self._enter(State.THINKING)
        self._wake_in(Timer.AGENT_STUCK, self._policy.thinking_limit)

    def _speak_next(self) -> None:
        if self.state in (State.LISTENING, State.THINKING):
            commands = self._speech.take(self._turns)
            self._out += commands
            if any(isinstance(command, do.StartSpeech) for command in commands):
                self._silence.agent_speaks()
                self._speak()
                self._confirm_voice()  # the caller may speak already: not over them

    def _speak(self) -> None:
        self._enter(State.SPEAKING)
        self._wake_in(Timer.AGENT_STUCK, self._policy.speaking_limit)

    def _confirm_voice(self) -> None:
        """If the caller speaks: it has to go on for a while to count."""
        if (at := self._caller.voice_counts_at(self._policy)) is not None:
            self._wake_in(Timer.VOICE_CONFIRM, at - self._now)

    def _voice_confirmed(self) -> None:
        """The caller's voice has gone on for long enough while the agent has the floor."""
        policy, speech = self._policy, self._speech.current
        if not self._caller.voiced or self.state not in (State.THINKING, State.SPEAKING):
            return
        if policy.ending is not Ending.WORDS or (speech is not None and policy.resume_after is None):
            self._interrupt()
        elif speech is not None and speech.interruptible and policy.resume_after is not None:
            self._paused_at = self._now
            self._out.append(do.PauseSpeech(speech.number))
            self._enter(State.PAUSED)
            self._wake_in(Timer.RESUME, policy.resume_after)

    def _resume_at(self) -> float:
        """When paused speech goes on: when the voice is over and its words would have come, but not too late."""
        latest = self._paused_at + max(self._policy.pause_limit, self._policy.resume_after or 0.0)
        if self._caller.voiced:
            return latest
        words_by = (self._caller.voice_end or 0.0) + self._policy.final_wait
        return min(max(self._paused_at + (self._policy.resume_after or 0.0), words_by), latest)

    def _resume(self) -> None:
        if self._speech.current is not None:
            self._out.append(do.ResumeSpeech(self._speech.current.number))
            self._speak()

    def _interrupt(self, *, force: bool = False) -> None:
        """Take the floor from the agent: stop what is said, think no more, drop what waits."""
        if self._speech.current is not None and not (force or self._speech.current.interruptible):
            return
        had_floor = self.state not in _FREE
        if self._speech.current is not None:
            self._out.append(do.StopSpeech(self._speech.current.number))
            self._speech.ended(self._speech.current.number)
        if had_floor:
            self._out += self._turns.cancel()
        self._out += self._speech.drop(force=force)
        if had_floor:
            self._give_floor()

    def _stop_speech(self) -> None:
        """Stop what is said, no more than that."""
        speech = self._speech.current
        if speech is not None and speech.interruptible:
            self._out.append(do.StopSpeech(speech.number))
            self._speech.ended(speech.number)
            self._give_floor()

    def _give_floor(self) -> None:
        """Nothing is being said: whose turn is it?"""
        caller, spoke = self._caller, self.state in _TALKING
        if self._turns.phase is Phase.THINKING and self._takes_turn_back():
            self._out += self._turns.cancel()  # said over speech that was not to be interrupted
        if self._turns.phase is Phase.THINKING:
            self._think()
        elif caller.voiced:
            self._enter(State.CALLER_SPEAKING)
            self._wake_in(Timer.TURN_STALL, self._policy.turn_stall)
        elif not caller.has_turn(self._policy) or (spoke and self._wants_more(answers=False)):
            self._listen()
        elif spoke and self._is_old_backchannel():
            self._enter(State.ENDING_TURN)
            self._wake_in(Timer.TURN_STALL, self._policy.turn_stall)
        else:
            self._await_end()
        self._speak_next()

    def _is_old_backchannel(self) -> bool:
        """Whether all that the caller said over the agent was an "ok", too early to answer how the agent ended."""
        early = self._now - self._caller.input_at > self._policy.answer_window
        return early and self._is_backchannel()

    def _wants_more(self, *, answers: bool = True) -> bool:
        """Whether all that the caller said is an "mhm", and there is more to say: they still wait for an answer."""
        return self._speech.waiting(self._turns, answers=answers) and self._is_backchannel()

    def _is_backchannel(self) -> bool:
        words = self._caller.words
        return not words.keys and self._policy.lexicon.meaning(words.text) is Meaning.BACKCHANNEL

    # -- time ---------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._enter(State.LISTENING)
        wait = self._silence.wait(self._policy.silence, self._now)
        if wait is not None:
            self._wake_in(Timer.SILENCE, wait)

    def _woke(self, token: int) -> None:
        match self._timers.rung(token):
            case Timer.TURN_END:
                self._turn_is_over()
            case Timer.TURN_STALL | Timer.TURN_LIMIT as timer:
                if self.state in _FREE and self._caller.has_turn(self._policy):
                    self._cut_turn(limited=timer is Timer.TURN_LIMIT)
            case Timer.VOICE_CONFIRM:
                self._voice_confirmed()
            case Timer.VOICE_STUCK:
                self._voice_stopped(self._now)
            case Timer.RESUME:
                if self._now < self._resume_at():
                    self._wake_in(Timer.RESUME, self._resume_at() - self._now)
                else:
                    self._resume()
            case Timer.SILENCE:
                self._out.append(self._silence.lasted(self._policy.silence, self._now))
                self._listen()
            case Timer.AGENT_STUCK:
                self._interrupt(force=True)
            case None:
                pass

    def _wake_in(self, timer: Timer, delay: float) -> None:
        self._out.append(self._timers.set(timer, delay))

    def _enter(self, state: State) -> None:
        self._timers.forget(*_OF_THE_STATE)
        if state is not self.state:
            self.state = state
            self._out.append(do.ReportState(state))

    def _end_call(self) -> None:
        self._out += self._turns.cancel()
        if self._caller.words:
            self._out.append(do.RecordUnanswered(*self._caller.words.take()))
        self._enter(State.ENDED)
