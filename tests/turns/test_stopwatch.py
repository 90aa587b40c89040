"""The stopwatch of turns, as transcripts: what the floor was told and did, and what the caller's wait is said to be."""

from __future__ import annotations

import pytest
from floor_play import FloorPlay
from hypothesis import given, settings
from test_floor_properties import policies, run, steps

from voice_runtime.events import (
    AgentInterrupted,
    AgentTurnFinished,
    CallerTurnTaken,
    CallEvent,
    PlaybackOutcome,
    TurnMeasured,
    UtteranceAudible,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.turns import commands as do
from voice_runtime.turns import events as on
from voice_runtime.turns.policy import FloorPolicy
from voice_runtime.turns.stopwatch import Stopwatch


class Play(FloorPlay):
    """A floor with a stopwatch beside it. What it publishes is in `told`, as lines."""

    def __init__(self, policy: FloorPolicy | None = None) -> None:
        super().__init__(policy)
        self.watch = Stopwatch()
        self.told: list[str] = []

    def _feed(self, event: on.Event) -> list[str]:
        done = len(self.commands)
        self.note(self.watch.told(event, self.now))
        lines = super()._feed(event)
        for command in self.commands[done:]:
            self.note(self.watch.did(command, self.now))
        return lines

    def note(self, events: list[CallEvent]) -> None:
        self.told += [said(event) for event in events]

    def brain(self, at: float, *, asked: int = 0, text: int = 0) -> None:
        self.until(at)
        if asked:
            self.watch.asked(asked, at)
        if text:
            self.watch.text_began(text, at)

    def say(self, number: int, at: float, audible: float, sent: float, plays: float, finished: float) -> None:
        """The session says an utterance, whatever the floor thinks of it meanwhile."""
        self.until(at)
        self.note(self.watch.uttered(UtteranceStarted(at, number, "")))
        self.note(self.watch.uttered(UtteranceAudible(audible, number)))
        self.at(audible, on.SpeechHeard(number))
        self.until(finished)
        over = UtteranceFinished(finished, number, "", PlaybackOutcome.PLAYED, 0, 0, 0, "", sent, plays, 10)
        self.note(self.watch.uttered(over))


def said(event: CallEvent) -> str:
    match event:
        case TurnMeasured():
            parts = " ".join(f"{time.stage}={time.ms:.0f}" for time in event.stages)
            latency = "none" if event.latency_ms is None else f"{event.latency_ms:.0f}"
            return f"turn {event.turn} {event.outcome} {latency}: {parts}".strip(" :")
        case AgentInterrupted():
            return f"{'paused' if event.paused else 'stopped'} after {event.latency_ms:.0f}"
        case CallerTurnTaken():
            return f"taken {event.turn} {event.text!r}{event.keys}"
        case AgentTurnFinished():
            return f"finished {event.turn} {event.heard_text!r}"
        case _:
            return type(event).__name__


PLAIN = FloorPolicy(preemptive=False)


def asked(play: Play) -> None:
    """The voice ends at 1.0, its words come at 1.2, and the turn is taken at 1.5."""
    play.at(0.0, on.CallStarted(), on.VoiceStarted())
    play.at(1.1, on.VoiceStopped(0.1))
    play.at(1.2, on.FinalHeard("two pizzas"))
    play.brain(1.6, asked=1)
    play.brain(1.9, text=1)


def test_the_parts_of_a_turn() -> None:
    """Each has the time from the one before; a voice detector tells the end of the voice, which is where it begins."""
    play = Play(PLAIN)
    asked(play)
    play.at(2.0, on.UtteranceQueued(1, 1))
    play.say(1, 2.0, audible=2.25, sent=2.27, plays=2.3, finished=3.0)
    play.at(3.0, on.ThinkingEnded(1), on.UtteranceEnded(1))
    assert play.told == [
        "taken 1 'two pizzas'",
        "turn 1 completed 1300: transcribing=200 waiting=300 preparing=100 thinking=300 writing=100 queueing=0 "
        "synthesising=250 sending=20 playing=30",
    ]


def test_thinking_ahead_costs_the_caller_nothing() -> None:
    """The brain is asked when the words come, before the turn is taken: what is ready by then took no time."""
    play = Play(FloorPolicy(preemptive=True))
    play.at(0.0, on.CallStarted(), on.VoiceStarted())
    play.at(1.1, on.VoiceStopped(0.1))
    play.at(1.2, on.FinalHeard("two pizzas"))
    play.brain(1.2, asked=1)
    play.brain(1.4, text=1)
    play.at(1.45, on.UtteranceQueued(1, 1))
    play.say(1, 1.5, audible=1.6, sent=1.6, plays=1.6, finished=3.0)
    play.at(3.0, on.ThinkingEnded(1), on.UtteranceEnded(1))
    assert play.told[-1] == (
        "turn 1 completed 600: transcribing=200 waiting=300 preparing=0 thinking=0 writing=0 queueing=0 "
        "synthesising=100 sending=0 playing=0"
    )


def test_a_wrong_guess_is_told_as_one() -> None:
    """The caller goes on: the turn that was begun is discarded, without a latency, and the next one is measured."""
    play = Play(FloorPolicy(preemptive=True))
    play.at(0.0, on.CallStarted(), on.VoiceStarted())
    play.at(1.1, on.VoiceStopped(0.1))
    play.at(1.2, on.FinalHeard("two pizzas"))
    play.brain(1.2, asked=1)
    play.at(1.3, on.VoiceStarted(0.1))
    play.at(1.9, on.VoiceStopped(0.1))
    play.at(2.0, on.FinalHeard("and a salad"))
    play.until(3.0)
    assert play.told == ["turn 1 discarded none", "taken 2 'two pizzas and a salad'"]


def test_keys_begin_at_the_last_key() -> None:
    """A turn of keys has no voice: the wait begins with the last of them."""
    play = Play(PLAIN)
    play.at(0.0, on.CallStarted())
    play.at(1.0, on.KeyPressed("4"))
    play.at(1.5, on.KeyPressed("2"))
    play.at(2.0, on.KeyPressed("#"))
    play.brain(2.0, asked=1)
    play.at(2.0, on.ThinkingEnded(1))
    assert play.told == ["taken 1 ''42", "turn 1 completed none: waiting=0 preparing=0"]


def test_without_a_detector_it_begins_at_the_last_new_word() -> None:
    """The recogniser's final repeats its partial 600 ms later: that was its own wait, and is told as its own."""
    play = Play(PLAIN)
    play.at(0.0, on.CallStarted(), on.VoiceStarted())
    play.at(1.0, on.PartialHeard("two pizzas"))
    play.at(1.6, on.VoiceStopped(0.0), on.FinalHeard("Two pizzas."))
    play.brain(2.1, asked=1)
    play.at(2.2, on.ThinkingEnded(1))
    assert play.told[-1] == "turn 1 completed none: transcribing=600 waiting=500 preparing=0"


def interrupted(play: Play, *more: on.Event) -> None:
    asked(play)
    play.at(2.0, on.UtteranceQueued(1, 1))
    play.say(1, 2.0, audible=2.0, sent=2.0, plays=2.0, finished=3.0)
    play.told.clear()
    play.watch.uttered(UtteranceStarted(3.0, 2, ""))
    play.at(4.0, *more)


def test_an_interruption_is_measured_from_the_onset() -> None:
    """A voice that began 100 ms before it was noticed pauses the agent half a second after its onset."""
    play = Play(PLAIN)
    interrupted(play, on.VoiceStarted(0.1))
    play.until(4.5)
    assert play.told == ["paused after 500"]
    play.at(4.6, on.PartialHeard("no wait please"))
    assert play.told == ["paused after 500"]  # it is silent already


def test_what_the_program_stops_was_no_interruption_by_the_caller() -> None:
    """Nor is an utterance of which nothing was heard."""
    play = Play(PLAIN)
    interrupted(play, on.InterruptRequested())
    assert not [line for line in play.told if "after" in line]
    other = Play(PLAIN)
    asked(other)
    other.at(2.0, on.UtteranceQueued(1, 1))
    other.at(2.1, on.VoiceStarted(0.0))
    other.at(2.2, on.FinalHeard("no stop"))
    assert not [line for line in other.told if "after" in line]


def test_an_interrupted_turn_waits_for_the_account_of_what_was_sent() -> None:
    """It is told when the session is done with the utterance, even if the next turn has begun by then."""
    play = Play(PLAIN)
    asked(play)
    play.at(2.0, on.UtteranceQueued(1, 1))
    play.note(play.watch.uttered(UtteranceStarted(2.0, 1, "")))
    play.at(2.2, on.SpeechHeard(1))
    play.at(3.0, on.VoiceStarted(0.0), on.FinalHeard("stop"))
    play.note(play.watch.did(do.BeginTurn(2, "stop"), 3.0))
    assert not [line for line in play.told if "turn 1" in line]
    over = UtteranceFinished(3.1, 1, "", PlaybackOutcome.INTERRUPTED, 0, 0, 0, "", 2.2, 2.2, 10)
    play.note(play.watch.uttered(over))
    assert play.told[-1].startswith("turn 1 interrupted 1200: ")


class Session(Play):
    """A session that says what the floor starts, and is done with what it stops a little later."""

    def __init__(self, policy: FloorPolicy | None = None) -> None:
        super().__init__(policy)
        self.measured: list[TurnMeasured] = []
        self.taken: list[int] = []
        self._saying = False

    def note(self, events: list[CallEvent]) -> None:
        self.measured += [event for event in events if isinstance(event, TurnMeasured)]
        self.taken += [event.turn for event in events if isinstance(event, CallerTurnTaken)]

    def _feed(self, event: on.Event) -> list[str]:
        if isinstance(event, on.UtteranceEnded):
            self.silent()
        done = len(self.commands)
        lines = super()._feed(event)
        for command in self.commands[done:]:
            if isinstance(command, do.StartSpeech):
                self.silent()
                self._saying = True
                self.note(self.watch.uttered(UtteranceStarted(self.now, command.utterance, "")))
        return lines

    def silent(self) -> None:
        if self._saying:
            self._saying = False
            over = UtteranceFinished(self.now, 0, "", PlaybackOutcome.PLAYED, 0, 0, 0, "", self.now, self.now, 10)
            self.note(self.watch.uttered(over))


@settings(max_examples=200, deadline=None)
@given(policies, steps)
def test_every_turn_is_measured_once_whatever_happens(
    policy: FloorPolicy, script: list[tuple[float, on.Event]]
) -> None:
    """In any order of events: each turn that was begun is told once, each that is real is taken once, and the stages
    are the latency."""
    play = run(policy, script, Session)
    assert isinstance(play, Session)
    play.at(play.now, on.CallEnded())
    play.note(play.watch.call_ended(play.now, None, None))
    begun = [command.turn for command in play.commands if isinstance(command, do.BeginTurn)]
    assert sorted(turn.turn for turn in play.measured) == begun
    assert play.taken == [command.turn for command in play.commands if isinstance(command, do.CommitTurn)]
    for turn in play.measured:
        assert turn.latency_ms is None or turn.latency_ms == pytest.approx(sum(time.ms for time in turn.stages))
        assert all(time.ms >= 0 for time in turn.stages) and turn.began_at <= turn.at
