"""What stops the agent, and what does not. In every play the agent speaks since 0.0 (utterance 1, audible)."""

from __future__ import annotations

import pytest
from floor_play import FloorPlay, speaking

from voice_runtime.turns.commands import State
from voice_runtime.turns.events import (
    CallStarted,
    FinalHeard,
    InterruptRequested,
    KeyPressed,
    PartialHeard,
    SpeechHeard,
    ThinkingEnded,
    UtteranceEnded,
    UtteranceQueued,
    VoiceStarted,
    VoiceStopped,
)
from voice_runtime.turns.lexicon import lexicon_for
from voice_runtime.turns.policy import Ending, FloorPolicy, KeyUse

NEVER_RESUMES = FloorPolicy(resume_after=None)


# -- by voice --------------------------------------------------------------------------------------------------------


def test_half_a_second_of_voice_pauses_the_agent() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    assert play.until(1.5) == ["1.5 pause 1"] and play.state is State.PAUSED


def test_the_detectors_own_delay_counts_as_voice() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted(voiced=0.2))
    assert play.until(1.4) == ["1.3 pause 1"]


def test_a_shorter_voice_is_not_noticed() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    assert play.at(1.3, VoiceStopped()) == ["1.3 finalise"]
    assert play.until(9) == [] and play.state is State.SPEAKING


def test_two_short_noises_do_not_add_up() -> None:
    play = speaking()
    for second in (1.0, 1.4, 1.8):
        play.at(second, VoiceStarted())
        play.at(second + 0.3, VoiceStopped())
    assert play.until(9) == []


def test_a_pause_without_words_ends_after_two_seconds_at_the_same_word() -> None:
    """A cough, an echo: a false interruption."""
    play = speaking()
    play.at(1.0, VoiceStarted())
    play.at(1.8, VoiceStopped())
    assert play.until(9) == ["3.5 resume 1"] and play.state is State.SPEAKING


def test_a_late_end_of_the_voice_still_leaves_time_for_its_words() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    play.at(3.4, VoiceStopped())
    assert play.until(9) == ["4.4 resume 1"]


def test_a_voice_that_does_not_end_and_has_no_words_is_noise() -> None:
    """Music on the line: the agent goes on, and is not paused again by the same noise."""
    play = speaking()
    play.at(1.0, VoiceStarted())
    assert play.until(14) == ["1.5 pause 1", "6.5 resume 1"]


@pytest.mark.parametrize("words", [PartialHeard("pizza"), FinalHeard("pizza")])
def test_one_word_turns_a_pause_into_a_stop(words: PartialHeard | FinalHeard) -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    assert play.at(1.7, words) == ["1.5 pause 1", "1.7 stop 1"]
    assert play.state is State.CALLER_SPEAKING


def test_a_back_channel_ends_a_pause_at_once() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    play.at(1.6, VoiceStopped())
    assert play.at(1.8, FinalHeard("uh-huh")) == ["1.8 resume 1"]


def test_an_unfinished_back_channel_may_become_an_objection() -> None:
    play = speaking()
    play.at(1.0, VoiceStarted())
    assert play.at(1.6, PartialHeard("yeah")) == ["1.5 pause 1"]
    assert play.at(1.9, PartialHeard("yeah but")) == ["1.9 stop 1"]


def test_without_resuming_the_voice_alone_stops_the_agent() -> None:
    play = speaking(NEVER_RESUMES)
    play.at(1.0, VoiceStarted())
    assert play.until(1.6) == ["1.5 stop 1"] and play.state is State.CALLER_SPEAKING


def test_a_caller_without_words_who_stopped_the_agent_is_prompted() -> None:
    """The agent was cut off by noise: not silence for ever."""
    play = speaking(NEVER_RESUMES)
    play.at(1.0, VoiceStarted())
    play.at(2.0, VoiceStopped())
    assert play.until(14) == ["13 prompt 1"]


def test_a_realtime_model_is_stopped_by_the_voice() -> None:
    """Its words come too late to wait for."""
    play = speaking(FloorPolicy(ending=Ending.VOICE))
    play.at(1.0, VoiceStarted())
    play.at(2.0, VoiceStopped())
    assert play.until(3) == ["2.5 begin 1 ''", "2.5 commit 1"]
    assert play.lines[1] == "1.5 stop 1"


# -- by words --------------------------------------------------------------------------------------------------------


def test_two_words_stop_the_agent_without_any_voice() -> None:
    """H14: a detector is not needed."""
    play = speaking()
    assert play.at(1.0, PartialHeard("can I")) == ["1 stop 1"]
    assert play.state is State.ENDING_TURN


@pytest.mark.parametrize("word", ["stop", "Wait!", "no", "No.", "hold on", "um, wait", "hang on"])
def test_a_stop_word_stops_at_once(word: str) -> None:
    assert speaking().at(1.0, PartialHeard(word)) == ["1 stop 1"]


@pytest.mark.parametrize("word", ["mhm", "uh-huh", "ok", "Okay.", "yeah, yeah", "I see", "right, got it", "hmm"])
def test_a_back_channel_does_not_stop_the_agent(word: str) -> None:
    play = speaking()
    assert play.at(1.0, PartialHeard(word), FinalHeard(word)) == []


