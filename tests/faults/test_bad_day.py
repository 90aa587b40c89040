"""The switches of a bad day: the same seed brings the same day, and every switch really does what it says."""

from __future__ import annotations

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio import beep
from voice_runtime.simulator import BadDay, CallRecord, Line, ViolationCode
from voice_runtime.testing import PhoneTests

EVERYTHING_BY_CHANCE = BadDay(
    jitter_ms=300,
    loss=0.05,
    holes_every=3,
    reorders=0.05,
    lost_marks=0.2,
    late_marks=0.5,
    doubled_marks=0.3,
    unknown_marks=0.3,
    lost_callbacks=0.2,
    doubled_callbacks=0.3,
    late_callbacks=0.5,
)


def echo() -> VoiceApp:
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say("go on")
        async for frame in call.audio():
            call.send_audio(frame)

    return app


async def talker(line: Line) -> None:
    await line.hear_out()
    for _ in range(4):
        await line.say(beep(400, 1000))
        await line.pause(1)


def day_of(phone: PhoneTests, seed: int) -> CallRecord:
    phone.options = {"seed": seed}
    return phone.call(echo(), talker, bad_day=EVERYTHING_BY_CHANCE)


def test_the_same_seed_brings_the_same_day(phone: PhoneTests) -> None:
    """Not a byte at the ear and not a line of the transcript differs; another seed is another day."""
    first, again, other = (day_of(phone, seed) for seed in (1, 1, 2))
    assert (first.ear, first.transcript()) == (again.ear, again.transcript())
    assert first.ear != other.ear


def test_a_call_may_have_a_bad_day_of_its_own(phone: PhoneTests) -> None:
    """The carrier's is for those who have none."""
    phone.options = {"bad_day": BadDay(loss=1.0)}
    deaf, well = phone.call(echo(), talker), phone.call(echo(), talker, bad_day=BadDay())
    assert len(deaf.timeline.agent) == 1 < len(well.timeline.agent)


@pytest.mark.parametrize(
    "day",
    [
        BadDay(duplicate_socket_after=2.0),
        BadDay(replays_socket=True),
        BadDay(duplicate_socket_after=1.0, replays_socket=True),
    ],
)
def test_no_other_socket_gets_a_call(phone: PhoneTests, day: BadDay) -> None:
    """A second socket for a live call, and a replayed one after it, are refused; the call does not suffer."""
    record = phone.call(echo(), talker, bad_day=day)
    said = [note.text for note in record.notes if "socket" in note.text]
    assert said and all("refused" in text or "ended" in text for text in said), said
    assert len(record.timeline.agent) == 5


@pytest.mark.parametrize("byte", [0, 10, 90, 700, 1000, 20_011])
def test_a_socket_that_is_cut_anywhere_ends_the_call(phone_over_sockets: PhoneTests, byte: int) -> None:
    """Before `start`, in it, in the middle of a frame of audio: nobody is left on the line."""
    phone_over_sockets.expect(ViolationCode.BROKEN_PIPE)
    record = phone_over_sockets.call(echo(), talker, bad_day=BadDay(cuts_at_byte=byte))
    assert record.ended_by == "twiml" and record.seconds < 15
