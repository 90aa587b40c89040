"""Whatever happens in whatever order: no word is lost, one utterance at a time, and never stuck."""

from __future__ import annotations

from floor_play import FloorPlay
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.turns import commands as do
from voice_runtime.turns.commands import State
from voice_runtime.turns.events import (
    AudioStalled,
    CallEnded,
    CallStarted,
    EndOfTurnEstimated,
    Event,
    FinalHeard,
    InterruptRequested,
    KeyPressed,
    PartialHeard,
    PolicyChanged,
    SpeechHeard,
    ThinkingEnded,
    TurnDeclared,
    UtteranceEnded,
    UtteranceQueued,
    VoiceStarted,
    VoiceStopped,
    Wakeup,
)
from voice_runtime.turns.policy import FloorPolicy

WORDS = ("pizza", "two", "large", "stop", "no", "ok", "mhm", "yes", "and", "coke", "好的", "我想", "...", "")
small = st.integers(1, 6)
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
confidences = st.sampled_from([None, 0.1, 0.9])

policies = st.builds(
    FloorPolicy,
    preemptive=st.booleans(),
    ask_model=st.booleans(),
    resume_after=st.sampled_from([None, 2.0]),
    max_turn=st.sampled_from([None, 4.0]),
    max_turn_words=st.sampled_from([None, 5]),
    keys_interrupt=st.booleans(),
    min_confidence=st.sampled_from([0.0, 0.5]),
)

events: st.SearchStrategy[Event] = st.one_of(
    st.just(VoiceStarted()),
    st.just(VoiceStopped()),
    st.just(AudioStalled()),
    st.builds(FinalHeard, texts, confidences),
    st.builds(KeyPressed, st.sampled_from("123#*")),
    st.builds(EndOfTurnEstimated, small, st.sampled_from([None, 0.0, 0.6, 1.0])),
    st.just(TurnDeclared()),
    st.builds(ThinkingEnded, small),
    st.builds(UtteranceQueued, small, st.none() | small, st.booleans()),
    st.builds(SpeechHeard, small),
    st.builds(UtteranceEnded, small),
    st.builds(InterruptRequested, st.booleans()),
    st.builds(PolicyChanged, policies),
    st.builds(Wakeup, st.integers(1, 40)),  # late, early, or of something long past
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.7, 2.0, 6.0]), events), max_size=40)


def run(policy: FloorPolicy, script: list[tuple[float, Event]], kind: type[FloorPlay] = FloorPlay) -> FloorPlay:
    """Play the script; nobody reuses the number of an utterance that has ended."""
    play = kind(policy)
    play.at(0.0, CallStarted())
    for number, (delay, event) in enumerate(script):
        if isinstance(event, UtteranceQueued):
            event = UtteranceQueued(10 * event.utterance + 1000 * number, event.turn, event.interruptible)
        elif isinstance(event, SpeechHeard | UtteranceEnded) and (current := utterances(play)[1]) is not None:
            event = type(event)(current)
        elif isinstance(event, ThinkingEnded):
            event = ThinkingEnded(max((c.turn for c in play.commands if isinstance(c, do.CommitTurn)), default=0))
        play.at(play.now + delay, event)
    return play


def utterances(play: FloorPlay) -> tuple[list[int], int | None]:
    """(every utterance started, the one that was started last and not stopped)"""
    started = [c.utterance for c in play.commands if isinstance(c, do.StartSpeech)]
    stopped = {c.utterance for c in play.commands if isinstance(c, do.StopSpeech)}
    return started, started[-1] if started and started[-1] not in stopped else None


def committed(play: FloorPlay) -> list[do.BeginTurn]:
    """The turns that were begun and committed, with their corrected texts, in order."""
    begun: dict[int, do.BeginTurn] = {}
    real: list[int] = []
    for command in play.commands:
        match command:
            case do.BeginTurn(turn):
                begun[turn] = command
            case do.CommitTurn(turn):
                real.append(turn)
            case do.CorrectTurn(turn, text):
                begun[turn] = do.BeginTurn(turn, text, begun[turn].keys)
            case _:
                pass
    return [begun[turn] for turn in real]


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_every_final_word_and_every_key_reaches_exactly_one_turn_in_order(
    policy: FloorPolicy, script: list[tuple[float, Event]]
) -> None:
    """... or is told at the end of the call."""
    play = run(policy, script)
    play.at(play.now, CallEnded())
    finals = [e.text for _, e in script if isinstance(e, FinalHeard) and e.text.strip(" .")]
    left = [c for c in play.commands if isinstance(c, do.RecordUnanswered)]
    heard = [turn.text for turn in committed(play)] + [record.text for record in left]
    assert " ".join(heard).split() == " ".join(finals).split()
    keys = "".join(e.key for _, e in script if isinstance(e, KeyPressed))
    taken = "".join([turn.keys for turn in committed(play)] + [record.keys for record in left])
    assert taken.replace("#", "") == keys.replace("#", "")


