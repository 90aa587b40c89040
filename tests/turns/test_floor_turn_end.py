"""When is the caller done? Transcripts: at which second what happened, and what the floor then said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from floor_play import FloorPlay, speaking

from voice_runtime.turns.commands import State
from voice_runtime.turns.events import (
    AudioStalled,
    CallEnded,
    CallStarted,
    EndOfTurnEstimated,
    FinalHeard,
    KeyPressed,
    NotUnderstood,
    PartialHeard,
    PolicyChanged,
    SpeechHeard,
    ThinkingEnded,
    TurnDeclared,
    UtteranceEnded,
    UtteranceQueued,
    VoiceStarted,
    VoiceStopped,
)
from voice_runtime.turns.policy import Ending, FloorPolicy, KeyUse

CALM = FloorPolicy(preemptive=False)


def said(text: str = "two pizzas", policy: FloorPolicy = CALM) -> FloorPlay:
    """The caller spoke from 0.0 to 0.8; the final came at 0.9."""
    play = FloorPlay(policy)
    play.at(0.0, CallStarted(), VoiceStarted())
    play.at(0.8, VoiceStopped())
    play.at(0.9, FinalHeard(text))
    return play


def test_a_turn_ends_half_a_second_after_the_voice() -> None:
    """The wait counts from the voice, not from the recogniser, so a slow recogniser costs nothing."""
    play = said()
    assert play.until(1.2) == []
    assert play.until(1.4) == ["1.3 begin 1 'two pizzas'", "1.3 commit 1"]
    assert play.state is State.THINKING


def test_the_recogniser_is_asked_for_its_final_words_once_when_the_voice_ends() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted(), PartialHeard("two"))
    assert play.at(0.8, VoiceStopped()) == ["0.8 finalise"]
    assert play.at(0.9, VoiceStopped()) == []


def test_the_detectors_own_delay_is_part_of_the_wait() -> None:
    """The voice ended 0.3 s before the detector said so."""
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted(), FinalHeard("yes"))
    play.at(1.1, VoiceStopped(silence=0.3))
    assert play.until(1.4) == ["1.3 begin 1 'yes'", "1.3 commit 1"]


def test_a_final_that_comes_after_the_wait_ends_the_turn_at_once() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted(), PartialHeard("two"))
    play.at(0.8, VoiceStopped())
    assert play.at(1.6, FinalHeard("two pizzas")) == ["1.6 begin 1 'two pizzas'", "1.6 commit 1"]


def test_a_short_pause_joins_what_was_said_around_it() -> None:
    play = said()
    play.at(1.1, VoiceStarted())
    play.at(1.9, VoiceStopped())
    play.at(2.0, FinalHeard("and a coke"))
    assert play.until(9)[-2:] == ["2.4 begin 1 'two pizzas and a coke'", "2.4 commit 1"]


def test_a_cough_after_a_final_delays_the_turn_and_does_not_lose_it() -> None:
    """H05."""
    play = said()
    play.at(1.1, VoiceStarted())
    play.at(1.3, VoiceStopped())
    assert play.until(9)[:2] == ["1.8 begin 1 'two pizzas'", "1.8 commit 1"]


def test_an_empty_partial_after_a_final_changes_nothing() -> None:
    """H05."""
    play = said()
    play.at(1.0, PartialHeard(""), PartialHeard("  ..."), FinalHeard(""))
    assert play.until(1.3) == ["1.3 begin 1 'two pizzas'", "1.3 commit 1"]


def test_however_often_somebody_coughs_the_turn_ends_within_five_seconds() -> None:
    """H05: a hard maximum on every wait."""
    play = said()
    for cough in range(20):
        play.at(1.1 + 0.4 * cough, VoiceStarted())
        play.at(1.3 + 0.4 * cough, VoiceStopped())
    assert "5.9 begin 1 'two pizzas'" in play.lines


def test_a_detector_stuck_in_speech_does_not_hold_the_turn() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted())
    play.at(0.9, FinalHeard("two pizzas"))
    assert play.until(9) == ["5.9 finalise", "5.9 begin 1 'two pizzas'", "5.9 commit 1"]
    assert play.at(9, VoiceStopped()) == []


def test_a_voice_without_words_is_no_turn() -> None:
    """Noise: back to listening when the words would have come."""
    play = FloorPlay(CALM)
    play.at(0.0, CallStarted(), VoiceStarted())
    assert play.at(0.8, VoiceStopped()) == ["0.8 finalise"]
    assert play.until(2) == [] and play.state is State.LISTENING


def test_a_voice_without_words_is_given_up_when_it_never_ends() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted())
    assert play.until(20)[0] == "15 finalise"
    assert play.state is State.LISTENING


def test_audio_that_stops_in_mid_speech_is_the_end_of_the_voice() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted(), PartialHeard("two pizzas"))
    assert play.at(1.5, AudioStalled()) == ["1.5 finalise"]
    assert play.until(3) == ["2.5 begin 1 'two pizzas'", "2.5 commit 1"]


# -- without a voice detector, without finals -----------------------------------------------------------------------


def test_without_a_voice_detector_the_words_themselves_are_the_voice() -> None:
    play = FloorPlay(CALM)
    play.at(0.2, PartialHeard("two"))
    play.at(0.6, PartialHeard("two pizzas"))
    play.at(1.0, FinalHeard("two pizzas"))
    assert play.until(2) == ["1.5 begin 1 'two pizzas'", "1.5 commit 1"]


def test_without_finals_the_partial_words_have_to_do() -> None:
    """A second after the voice."""
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted(), PartialHeard("two pizzas"))
    play.at(0.8, VoiceStopped())
    assert play.until(3) == ["1.8 begin 1 'two pizzas'", "1.8 commit 1"]


def test_the_final_of_words_already_taken_is_not_taken_again() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, PartialHeard("two pizzas"))
    assert play.until(2) == ["1 begin 1 'two pizzas'", "1 commit 1"]
    assert play.at(2, FinalHeard("Two pizzas.")) == []


def test_a_late_final_corrects_the_turn_that_took_its_partial_words() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, FinalHeard("hello"))
    play.at(0.1, PartialHeard("two piz"))
    play.until(2)
    assert play.at(2, FinalHeard("two pizzas")) == ["2 correct 1 'hello two pizzas'"]


def test_what_a_late_final_has_on_top_is_new() -> None:
    """The answer to half a sentence is taken back, the words are not."""
    play = FloorPlay(CALM)
    play.at(0.0, PartialHeard("four one five"))
    play.until(2)
    assert play.at(2, FinalHeard("four one five oh one")) == ["2 cancel 1"]
    assert play.until(3) == ["2.5 begin 2 'oh one'", "2.5 commit 2"]


def test_words_before_a_pause_survive_a_recogniser_that_forgets_their_final() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False, min_wait=2.0))
    play.at(0.0, VoiceStarted(), PartialHeard("two pizzas"))
    play.at(0.8, VoiceStopped())
    play.at(2.0, VoiceStarted())
    play.at(2.5, PartialHeard("and a coke"))
    play.at(2.6, VoiceStopped())
    assert "4.6 begin 1 'two pizzas and a coke'" in play.until(9)


# -- how long to wait ------------------------------------------------------------------------------------------------


def test_the_wait_learns_the_callers_own_pauses() -> None:
    """Who paused for 0.8 s and went on is given 1 s the next time."""
    play = FloorPlay(FloorPolicy(preemptive=False, min_wait=0.5))
    play.at(0.0, VoiceStarted(), FinalHeard("my number is"))
    play.at(1.0, VoiceStopped())
    assert play.until(1.8)[-1] == "1.5 commit 1"
    play.at(1.8, VoiceStarted())
    play.at(2.2, FinalHeard("four one five"))
    play.at(2.5, VoiceStopped())
    assert play.until(9)[:2] == ["3.5 begin 2 'four one five'", "3.5 commit 2"]


def test_who_interrupts_the_agent_did_not_pause() -> None:
    """The time in which they listened is not added to the wait after their next words."""
    play = FloorPlay(CALM)
    play.at(0.0, VoiceStarted())
    play.at(0.8, VoiceStopped(), FinalHeard("count for me"))
    play.at(1.4, UtteranceQueued(1, 1), SpeechHeard(1))
    play.at(3.0, VoiceStarted(), PartialHeard("stop it"))
    play.at(3.6, VoiceStopped(), FinalHeard("stop it"))
    assert play.until(4.1)[-1] == "4.1 commit 2"


def test_a_cough_is_not_a_pause_to_learn_from() -> None:
    play = said()
    play.at(1.2, VoiceStarted())
    play.at(1.3, VoiceStopped())
    play.at(5.0, ThinkingEnded(1))
    play.at(6.0, VoiceStarted(), FinalHeard("yes"))
    play.at(7.0, VoiceStopped())
    assert play.until(8) == ["7.5 begin 2 'yes'", "7.5 commit 2"]


def test_listening_to_the_agent_is_not_a_pause_to_learn_from() -> None:
    """After a short answer, the next turn is not waited for any longer."""
    play = said()
    play.at(1.5, UtteranceQueued(1, 1), ThinkingEnded(1), SpeechHeard(1))
    play.at(2.5, UtteranceEnded(1))
    play.at(2.7, VoiceStarted(), FinalHeard("yes"))
    play.at(3.0, VoiceStopped())
    assert play.until(8)[-2:] == ["3.5 begin 2 'yes'", "3.5 commit 2"]


MODEL = FloorPolicy(preemptive=False, ask_model=True)


@pytest.mark.parametrize(
    ("probability", "end"), [(1.0, "1.3"), (0.8, "1.8"), (0.5, "2.55"), (0.0, "3.8"), (None, "1.3")]
)
def test_the_model_chooses_the_wait_between_its_bounds(probability: float | None, end: str) -> None:
    """H10: it is asked about the words just said. A model that failed changes nothing."""
    play = said("two pizzas", MODEL)
    assert play.lines[-1] == "0.9 ask 1 'two pizzas'"
    play.at(1.0, EndOfTurnEstimated(1, probability))
    assert play.until(9)[0] == f"{end} begin 1 'two pizzas'"


def test_a_model_that_does_not_answer_costs_the_longest_wait() -> None:
    assert said("two pizzas", MODEL).until(9)[0] == "3.8 begin 1 'two pizzas'"


def test_a_final_of_the_words_asked_about_does_not_lose_the_answer() -> None:
    """The voice ends, the partial words are asked about, the final says the same before the model has answered."""
    play = FloorPlay(FloorPolicy(ask_model=True, preemptive=False))
    play.at(0.0, VoiceStarted(), PartialHeard("two pizzas and"))
    play.at(0.8, VoiceStopped())
    play.at(0.9, FinalHeard("two pizzas and"))
    play.at(1.0, EndOfTurnEstimated(1, 0.0))
    assert play.until(3.7) == []
    assert play.until(3.8) == ["3.8 begin 1 'two pizzas and'", "3.8 commit 1"]


def test_an_answer_about_fewer_words_is_out_of_date() -> None:
    play = said("two pizzas", MODEL)
    assert play.at(1.0, FinalHeard("and")) == ["1 ask 2 'two pizzas and'"]
    play.at(1.1, EndOfTurnEstimated(1, 1.0))
    assert play.until(9)[0] == "3.8 begin 1 'two pizzas and'"


# -- preemptive thinking ---------------------------------------------------------------------------------------------


def test_a_likely_end_is_thought_about_at_once_and_committed_later() -> None:
    play = said(policy=FloorPolicy(preemptive=True))
    assert play.lines[-1] == "0.9 begin 1 'two pizzas'"
    assert play.until(2) == ["1.3 commit 1"]


def test_words_that_contradict_a_speculative_turn_discard_it() -> None:
    play = said(policy=FloorPolicy(preemptive=True))
    assert play.at(1.0, PartialHeard("and")) == ["1 discard 1"]
    assert play.at(1.2, FinalHeard("and a coke")) == ["1.2 begin 2 'two pizzas and a coke'"]
    assert play.until(9)[0] == "1.3 commit 2"


def test_a_cough_does_not_discard_a_speculative_turn() -> None:
    play = said(policy=FloorPolicy(preemptive=True))
    play.at(1.0, VoiceStarted())
    play.at(1.1, VoiceStopped())
    assert play.until(2) == ["1.6 commit 1"]


def test_an_unlikely_end_is_not_thought_about() -> None:
    play = said(policy=FloorPolicy(ask_model=True, preemptive=True))
    assert play.at(1.0, EndOfTurnEstimated(1, 0.4)) == []
    assert play.until(9)[0] == "2.8 begin 1 'two pizzas'"


def test_a_caller_who_goes_on_and_on_is_speculated_about_three_times() -> None:
    play = FloorPlay()
    for second in range(6):
        play.at(second * 0.1, FinalHeard(f"word{second}"))
    assert sum("begin" in line for line in play.lines) == 3


# -- speech while thinking -------------------------------------------------------------------------------------------


def test_words_while_thinking_take_the_turn_back_and_are_the_next_one() -> None:
    """H05, H12: the first words are history already; both reach the agent, in order, each once."""
    play = said()
    play.until(1.5)
    play.at(1.5, VoiceStarted())
    assert play.at(1.9, PartialHeard("and")) == ["1.9 cancel 1"]
    play.at(2.2, VoiceStopped(), FinalHeard("and a coke"))
    assert play.until(9)[:2] == ["3.075 begin 2 'and a coke'", "3.075 commit 2"]


def test_a_no_while_thinking_reaches_the_agent() -> None:
    """H12."""
    play = said()
    play.until(1.5)
    assert play.at(1.6, FinalHeard("no")) == ["1.6 cancel 1"]
    assert "2.1 begin 2 'no'" in play.until(3)


def test_a_backchannel_while_thinking_leaves_the_agent_alone_and_is_kept() -> None:
    play = said()
    play.until(1.5)
    assert play.at(1.6, FinalHeard("ok")) == []
    assert play.at(4, ThinkingEnded(1)) == ["4 begin 2 'ok'", "4 commit 2"]


def test_noise_while_thinking_changes_nothing() -> None:
    play = said()
    play.until(1.5)
    assert play.at(1.6, VoiceStarted()) == []
    assert play.at(1.9, VoiceStopped()) == ["1.9 finalise"]
    assert play.state is State.THINKING


# -- keys ------------------------------------------------------------------------------------------------------------


def test_keys_are_a_turn_two_seconds_after_the_last() -> None:
    play = FloorPlay(CALM)
    for second, key in enumerate("421"):
        play.at(float(second), KeyPressed(key))
    assert play.until(9)[:2] == ["4 begin 1 '' keys 421", "4 commit 1"]


def test_the_terminator_ends_the_keys_at_once_and_is_not_one_of_them() -> None:
    play = FloorPlay(CALM)
    assert play.at(0.0, KeyPressed("1"), KeyPressed("#")) == ["0 begin 1 '' keys 1", "0 commit 1"]


def test_a_terminator_behind_keys_that_were_enough_is_none() -> None:
    """People press # out of habit: it is neither an interruption nor the next turn, unless it comes much later."""
    play = FloorPlay(replace(CALM, max_keys=2))
    taken = ["0 begin 1 '' keys 42", "0 commit 1"]
    assert play.at(0.0, KeyPressed("4"), KeyPressed("2")) == taken
    assert play.at(0.3, KeyPressed("#")) == []
    assert "2.5 begin 2 '' keys #" in [*play.at(0.5, KeyPressed("#")), *play.until(9)]


