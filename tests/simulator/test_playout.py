"""The playout queue, as transcripts: what the server sends, what passes, what the ear hears, what is echoed."""

from __future__ import annotations

import json

import pytest

from voice_runtime.events import MarkOutcome
from voice_runtime.simulator.playout import MAX_QUEUED_SECONDS, Echo, Playout
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.media import StreamEncoder

SID = "MZ" + "0" * 32
say = StreamEncoder(SID)
SILENCE = b"\xff" * 160


def frame(byte: int, frames: float = 1) -> str:
    return say.media(bytes([byte]) * int(160 * frames))


def names(echoes: tuple[Echo, ...] | list[Echo]) -> list[tuple[str, str]]:
    return [(echo.name, echo.outcome.value) for echo in echoes]


def test_nothing_sent_is_silence() -> None:
    """An empty queue sounds like mu-law zero."""
    assert Playout(SID).play(0.02).audio == SILENCE


def test_audio_is_played_in_order_at_eight_bytes_per_millisecond() -> None:
    """Two frames and a half last 50 ms, then it is quiet."""
    playout = Playout(SID)
    playout.receive(frame(1))
    playout.receive(frame(2, 1.5))
    heard = [playout.play(0.02 * tick).audio for tick in (1, 2, 3, 4)]
    assert heard == [b"\x01" * 160, b"\x02" * 160, b"\x02" * 80 + SILENCE[:80], SILENCE]


def test_time_passes_in_steps_of_any_size() -> None:
    """The sound depends on when it is, not on how often one asks."""
    playout = Playout(SID)
    playout.receive(say.media(bytes(range(160))))
    pieces = [playout.play(at).audio for at in (0.003, 0.003, 0.001, 0.0175, 0.02)]
    assert b"".join(pieces) == bytes(range(160))
    assert [len(piece) for piece in pieces] == [24, 0, 0, 116, 20]


def test_a_mark_is_echoed_when_what_was_before_it_has_been_played() -> None:
    """Not before, and with its exact time."""
    playout = Playout(SID)
    playout.receive(frame(1, 2))
    assert playout.receive(say.mark("a")) == []
    playout.receive(frame(2))
    playout.receive(say.mark("b"))
    assert playout.play(0.02).echoes == ()
    assert playout.play(0.05).echoes == (Echo("a", 0.0, 0.04, MarkOutcome.PLAYED),)
    assert playout.play(1.0).echoes == (Echo("b", 0.0, 0.06, MarkOutcome.PLAYED),)


def test_a_mark_on_an_empty_queue_is_echoed_at_once() -> None:
    """There is nothing to wait for."""
    assert names(Playout(SID).receive(say.mark("now"))) == [("now", "played")]


def test_clear_drops_the_audio_and_returns_all_marks_at_once() -> None:
    """What comes after it is played as usual."""
    playout = Playout(SID)
    for name in "abc":
        playout.receive(frame(1))
        playout.receive(say.mark(name))
    assert names(playout.play(0.02).echoes) == [("a", "played")]
    assert names(playout.receive(say.clear())) == [("b", "cleared"), ("c", "cleared")]
    assert (playout.cleared_bytes, playout.queued_seconds, playout.clears) == (320, 0.0, [0.02])
    playout.receive(frame(2))
    playout.receive(say.mark("d"))
    played = playout.play(0.04)
    assert (played.audio, names(played.echoes)) == (b"\x02" * 160, [("d", "played")])


def test_ten_minutes_may_be_queued_and_no_more() -> None:
    """31931, once; there is room again when some of it has been played."""
    playout = Playout(SID)
    playout.queue(bytes(8000 * MAX_QUEUED_SECONDS))
    playout.receive(frame(1))
    playout.receive(frame(1))
    assert [violation.code for violation in playout.violations] == [ViolationCode.QUEUE_FULL]
    playout.play(0.02)
    playout.receive(frame(1))
    assert playout.queued_seconds == MAX_QUEUED_SECONDS


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        "{}",
        json.dumps({"event": "hangup", "streamSid": SID}),
        json.dumps({"event": "clear"}),
        json.dumps({"event": "clear", "streamSid": "MZ" + "1" * 32}),
        json.dumps({"event": "clear", "streamSid": SID, "extra": 1}),
        json.dumps({"event": "media", "streamSid": SID, "media": {"payload": "/w==", "track": "outbound"}}),
        json.dumps({"event": "media", "streamSid": SID, "media": {"payload": "%%%"}}),
        json.dumps({"event": "mark", "streamSid": SID, "mark": {"name": 7}}),
    ],
)
def test_a_message_that_is_not_exactly_right_is_dropped(message: str) -> None:
    """31951, and the queue is as before."""
    playout = Playout(SID)
    playout.receive(frame(1))
    assert playout.receive(message) == []
    assert [violation.code for violation in playout.violations] == [ViolationCode.INVALID_MESSAGE]
    assert playout.play(0.04).audio == b"\x01" * 160 + SILENCE


def test_invalid_messages_are_logged_once_and_counted_always() -> None:
    """As on Twilio's console; binary frames are another matter."""
    playout = Playout(SID)
    for message in ("no", "no", b"\x00", "no"):
        playout.receive(message)
    assert [violation.code.value for violation in playout.violations] == [31951, 31950]
    assert playout.rejected_messages == 4


def test_an_abandoned_stream_leaves_its_marks_disconnected() -> None:
    """They are never echoed."""
    playout = Playout(SID)
    playout.receive(frame(1))
    playout.receive(say.mark("never"))
    assert names(playout.abandon()) == [("never", "disconnected")]
    assert playout.play(0.02).audio == SILENCE
