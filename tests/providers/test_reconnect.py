"""The reconnect machine, as transcripts: what went in, what came out."""

from __future__ import annotations

import pytest

from voice_runtime.providers.reconnect import (
    AudioEnded,
    Closed,
    Command,
    Connect,
    Connected,
    ConnectFailed,
    Disconnect,
    Errored,
    Event,
    Proven,
    Reconnect,
    ReconnectPolicy,
    ReportFailure,
    ScheduleWakeup,
    SendFailed,
    SessionExpired,
    SpokeForLong,
    StartRequested,
    State,
    StopRequested,
    Wakeup,
)
from voice_runtime.stt import SttFailure

EXHAUSTED = ReportFailure(SttFailure.RECONNECT_EXHAUSTED, "reconnect_exhausted_after_3_attempts")


def play(machine: Reconnect, *events: Event) -> list[Command]:
    return [command for event in events for command in machine.handle(event)]


def connected() -> Reconnect:
    machine = Reconnect()
    play(machine, StartRequested(), Connected(1))
    return machine


def test_a_start_dials_and_a_connection_is_watched_until_it_has_proven_itself() -> None:
    machine = Reconnect()
    assert play(machine, StartRequested()) == [Connect(1)]
    assert play(machine, Connected(1)) == [ScheduleWakeup(5.0, 1)]
    assert machine.state is State.CONNECTED


def test_an_error_its_repetition_and_the_close_are_one_trouble() -> None:
    machine = connected()
    assert play(machine, Errored(1, "queue_overflow"), Errored(1, "queue_overflow"), Closed(1), SendFailed(1)) == [
        Disconnect(1),
        ScheduleWakeup(1.0, 2),
    ]


@pytest.mark.parametrize("trouble", [Closed(1), SendFailed(1), Errored(1, "server_error")])
def test_every_kind_of_trouble_leads_to_a_new_link(trouble: Event) -> None:
    machine = connected()
    assert play(machine, trouble, Wakeup(2), Connected(2)) == [
        Disconnect(1),
        ScheduleWakeup(1.0, 2),
        Connect(2),
        ScheduleWakeup(5.0, 3),
    ]


def test_failed_attempts_are_repeated_with_growing_delays_up_to_the_cap() -> None:
    machine = connected()
    commands = play(
        machine,
        Closed(1),
        Wakeup(2),
        ConnectFailed(2, "refused"),
        Wakeup(3),
        ConnectFailed(3, "refused"),
        Wakeup(4),
        ConnectFailed(4, "refused"),
        Wakeup(4),
        Closed(4),
    )
    assert commands == [
        Disconnect(1),
        ScheduleWakeup(1.0, 2),
        Connect(2),
        ScheduleWakeup(2.0, 3),
        Connect(3),
        ScheduleWakeup(4.0, 4),
        Connect(4),
        EXHAUSTED,
    ]
    assert machine.state is State.OVER


@pytest.mark.parametrize(("roll", "delay"), [(0.0, 0.75), (0.5, 1.0), (1.0, 1.25)])
def test_luck_moves_the_delay_by_a_quarter_at_most(roll: float, delay: float) -> None:
    assert connected().handle(Closed(1), roll)[1:] == [ScheduleWakeup(delay, 2)]


def test_delays_stop_growing_at_the_longest() -> None:
    machine = Reconnect(ReconnectPolicy(attempts=9))
    play(machine, StartRequested(), Connected(1), Closed(1))
    delays = []
    for link in range(2, 9):
        play(machine, Wakeup(link))
        delays += [c.delay for c in play(machine, ConnectFailed(link, "no")) if isinstance(c, ScheduleWakeup)]
    assert delays == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize("proof", [Proven(2), Wakeup(3)])
def test_a_link_that_proves_itself_starts_the_count_again(proof: Event) -> None:
    machine = connected()
    play(machine, Closed(1), Wakeup(2), Connected(2), proof)
    assert play(machine, Closed(2))[1:] == [ScheduleWakeup(1.0, 4)]


