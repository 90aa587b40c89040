"""A test of the parcel desk with pytest: on virtual time in a moment, and over real sockets."""

from parcel_desk import parcel_desk

from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import EndedBy, Line
from voice_runtime.testing import PhoneTests


async def caller(line: Line) -> None:
    await line.interrupt_after(1.0, "Where is my parcel?")
    await line.hears("key in your order number")
    line.press("7216#")
    await line.hears("Order 7 2 1 6 comes on Thursday")
    await line.stay()


def test_the_desk_is_interrupted_and_repeats_the_number(phone: PhoneTests) -> None:
    record = phone.call(parcel_desk(stt=MockStt, tts=MockTts), caller)
    assert record.heard.text.endswith("order 7 2 1 6 comes on thursday. goodbye.")
    assert "by day and by night" not in record.heard.text
    assert record.ended_by is EndedBy.REST


def test_the_same_over_real_sockets(phone_over_sockets: PhoneTests) -> None:
    test_the_desk_is_interrupted_and_repeats_the_number(phone_over_sockets)