@pytest.mark.parametrize(
    ("language", "back_channel", "stop"),
    [("de-DE", "ja, genau", "Moment"), ("es", "sí, claro", "espera"), ("fr", "d'accord", "attendez")]
    + [
        ("fi", "joo", "ei"),
        ("hi", "जी हाँ", "रुकिए"),
        ("zh", "好的", "等一下"),
        ("ja", "はい", "待って"),
        ("ar", "نعم", "لحظة"),
    ],
)
def test_every_language_has_its_own_words(language: str, back_channel: str, stop: str) -> None:
    play = speaking(FloorPolicy(lexicon=lexicon_for(language)))
    assert play.at(1.0, FinalHeard(back_channel)) == []
    assert play.at(2.0, PartialHeard(stop)) == ["2 stop 1"]


@pytest.mark.parametrize("text", ["我想要两个", "ピザを二枚", "ขอพิซซ่า"])
def test_characters_count_where_words_have_no_spaces(text: str) -> None:
    """H13."""
    play = speaking()
    assert play.at(1.0, PartialHeard(text[:3])) == []
    assert play.at(1.1, PartialHeard(text)) == ["1.1 stop 1"]


def test_uncertain_words_do_not_stop_the_agent_and_unrated_ones_do() -> None:
    """No confidence is not a confidence of zero."""
    policy = FloorPolicy(min_confidence=0.5)
    assert speaking(policy).at(1.0, PartialHeard("can I have", 0.3)) == []
    assert speaking(policy).at(1.0, PartialHeard("can I have", None)) == ["1 stop 1"]


def test_one_word_before_anything_was_heard_is_the_caller_going_on() -> None:
    play = FloorPlay()
    play.at(0.0, CallStarted(), UtteranceQueued(1))
    assert play.at(0.1, PartialHeard("pizza")) == ["0.1 stop 1"]


# -- what was said over the agent is kept ----------------------------------------------------------------------------


def test_one_word_said_over_the_agent_is_answered_afterwards() -> None:
    """H12."""
    play = speaking()
    play.at(1.0, FinalHeard("pizza"))
    assert play.at(5.0, UtteranceEnded(1)) == ["5 begin 1 'pizza'", "5 commit 1"]


def test_a_yes_at_the_end_of_the_question_is_its_answer() -> None:
    """H12."""
    play = speaking()
    play.at(4.5, FinalHeard("yes"))
    assert play.at(5.0, UtteranceEnded(1))[-1] == "5 commit 1"


def test_a_yes_in_the_middle_waits_for_what_the_caller_says_next() -> None:
    play = speaking()
    play.at(1.0, FinalHeard("ok"))
    assert play.at(5.0, UtteranceEnded(1)) == []
    play.at(6.0, FinalHeard("two pizzas"))
    assert "6.5 commit 1" in play.until(9) and "6 begin 1 'ok two pizzas'" in play.lines


def test_a_yes_in_the_middle_is_the_answer_if_nothing_else_comes() -> None:
    play = speaking()
    play.at(1.0, FinalHeard("ok"))
    play.at(5.0, UtteranceEnded(1))
    assert play.until(12) == ["10 begin 1 'ok'", "10 commit 1"]


def test_words_over_uninterruptible_speech_are_answered_afterwards() -> None:
    """The caller was not deaf while the agent was."""
    play = speaking(interruptible=False)
    play.at(1.0, VoiceStarted())
    assert play.at(2.0, FinalHeard("stop please stop")) == []
    play.at(2.5, VoiceStopped())
    assert play.at(5.0, UtteranceEnded(1)) == ["5 begin 1 'stop please stop'", "5 commit 1"]


def test_words_over_an_uninterruptible_filler_take_the_turn_back_after_it() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False))
    play.at(0.0, FinalHeard("two pizzas"))
    play.at(1.0, UtteranceQueued(1, None, interruptible=False), SpeechHeard(1))
    assert play.at(2.0, FinalHeard("make it three")) == []
    assert play.at(3.0, UtteranceEnded(1)) == ["3 cancel 1", "3 begin 2 'make it three'", "3 commit 2"]


# -- by keys, by the program -----------------------------------------------------------------------------------------


def test_a_key_stops_the_agent() -> None:
    assert speaking().at(1.0, KeyPressed("1")) == ["1 stop 1"]


def test_keys_may_be_told_not_to_interrupt_and_are_kept() -> None:
    play = speaking(FloorPolicy(keys_interrupt=False))
    assert play.at(1.0, KeyPressed("1")) == []
    assert play.at(5.0, UtteranceEnded(1)) == ["5 begin 1 '' keys 1", "5 commit 1"]


def test_a_key_does_not_stop_uninterruptible_speech_and_is_kept() -> None:
    play = speaking(interruptible=False)
    assert play.at(1.0, KeyPressed("1")) == []
    assert play.at(5.0, UtteranceEnded(1))[-1] == "5 commit 1"


