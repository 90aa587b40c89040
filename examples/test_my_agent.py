"""A test of the parcel desk with pytest: on virtual time in a moment, and over real sockets."""

from parcel_desk import parcel_desk

from voice_runtime.audio import beep
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import EndedBy, Line
from voice_runtime.testing import PhoneTests


async def caller(line: Line) -> None:
    await line.interrupt_after(1.0, beep(400, 900), "where is my parcel")
    await line.hear_out()
    line.press("7216#")
    await line.stay()


def test_the_desk_is_interrupted_and_repeats_the_number(phone: PhoneTests) -> None:
    voice = MockTts()
    app = parcel_desk(stt=lambda: MockStt(script=[(1500, "where is my parcel")]), tts=voice)
    record = phone.call(app, caller)
    assert voice.spoken[-1] == "Order 7 2 1 6 comes on Thursday. Goodbye."
    assert len(record.timeline.barge_ins()) == 1
    assert record.ended_by is EndedBy.REST


def test_the_same_over_real_sockets(phone_over_sockets: PhoneTests) -> None:
    test_the_desk_is_interrupted_and_repeats_the_number(phone_over_sockets)
