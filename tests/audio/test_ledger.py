"""The playout ledger, as transcripts of what a session tells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio.ledger import MARK_GRACE, Playout, PlayoutLedger

SECOND = 8000


def test_the_clock_moves_the_playhead() -> None:
    """Playback starts with the first byte sent, and what is queued but not sent is not heard."""
    ledger = PlayoutLedger()
    ledger.queued(1, 2 * SECOND)
    ledger.sent(1, SECOND, now=10.0)
    assert ledger.snapshot(1, 10.0) == Playout(queued=16000, sent=8000, heard=0)
    assert ledger.snapshot(1, 10.5) == Playout(queued=16000, sent=8000, heard=4000)
    assert ledger.heard(1, 99.0) == 8000
    assert (ledger.lead(10.25), ledger.playhead_end(10.25)) == (0.75, 11.0)
    assert (ledger.lead(12.0), ledger.playhead_end(12.0)) == (0.0, 12.0)


def test_utterances_are_played_in_the_order_they_were_sent() -> None:
    """The second starts when the first has ended; audio of no utterance takes its time too."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    ledger.sent(None, SECOND, 0.1)
    ledger.sent(2, SECOND, 0.2)
    assert [ledger.heard(u, 2.5) for u in (1, None, 2)] == [8000, 8000, 4000]


def test_an_idle_carrier_does_not_run_ahead() -> None:
    """After a pause, playback starts again at the moment of the next byte."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    ledger.sent(1, SECOND, 5.0)
    assert [ledger.heard(1, now) for now in (3.0, 5.0, 5.5)] == [8000, 8000, 12000]


def test_a_mark_pins_the_playhead() -> None:
    """The clock stops at a mark that was not echoed; its echo, early or late, says where the playhead is."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    ledger.mark_sent("end of 1")
    ledger.sent(2, SECOND, 0.0)
    assert [ledger.heard(1, 1.2), ledger.heard(2, 1.2)] == [8000, 0]
    ledger.mark_echoed("end of 1", 1.3)
    assert ledger.lead(1.3) == pytest.approx(1.0)
    assert [ledger.heard(2, now) for now in (1.3, 1.8, 2.3)] == [0, 4000, 8000]

    early = PlayoutLedger()
    early.sent(1, SECOND, 0.0)
    early.mark_sent("m")
    early.mark_echoed("m", 0.9)
    assert early.heard(1, 0.9) == 8000
    assert early.lead(0.9) == 0.0


def test_a_later_echo_settles_the_earlier_marks() -> None:
    """Marks are echoed in order, so one that is missing was played too; an unknown name changes nothing."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    ledger.mark_sent("a")
    ledger.sent(1, SECOND, 0.0)
    ledger.mark_sent("b")
    ledger.mark_echoed("never sent", 0.1)
    ledger.mark_echoed("b", 2.2)
    assert ledger.heard(1, 2.2) == 16000
    ledger.mark_echoed("a", 2.3)
    assert ledger.heard(1, 2.3) == 16000


def test_a_lost_mark_is_given_up() -> None:
    """When its time and the grace are over, the clock has the word again; marks behind a late one get its delay."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    ledger.mark_sent("lost")
    ledger.sent(1, 5 * SECOND, 0.0)
    assert ledger.heard(1, 1.0 + MARK_GRACE) == 8000
    assert ledger.heard(1, 1.1 + MARK_GRACE) == 16800

    late = PlayoutLedger()
    late.sent(1, SECOND, 0.0)
    late.mark_sent("a")
    late.sent(1, SECOND, 0.0)
    late.mark_sent("b")
    late.sent(1, SECOND, 0.0)
    late.mark_echoed("a", 1.9)
    assert late.heard(1, 3.5) == 16000
    late.mark_echoed("b", 3.6)
    assert late.heard(1, 3.85) == 18000