def test_a_key_that_a_tool_collects_stops_the_prompt_and_not_the_tool() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False, keys=KeyUse.PROGRAM))
    play.at(0.0, FinalHeard("my account please"))
    play.at(1.0, UtteranceQueued(1, 1))
    assert play.at(2.0, KeyPressed("4")) == ["2 stop 1"] and play.state is State.THINKING


def test_the_program_may_stop_its_own_speech() -> None:
    assert speaking().at(1.0, InterruptRequested()) == ["1 stop 1"]
    assert speaking(interruptible=False).at(1.0, InterruptRequested()) == []
    assert speaking(interruptible=False).at(1.0, InterruptRequested(force=True)) == ["1 stop 1"]


# -- one utterance at a time -----------------------------------------------------------------------------------------


def thinking() -> FloorPlay:
    play = FloorPlay(FloorPolicy(preemptive=False))
    play.at(0.0, CallStarted(), FinalHeard("two pizzas"))
    play.until(0.5)
    return play


def test_the_answer_is_spoken_while_it_is_still_being_made() -> None:
    play = thinking()
    assert play.at(1.0, UtteranceQueued(1, 1)) == ["1 start 1"]
    assert play.at(2.0, ThinkingEnded(1)) == []
    play.at(3.0, UtteranceEnded(1))
    assert play.state is State.LISTENING


def test_a_second_utterance_waits_for_the_first() -> None:
    play = thinking()
    assert play.at(1.0, UtteranceQueued(1, None), UtteranceQueued(2, 1)) == ["1 start 1"]
    assert play.at(2.0, UtteranceEnded(1)) == ["2 start 2"]


def test_after_a_filler_the_agent_thinks_on() -> None:
    play = thinking()
    play.at(1.0, UtteranceQueued(1, 1))
    play.at(2.0, UtteranceEnded(1))
    assert play.state is State.THINKING


def test_an_interruption_ends_the_thinking_and_drops_what_waits() -> None:
    """H11: and the next utterance can be interrupted like the first."""
    play = thinking()
    play.at(1.0, UtteranceQueued(1, 1), UtteranceQueued(2, 1), SpeechHeard(1))
    assert play.at(2.0, PartialHeard("no wait")) == ["2 stop 1", "2 cancel 1", "2 drop 2"]
    play.at(2.2, FinalHeard("no wait"))
    play.at(4.0, UtteranceQueued(3, 2), SpeechHeard(3))
    assert play.at(5.0, PartialHeard("stop"))[0] == "5 stop 3"


def test_what_comes_late_for_an_interrupted_turn_is_not_spoken() -> None:
    """H15."""
    play = thinking()
    play.at(1.0, UtteranceQueued(1, 1), SpeechHeard(1))
    play.at(2.0, FinalHeard("no three"))
    assert play.until(2.6)[-1] == "2.5 commit 2"
    assert play.at(3.0, UtteranceQueued(2, 1)) == ["3 drop 2"]
    assert play.at(3.1, UtteranceQueued(3, 2)) == ["3.1 start 3"]


def test_the_agent_does_not_begin_over_the_caller() -> None:
    """The caller has spoken for a while, the words are still to come."""
    play = thinking()
    play.at(1.0, VoiceStarted())
    assert play.at(2.0, UtteranceQueued(1, 1)) == ["2 start 1"]
    assert play.until(2.0) == ["2 pause 1"]
    play.at(2.5, VoiceStopped())
    assert play.until(9) == ["4 resume 1"]


def test_what_the_program_says_while_the_caller_speaks_waits_for_the_floor() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False))
    play.at(0.0, CallStarted(), VoiceStarted())
    assert play.at(0.5, UtteranceQueued(1)) == []
    play.at(0.8, VoiceStopped(), FinalHeard("hello"))
    assert play.until(2) == ["1.3 begin 1 'hello'", "1.3 commit 1", "1.3 start 1"]


def test_a_speculative_answer_is_heard_when_its_turn_is_committed() -> None:
    play = FloorPlay()
    play.at(0.0, FinalHeard("two pizzas"))
    assert play.at(0.2, UtteranceQueued(1, 1)) == []
    assert play.until(1) == ["0.5 commit 1", "0.5 start 1"]


def test_a_discarded_answer_is_never_heard() -> None:
    play = FloorPlay()
    play.at(0.0, FinalHeard("two pizzas"))
    play.at(0.2, UtteranceQueued(1, 1), FinalHeard("or three"))
    assert play.until(1) == ["0.7 commit 2", "0.7 drop 1"]


def test_an_utterance_that_ends_while_it_waits_is_never_started() -> None:
    play = thinking()
    play.at(1.0, UtteranceQueued(1, None), UtteranceQueued(2, 1), UtteranceEnded(2))
    assert play.at(2.0, UtteranceEnded(1)) == [] and play.state is State.THINKING


def test_scripts_may_be_mixed() -> None:
    """Words are counted as words, characters as characters."""
    play = speaking()
    assert play.at(1.0, PartialHeard("pizza 两个")) == []
    assert play.at(1.1, PartialHeard("large pizza两个")) == ["1.1 stop 1"]