segments = st.lists(
    st.tuples(
        st.integers(1, 4),  # words
        st.booleans(),  # a voice detector sees it
        st.sampled_from([0.1, 0.6, 1.5, 4.0]),  # the recogniser's delay
        st.booleans(),  # a final comes
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(policies, segments, st.sampled_from([0.2, 0.9, 3.0, 8.0]))
def test_no_word_is_lost_or_doubled_whether_finals_come_late_or_never(
    policy: FloorPolicy, pieces: list[tuple[int, bool, float, bool]], pause: float
) -> None:
    """The caller speaks in pieces; partials grow word by word; the final may come seconds later, or not at all."""
    play = FloorPlay(policy)
    play.at(0.0, CallStarted())
    expected: list[str] = []
    for number, (length, seen, delay, final) in enumerate(pieces):
        words = ["".join(chr(97 + (number * 4 + at) % 26) for _ in range(3)) for at in range(length)]
        expected += words
        if seen:
            play.at(play.now, VoiceStarted())
        for at in range(length):
            play.at(play.now + 0.4, PartialHeard(" ".join(words[: at + 1])))
        if seen:
            play.at(play.now + 0.1, VoiceStopped())
        if final:
            play.at(play.now + delay, FinalHeard(" ".join(words)))
        else:
            play.until(play.now + max(delay, 1.5))
        play.until(play.now + pause)
    play.at(play.now, CallEnded())
    left = [c.text for c in play.commands if isinstance(c, do.RecordUnanswered)]
    assert " ".join([turn.text for turn in committed(play)] + left).split() == expected, (play.lines, pieces, pause)


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_one_utterance_at_a_time_and_every_command_fits_what_was_before(
    policy: FloorPolicy, script: list[tuple[float, Event]]
) -> None:
    play = FloorPlay(policy)
    play.at(0.0, CallStarted())
    speaking: int | None = None
    paused = False
    turns: dict[int, str] = {}
    for number, (delay, event) in enumerate(script):
        if isinstance(event, UtteranceQueued):
            event = UtteranceQueued(number, event.turn, event.interruptible)
        if isinstance(event, SpeechHeard | UtteranceEnded) and speaking is not None:
            event = type(event)(speaking)
        before = len(play.commands)
        play.until(play.now + delay)
        play.at(play.now, event)
        over = event.utterance if isinstance(event, UtteranceEnded) else None
        for command in play.commands[before:]:
            match command:
                case do.StartSpeech(utterance):
                    assert speaking in (None, over), "two utterances at once"
                    speaking, paused = utterance, False
                case do.PauseSpeech(utterance):
                    assert (speaking, paused) == (utterance, False)
                    paused = True
                case do.ResumeSpeech(utterance):
                    assert (speaking, paused) == (utterance, True)
                    paused = False
                case do.StopSpeech(utterance):
                    assert speaking == utterance
                    speaking = None
                case do.DropSpeech(utterance):
                    assert speaking != utterance
                case do.BeginTurn(turn):
                    assert "begun" not in turns.values() and turn not in turns
                    turns[turn] = "begun"
                case do.CommitTurn(turn):
                    assert turns[turn] == "begun"
                    turns[turn] = "committed"
                case do.DiscardTurn(turn):
                    assert turns[turn] == "begun"
                    turns[turn] = "discarded"
                case do.CancelThinking(turn) | do.CorrectTurn(turn):
                    assert turns[turn] == "committed"
                case _:
                    pass
        if speaking is not None and play.state not in (State.SPEAKING, State.PAUSED):
            assert over == speaking
            speaking = None


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_when_nothing_more_happens_every_state_ends_in_listening(
    policy: FloorPolicy, script: list[tuple[float, Event]]
) -> None:
    """With wake-ups alone: nothing speaks, thinks or waits for ever, and no word is left over."""
    play = run(policy, script)
    play.until(play.now + 3000)
    assert play.state is State.LISTENING and not play.waits
    assert play.at(play.now, CallEnded()) == []


@settings(max_examples=200, deadline=None)
@given(policies, steps, events)
def test_a_speculative_turn_never_survives_other_words(
    policy: FloorPolicy, script: list[tuple[float, Event]], last: Event
) -> None:
    """What is committed was begun with exactly the words that were pending."""
    play = run(policy, script)
    begun = [c.turn for c in play.commands if isinstance(c, do.BeginTurn)]
    over = {c.turn for c in play.commands if isinstance(c, do.CommitTurn | do.DiscardTurn)}
    if begun and begun[-1] not in over and play.state in (State.ENDING_TURN, State.CALLER_SPEAKING):
        assert play.at(play.now, FinalHeard("something else"))[0].split(" ", 1)[1] == f"discard {begun[-1]}"


@settings(max_examples=200, deadline=None)
@given(policies, steps, st.lists(events, max_size=10))
def test_after_the_end_of_the_call_nothing_is_said(
    policy: FloorPolicy, script: list[tuple[float, Event]], late: list[Event]
) -> None:
    play = run(policy, script)
    play.at(play.now, CallEnded())
    assert play.at(play.now + 1, *late) == []