def test_a_clear_freezes_what_was_heard() -> None:
    """What was under way is lost, its marks are forgotten, and the next byte is played at once."""
    ledger = PlayoutLedger()
    ledger.queued(1, 3 * SECOND)
    ledger.sent(1, 2 * SECOND, 0.0)
    ledger.mark_sent("end of 1")
    ledger.cleared(0.5)
    assert ledger.lead(0.5) == 0.0
    ledger.mark_echoed("end of 1", 0.6)
    ledger.sent(2, SECOND, 0.7)
    assert ledger.snapshot(2, 1.2) == Playout(queued=8000, sent=8000, heard=4000)
    assert ledger.snapshot(1, 9.0) == Playout(queued=24000, sent=16000, heard=4000)
    ledger.cleared(9.0)
    ledger.cleared(9.0)
    assert ledger.heard(2, 9.0) == 8000


def test_a_finished_utterance_is_forgotten() -> None:
    """Its number may be used again, even while its audio is still being played."""
    ledger = PlayoutLedger()
    ledger.sent(1, SECOND, 0.0)
    assert ledger.finish(1, 0.5) == Playout(8000, 8000, 4000)
    assert ledger.finish(1) == Playout()
    ledger.sent(1, SECOND, 0.5)
    assert [ledger.heard(1, now) for now in (1.0, 1.5, 2.0)] == [0, 4000, 8000]
    assert ledger.finish(1) == Playout(8000, 8000, 8000)
    assert ledger.heard(1, 3.0) == 0


def test_milliseconds() -> None:
    """A snapshot speaks milliseconds too."""
    playout = Playout(queued=800, sent=400, heard=4)
    assert (playout.queued_ms, playout.sent_ms, playout.heard_ms) == (100, 50, 0.5)


def test_a_negative_count_is_an_error() -> None:
    """It would make the caller hear the past."""
    ledger = PlayoutLedger()
    with pytest.raises(ValueError, match="-1"):
        ledger.sent(1, -1, 0.0)
    with pytest.raises(ValueError, match="-1"):
        ledger.queued(1, -1)


def test_memory_does_not_grow_with_the_call() -> None:
    """An hour of frames, with marks that nobody echoes, leaves a handful of entries."""
    ledger = PlayoutLedger()
    for frame in range(180_000):
        ledger.sent(frame // 1000 % 2, 160, frame * 0.02 - 0.3)
        ledger.mark_sent("m")
    assert len(ledger._segments) <= 2
    assert len(ledger._marks) < 100
    idle = PlayoutLedger()
    for _ in range(5000):
        idle.mark_sent("m")
    assert len(idle._marks) <= 1024


steps = st.one_of(
    st.tuples(st.just("queued"), st.sampled_from([None, 1, 2]), st.integers(0, 3000)),
    st.tuples(st.just("sent"), st.sampled_from([None, 1, 2]), st.integers(0, 3000)),
    st.tuples(st.just("mark"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("echo"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("clear"), st.none(), st.just(0)),
    st.tuples(st.just("wait"), st.none(), st.integers(0, 3000)),
)


@given(st.lists(steps, max_size=60))
def test_heard_is_sent_is_queued(script: list[tuple[str, int | str | None, int]]) -> None:
    """Whatever happens: 0 <= heard <= sent <= queued, nothing heard is taken back, and all is heard in the end."""
    ledger = PlayoutLedger()
    now, cleared = 1000.0, False
    heard: dict[int | None, int] = dict.fromkeys((None, 1, 2), 0)
    for step, who, n in script:
        match step, who:
            case "queued", int() | None:
                ledger.queued(who, n)
            case "sent", int() | None:
                ledger.sent(who, n, now)
            case "mark", str():
                ledger.mark_sent(who)
            case "echo", str():
                ledger.mark_echoed(who, now)
            case "clear", _:
                ledger.cleared(now)
                cleared = True
            case _:
                now += n / 3000
        for utterance in heard:
            playout = ledger.snapshot(utterance, now)
            assert heard[utterance] <= playout.heard <= playout.sent <= playout.queued
            assert ledger.heard(utterance, now) == playout.heard
            heard[utterance] = playout.heard
        assert ledger.lead(now) >= 0
        assert ledger.playhead_end(now) == pytest.approx(now + ledger.lead(now))
    end = ledger.playhead_end(now) + 100
    if not cleared:
        assert all(ledger.snapshot(u, end).heard == ledger.snapshot(u, end).sent for u in heard)