def test_the_terminator_alone_is_a_key() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, KeyPressed("#"))
    assert play.until(3)[0] == "2 begin 1 '' keys #"


def test_words_and_keys_are_one_turn() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, FinalHeard("my code is"))
    play.at(0.3, KeyPressed("7"))
    assert play.until(3)[0] == "2.3 begin 1 'my code is' keys 7"


def test_keys_that_somebody_else_collects_are_no_turn() -> None:
    play = FloorPlay(FloorPolicy(keys=KeyUse.PROGRAM))
    play.at(0.0, CallStarted())
    play.at(4.0, KeyPressed("1"))
    assert play.until(15) == ["14 prompt 1"]  # but somebody is there


def test_a_terminator_without_any_keys_of_a_turn_under_way_is_a_key_too() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, FinalHeard("press it"), KeyPressed("#"))
    assert play.until(3)[0] == "2 begin 1 'press it' keys #"


# -- limits, silence, the end ----------------------------------------------------------------------------------------


def test_a_turn_that_is_too_long_is_cut_and_answered_whatever_comes() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False, max_turn=3.0))
    play.at(0.0, VoiceStarted())
    for second in (1, 2, 3):
        play.at(float(second), FinalHeard(f"word{second}"))
    assert play.until(4.0) == ["4 finalise", "4 begin 1 'word1 word2 word3'", "4 commit 1"]
    assert play.at(4.5, FinalHeard("word4 word5")) == []