def test_links_that_die_at_once_use_up_the_attempts() -> None:
    machine = connected()
    play(machine, Closed(1), Wakeup(2), Connected(2), Closed(2), Wakeup(4), Connected(3), Closed(3), Wakeup(6))
    assert play(machine, Connected(4), Closed(4)) == [ScheduleWakeup(5.0, 7), Disconnect(4), EXHAUSTED]


def test_a_terminal_error_is_reported_once() -> None:
    machine = connected()
    error = Errored(1, "quota_exceeded", SttFailure.QUOTA)
    assert play(machine, error, error, Closed(1)) == [
        Disconnect(1),
        ReportFailure(SttFailure.QUOTA, "quota_exceeded"),
    ]


def test_a_refused_key_is_not_tried_again() -> None:
    machine = connected()
    play(machine, Closed(1), Wakeup(2))
    assert play(machine, ConnectFailed(2, "auth_error", SttFailure.AUTH), Wakeup(3)) == [
        ReportFailure(SttFailure.AUTH, "auth_error")
    ]


def test_a_session_at_its_time_limit_is_replaced_at_once() -> None:
    machine = connected()
    assert play(machine, SessionExpired(1), Closed(1)) == [Disconnect(1), Connect(2)]


def test_a_service_that_expires_every_link_is_not_redialled_in_a_hot_loop() -> None:
    machine = connected()
    assert play(machine, SessionExpired(1), Connected(2), SessionExpired(2)) == [
        Disconnect(1),
        Connect(2),
        ScheduleWakeup(5.0, 2),
        Disconnect(2),
        ScheduleWakeup(2.0, 3),
    ]


def test_a_long_speech_of_the_agent_replaces_the_link() -> None:
    machine = connected()
    assert play(machine, SpokeForLong(), SpokeForLong(), Connected(2)) == [
        Disconnect(1),
        Connect(2),
        ScheduleWakeup(5.0, 2),
    ]


def test_stop_during_the_delay_never_dials_again() -> None:
    machine = connected()
    play(machine, Closed(1))
    assert play(machine, StopRequested(), Wakeup(2), SpokeForLong(), Closed(1)) == []
    assert machine.state is State.OVER


def test_a_link_that_comes_up_after_stop_is_closed_again() -> None:
    machine = connected()
    play(machine, Closed(1), Wakeup(2))
    assert play(machine, StopRequested(), Connected(2)) == [Disconnect(2)]


def test_stop_closes_the_link_and_a_second_stop_does_nothing() -> None:
    machine = connected()
    assert play(machine, StopRequested(), StopRequested()) == [Disconnect(1)]


def test_a_failed_start_is_over_without_a_report() -> None:
    machine = Reconnect()
    assert play(machine, StartRequested(), StartRequested(), ConnectFailed(1, "refused"), Closed(1)) == [Connect(1)]
    assert machine.state is State.OVER


def test_the_end_of_the_audio_closes_the_link_and_is_no_failure() -> None:
    assert play(connected(), AudioEnded(1), AudioEnded(1), Closed(1)) == [Disconnect(1)]


def test_what_an_abandoned_link_says_is_ignored() -> None:
    machine = connected()
    play(machine, Closed(1), Wakeup(2), Connected(2))
    late: list[Event] = [
        Closed(1),
        SendFailed(1),
        SessionExpired(1),
        AudioEnded(1),
        Proven(1),
        ConnectFailed(1, "late"),
        Errored(1, "auth_error", SttFailure.AUTH),
        Wakeup(1),
    ]
    assert play(machine, *late) == []
    assert (machine.state, machine.link) == (State.CONNECTED, 2)


def test_a_wakeup_that_nothing_waits_for_does_nothing() -> None:
    assert play(Reconnect(), Wakeup(0)) == []
