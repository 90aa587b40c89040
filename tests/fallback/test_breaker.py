"""When a provider is left alone, and how it comes back."""

from __future__ import annotations

from voice_runtime.fallback.breaker import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(failures=3, cooldown=10.0, growth=2.0, longest=30.0)


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(3):
        assert breaker.allows(0.0)
        breaker.failed(0.0)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_starts_the_count_anew() -> None:
    """Three failures spread over good calls are bad luck; three in a row are not."""
    breaker = Breaker(POLICY)
    for _ in range(100):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.allows(0.0)
    assert not opened().allows(9.9)


def test_one_call_at_a_time_tries_it_again() -> None:
    """After the cool-down the first who asks is let through, and nobody else before that is decided."""
    breaker = opened()
    assert [breaker.allows(10.0), breaker.allows(10.0), breaker.allows(60.0)] == [True, False, False]
    assert breaker.succeeded()
    assert [breaker.allows(60.0), breaker.allows(60.0)] == [True, True]


def test_each_failed_probe_makes_the_wait_longer_and_a_success_makes_it_short_again() -> None:
    """10 s, 20 s, 30 s and no more; then 10 s."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(4):
        began = now
        while not breaker.allows(now):
            now += 1.0
        waits.append(now - began)
        breaker.failed(now)
    assert waits == [10.0, 20.0, 30.0, 30.0]
    while not breaker.allows(now):
        now += 1.0
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(now)
    assert not breaker.allows(now + 9.0) and breaker.allows(now + 10.0)


def test_a_probe_that_nobody_waited_for_decides_nothing() -> None:
    """The caller hung up: the next one is the probe."""
    breaker = opened()
    assert breaker.allows(10.0)
    breaker.abandoned()
    assert breaker.state is BreakerState.OPEN
    assert breaker.allows(10.0)


def test_late_news_of_calls_that_began_before() -> None:
    """A failure of a call from before does not lengthen the wait; a success ends it."""
    breaker = opened()
    breaker.failed(9.0)
    assert breaker.allows(10.0)
    breaker = opened()
    assert breaker.succeeded()
    assert breaker.allows(1.0)