def test_a_turn_of_too_many_words_is_cut() -> None:
    play = FloorPlay(FloorPolicy(preemptive=False, max_turn_words=4))
    play.at(0.0, VoiceStarted(), FinalHeard("one two three"))
    assert play.at(1.0, FinalHeard("four five"))[1:] == ["1 begin 1 'one two three four five'", "1 commit 1"]


def test_a_silent_caller_is_prompted_and_then_given_up() -> None:
    play = FloorPlay(FloorPolicy(silence=(10.0, 8.0, 6.0)))
    play.at(0.0, CallStarted())
    assert play.until(99) == ["10 prompt 1", "18 prompt 2", "24 give up"]


def test_silence_counts_from_the_end_of_what_the_agent_said() -> None:
    play = speaking()
    play.at(30.0, UtteranceEnded(1))
    assert play.until(41) == ["40 prompt 1"]


def test_noise_does_not_put_off_the_prompt() -> None:
    """H06."""
    play = FloorPlay()
    play.at(0.0, CallStarted())
    for second in (3, 6, 9):
        play.at(second, VoiceStarted())
        play.at(second + 0.3, VoiceStopped())
    assert play.until(11)[-1] == "10.3 prompt 1"


def test_a_caller_who_speaks_again_has_all_prompts_before_them() -> None:
    play = FloorPlay(CALM)
    play.at(0.0, CallStarted())
    play.at(12.0, FinalHeard("hello"))
    play.at(13.0, ThinkingEnded(1))
    assert play.until(24)[-1] == "23 prompt 1"


