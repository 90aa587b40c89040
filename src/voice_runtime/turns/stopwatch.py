"""Measures the turns of one call: what the floor is told and says, and what became of it, in; typed events out.

All times are seconds since the call was connected. It decides nothing, and nothing waits for it.
"""

from __future__ import annotations

from voice_runtime.events import (
    AgentInterrupted,
    AgentTurnFinished,
    BrainWork,
    CallerTurnCorrected,
    CallerTurnTaken,
    CallEvent,
    TurnMeasured,
    TurnOutcome,
    UtteranceAudible,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.turns import commands as do
from voice_runtime.turns import events as on
from voice_runtime.turns.latency import Moment, Moments
from voice_runtime.turns.lexicon import same_words

__all__ = ["Stopwatch"]


class _Turn:
    """A turn that was begun and is not over."""

    def __init__(self, number: int, text: str, keys: str, began: float) -> None:
        self.number, self.text, self.keys, self.began = number, text, keys, began
        self.moments = Moments()
        self.utterances: set[int] = set()  # the floor's numbers
        self.outcome: TurnOutcome | None = None
        self.taken = self.failed = self.filler = False
        self.input_tokens = self.output_tokens = self.characters = 0
        self.answered_at: float | None = None


class _Caller:
    """What the caller did since their last turn was taken."""

    def __init__(self) -> None:
        self.onset: float | None = None  # of the voice, the keys or the words that may interrupt
        self.voiced = False
        self.voice_ended: float | None = None
        self.input_at: float | None = None  # words or keys
        self.words_at: float | None = None
        self._words = ""
        self._changed_at: float | None = None  # the last word

    def told(self, event: on.Event, now: float) -> None:
        match event:
            case on.VoiceStarted(voiced):
                self.onset, self.voiced, self.voice_ended = now - voiced, True, None
            case on.VoiceStopped(silence):
                # Nobody has heard a silence of 0 s: it is the recogniser that says so, some time after the last word.
                self.voiced, self.voice_ended = False, now - silence if silence else None
            case on.AudioStalled():
                self.voiced, self.voice_ended = False, now
            case on.PartialHeard(text) | on.FinalHeard(text) if text.strip():
                if not same_words(text, self._words):
                    self._words, self._changed_at = text, now
                self.input_at = self.words_at = now
                self.onset = now if self.onset is None else self.onset
            case on.KeyPressed():
                self.input_at = self.onset = now
            case _:
                pass

    def stamp(self, moments: Moments, now: float) -> None:
        """Their turn is taken."""
        ended = self._changed_at if self.voice_ended is None else self.voice_ended
        if self.input_at is not None and self.words_at != self.input_at:  # keys came last
            ended = self.input_at
        moments.reached(Moment.VOICE_ENDED, now if ended is None else min(ended, now))
        if self.words_at is not None:
            moments.reached(Moment.WORDS_CAME, self.words_at)
        moments.reached(Moment.TURN_TAKEN, now)
        self.voice_ended = self.input_at = self.words_at = self.onset = self._changed_at = None
        self._words = ""


class Stopwatch:
    """The stopwatch of one call."""

    def __init__(self) -> None:
        self._caller = _Caller()
        self._turn: _Turn | None = None
        self._sounding: _Turn | None = None  # whose answer the session is saying; it may have ended since
        self._saying: tuple[int, int | None] = (0, None)  # the floor's number and turn of what is said, 0: nothing
        self._turn_of: dict[int, int | None] = {}  # utterances that wait, by the floor's numbers
        self._uttered: tuple[int | None] | None = None  # the turn of what the session said last, until it is told
        self._audible = False  # what is said
        self._paused = False
        self._told: on.Event = on.CallStarted()

    # -- the floor -----------------------------------------------------------------------------------------------------

    def told(self, event: on.Event, now: float) -> list[CallEvent]:
        """The floor is told this."""
        self._told = event
        self._caller.told(event, now)
        turn = self._turn
        match event:
            case on.UtteranceQueued(utterance, number):
                self._turn_of[utterance] = number
                if turn is not None and number == turn.number:
                    turn.utterances.add(utterance)
                    turn.moments.reached(Moment.SENTENCE_CAME, now)
            case on.SpeechHeard(utterance):
                self._audible = self._audible or utterance == self._saying[0]
            case on.ThinkingEnded(number) if turn is not None and number == turn.number:
                turn.answered_at = now if turn.answered_at is None else turn.answered_at
                if turn.taken and not turn.utterances:  # else the floor is told again when it is a turn
                    return self._close(TurnOutcome.COMPLETED, now)
            case on.UtteranceEnded(utterance):
                if utterance == self._saying[0]:
                    self._saying = (0, None)
                if turn is not None and utterance in turn.utterances:
                    turn.utterances.discard(utterance)
                    if not turn.utterances and turn.answered_at is not None:
                        return self._close(TurnOutcome.COMPLETED, now)
            case _:
                pass
        return []

    def did(self, command: do.Command, now: float) -> list[CallEvent]:
        """What the floor says was done."""
        match command:
            case do.BeginTurn(number, text, keys):
                events = self._close(TurnOutcome.INTERRUPTED, now)
                self._turn = _Turn(number, text, keys, now)
                return events
            case do.CommitTurn(number):
                return self._committed(number, now)
            case do.CorrectTurn(number, text):
                return [CallerTurnCorrected(now, number, text)]
            case do.DiscardTurn():
                return self._close(TurnOutcome.DISCARDED, now)
            case do.CancelThinking():
                return self._close(TurnOutcome.INTERRUPTED, now)
            case do.StartSpeech(utterance):
                self._saying = (utterance, self._turn_of.pop(utterance, None))
                self._audible = self._paused = False
            case do.PauseSpeech():
                events, self._paused = self._interruption(now, paused=True), True
                return events
            case do.ResumeSpeech():
                self._paused = False
            case do.StopSpeech(utterance):
                events = self._interruption(now, paused=False)
                self._paused = False
                return events + self._utterance_lost(utterance, now)
            case do.DropSpeech(utterance):
                self._turn_of.pop(utterance, None)
                return self._utterance_lost(utterance, now)
            case _:
                pass
        return []

    def _committed(self, number: int, now: float) -> list[CallEvent]:
        turn = self._turn
        if turn is None or turn.number != number:
            return []
        turn.taken = True
        self._caller.stamp(turn.moments, now)
        return [CallerTurnTaken(now, number, turn.text, turn.keys)]

    def _interruption(self, now: float, *, paused: bool) -> list[CallEvent]:
        onset = self._caller.onset
        if self._paused or not self._audible or onset is None or isinstance(self._told, on.InterruptRequested):
            return []  # the caller heard nothing that stopped, or it was not for them that it did
        if isinstance(self._told, on.Wakeup) and not self._caller.voiced:
            return []
        return [AgentInterrupted(now, (now - onset) * 1000, paused)]

    def _utterance_lost(self, utterance: int, now: float) -> list[CallEvent]:
        if self._turn is None or utterance not in self._turn.utterances:
            return []
        self._turn.utterances.discard(utterance)
        return self._close(TurnOutcome.INTERRUPTED, now)

    # -- the brain -----------------------------------------------------------------------------------------------------

    def asked(self, number: int, now: float) -> None:
        """The brain was asked about the turn."""
        self._reached(number, Moment.BRAIN_ASKED, now)

    def text_began(self, number: int, now: float) -> None:
        """The first piece of the answer came."""
        turn = self._turn
        if turn is not None and Moment.SENTENCE_CAME not in turn.moments:  # else the caller hears a filler already
            self._reached(number, Moment.TEXT_BEGAN, now)

    def _reached(self, number: int, moment: Moment, now: float) -> None:
        if self._turn is not None and self._turn.number == number:
            self._turn.moments.reached(moment, now)

    def tokens(self, input_tokens: int, output_tokens: int) -> None:
        """The brain's model used so many."""
        if self._turn is not None:
            self._turn.input_tokens += input_tokens
            self._turn.output_tokens += output_tokens

    def failed(self) -> None:
        """What was to answer the turn did not."""
        if self._turn is not None:
            self._turn.failed = True

    # -- the session's utterances --------------------------------------------------------------------------------------

    def uttered(self, event: CallEvent) -> list[CallEvent]:
        """Something happened to what the session says. It says one thing at a time."""
        match event:
            case UtteranceStarted(at) if self._saying[0]:
                self._uttered = (self._saying[1],)
                turn = self._turn
                if turn is not None and self._saying[1] == turn.number:
                    self._sounding = turn
                    turn.filler = turn.filler or not turn.moments.answering
                    turn.moments.reached(Moment.VOICE_ASKED, at)
            case UtteranceAudible(at) if self._sounding is not None:
                self._sounding.moments.reached(Moment.AUDIO_CAME, at)
            case UtteranceFinished():
                return self._silent(event.at, event.sent_at, event.plays_at, event.characters)
            case _:
                pass
        return []

    def _silent(self, now: float, sent_at: float | None, plays_at: float | None, characters: int) -> list[CallEvent]:
        turn, self._sounding = self._sounding, None
        if turn is None:
            return []
        turn.characters += characters
        if sent_at is not None and plays_at is not None:
            turn.moments.reached(Moment.AUDIO_CAME, sent_at)
            turn.moments.reached(Moment.AUDIO_SENT, sent_at)
            turn.moments.reached(Moment.AUDIO_PLAYED, plays_at)
        return [] if turn is self._turn else [_measured(turn, now)]

    def spoken(self, heard_text: str, unfinished: bool, now: float) -> list[CallEvent]:
        """The agent is done with what it was saying."""
        uttered, self._uttered = self._uttered, None
        return [] if uttered is None else [AgentTurnFinished(now, uttered[0], heard_text, unfinished)]

    def call_ended(self, now: float, sent_at: float | None, plays_at: float | None) -> list[CallEvent]:
        """The last turn is over with the call. `sent_at`, `plays_at`: of what was being said, if anything."""
        return self._close(TurnOutcome.DISCONNECTED, now) + self._silent(now, sent_at, plays_at, 0)

    # -- the end of a turn ---------------------------------------------------------------------------------------------

    def _close(self, outcome: TurnOutcome, now: float) -> list[CallEvent]:
        turn, self._turn = self._turn, None
        if turn is None:
            return []
        turn.outcome = TurnOutcome.FAILED if turn.failed and outcome is TurnOutcome.COMPLETED else outcome
        if turn.answered_at is None:
            turn.answered_at = now
        # When it was first heard is told with the end of the utterance, which is near.
        return [] if turn is self._sounding else [_measured(turn, now)]


def _measured(turn: _Turn, now: float) -> TurnMeasured:
    moments, brain = turn.moments, None
    assert turn.outcome is not None and turn.answered_at is not None, "a turn is measured when it is over"
    if Moment.BRAIN_ASKED in moments:
        brain = BrainWork(moments[Moment.BRAIN_ASKED], turn.answered_at, turn.input_tokens, turn.output_tokens)
    began = turn.began if moments.began_at is None else moments.began_at
    latency, stages = moments.latency_ms, moments.stages
    return TurnMeasured(now, turn.number, turn.outcome, began, latency, stages, turn.filler, brain, turn.characters)
