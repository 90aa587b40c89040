"""The replay buffer: what a new connection is told again."""

from __future__ import annotations

from voice_runtime.providers.replay import ReplayBuffer


def buffer(*frames: bytes, seconds: float = 10.0) -> ReplayBuffer:
    made = ReplayBuffer(seconds)
    for frame in frames:
        made.add(frame)
    return made


def test_frames_are_taken_once_and_in_order() -> None:
    held = buffer(b"a" * 160, b"b" * 160)
    assert [held.take(160), held.take(160), held.take(160)] == [b"a" * 160, b"b" * 160, None]


def test_waiting_frames_are_joined_up_to_the_size_of_a_message() -> None:
    held = buffer(b"a" * 160, b"b" * 160, b"c" * 160)
    assert [held.take(400), held.take(400)] == [b"a" * 160 + b"b" * 160, b"c" * 160]


def test_a_frame_larger_than_a_message_goes_alone() -> None:
    assert buffer(b"a" * 500).take(160) == b"a" * 500


def test_a_new_connection_is_told_everything_again() -> None:
    held = buffer(b"a", b"b")
    held.take()
    held.rewind()
    assert held.take() == b"ab"


def test_a_commit_forgets_what_was_sent_but_for_its_tail() -> None:
    held = buffer(b"a" * 160, b"b" * 160, b"c" * 160)
    held.take(320)
    held.forget_sent(keep=160)
    held.rewind()
    assert held.take() == b"b" * 160 + b"c" * 160


def test_what_was_not_sent_is_never_forgotten() -> None:
    held = buffer(b"a", b"b")
    held.forget_sent()
    assert held.take() == b"ab"


def test_a_full_buffer_drops_the_oldest_and_counts_what_nobody_got() -> None:
    held = buffer(seconds=0.06)
    assert [held.add(bytes([n]) * 160) for n in range(5)] == [0, 0, 0, 160, 160]
    assert held.lost == 320
    assert len(held) == 480
    assert held.take() == b"\x02" * 160 + b"\x03" * 160 + b"\x04" * 160


def test_dropping_what_was_sent_is_no_loss() -> None:
    held = buffer(b"a" * 160, b"b" * 160, seconds=0.04)
    held.take()
    assert held.add(b"c" * 160) == 0
    assert held.lost == 0
    assert held.take() == b"c" * 160


def test_clear_forgets_everything() -> None:
    held = buffer(b"a")
    held.clear()
    assert (len(held), held.take()) == (0, None)