def test_a_caller_who_is_not_understood_is_not_silent() -> None:
    """The stages begin anew: who speaks to a deaf recogniser is not hung up on for their silence."""
    play = FloorPlay(FloorPolicy(silence=(10.0, 10.0)))
    play.at(0.0, CallStarted())
    assert play.until(12.0) == ["10 prompt 1"]
    play.at(15.0, NotUnderstood(), UtteranceQueued(1), SpeechHeard(1))
    play.at(16.0, UtteranceEnded(1))
    assert play.until(25.9) == []
    assert play.until(26.0) == ["26 prompt 1"]


def test_silence_rules_may_change_while_the_caller_is_silent() -> None:
    """On hold, nobody is asked whether they are still there."""
    play = FloorPlay()
    play.at(0.0, CallStarted())
    play.at(5.0, PolicyChanged(FloorPolicy(silence=())))
    assert play.until(99) == []


def test_an_agent_that_never_answers_loses_the_floor() -> None:
    play = said()
    assert play.until(62)[2:] == ["61.3 cancel 1"]
    assert play.state is State.LISTENING


def test_words_that_no_turn_has_taken_are_told_at_the_end() -> None:
    play = said(policy=FloorPolicy(preemptive=True))
    assert play.at(1.0, CallEnded()) == ["1 discard 1", "1 unanswered 'two pizzas'"]
    assert play.at(2.0, FinalHeard("hello?")) == [] and play.state is State.ENDED


# -- realtime models -------------------------------------------------------------------------------------------------


def test_for_a_realtime_model_a_voice_is_a_turn_and_its_words_come_later() -> None:
    play = FloorPlay(FloorPolicy(ending=Ending.VOICE))
    play.at(0.0, VoiceStarted())
    play.at(0.8, VoiceStopped())
    assert play.until(2) == ["1.3 begin 1 ''", "1.3 commit 1"]
    assert play.at(2.5, FinalHeard("two pizzas")) == ["2.5 correct 1 'two pizzas'"]


def test_somebody_else_may_declare_the_turn_over() -> None:
    play = FloorPlay(FloorPolicy(ending=Ending.DECLARED))
    play.at(0.0, VoiceStarted())
    play.at(0.8, VoiceStopped())
    assert play.at(1.0, TurnDeclared()) == ["1 begin 1 ''", "1 commit 1"]


def test_before_any_turn_a_final_of_a_realtime_model_is_words_like_any() -> None:
    play = FloorPlay(FloorPolicy(ending=Ending.VOICE, preemptive=False))
    play.at(0.0, FinalHeard("hello"))
    assert play.until(1) == ["0.5 begin 1 'hello'", "0.5 commit 1"]


def test_a_voice_over_the_thinking_of_a_realtime_model_takes_the_turn_back() -> None:
    play = FloorPlay(FloorPolicy(ending=Ending.VOICE))
    play.at(0.0, VoiceStarted())
    play.at(0.8, VoiceStopped())
    play.at(2.0, VoiceStarted())
    assert play.until(2.6) == ["2.5 cancel 1"]


def test_a_model_that_answers_while_the_caller_speaks_again_is_heard_when_they_stop() -> None:
    play = said("two pizzas", MODEL)
    play.at(1.0, VoiceStarted())
    play.at(1.1, EndOfTurnEstimated(1, 1.0))
    play.at(1.2, VoiceStopped())
    assert play.until(2)[0] == "1.7 begin 1 'two pizzas'"


def test_the_final_of_words_already_settled_takes_their_place() -> None:
    """The recogniser was slow, the caller went on: the words are there once."""
    play = FloorPlay(FloorPolicy(preemptive=False, min_wait=2.0))
    play.at(0.0, VoiceStarted(), PartialHeard("two piz"))
    play.at(0.8, VoiceStopped())
    play.at(2.0, VoiceStarted(), FinalHeard("two pizzas"))
    play.at(2.6, VoiceStopped())
    assert "4.6 begin 1 'two pizzas'" in play.until(9)


@pytest.mark.parametrize(
    "wrong", [{"min_wait": 4.0}, {"likely_end": 2.0}, {"min_confidence": -1.0}, {"min_words": 0}, {"min_characters": 0}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be|probabilities"):
        FloorPolicy(**wrong)  # type: ignore[arg-type]
