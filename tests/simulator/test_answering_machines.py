"""Who answered: decided from what is heard, told as Twilio tells it."""

from __future__ import annotations

import pytest

from fakes.twilio_application import PUBLIC, Application, listen
from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.audio.tones import beep, silence, tone
from voice_runtime.events import AnsweredBy
from voice_runtime.simulator import Line, Phone
from voice_runtime.simulator.amd import Detector, Thresholds

ALICE, BOB = "+358401234567", "+358942721000"


def speech(ms: int) -> bytes:
    """Something that is no pure tone."""
    return tone(((180, 0.2), (410, 0.2), (1330, 0.2)), ms)


def verdict(heard: bytes, **thresholds: int | bool) -> tuple[str, int]:
    """Who, and after how many milliseconds."""
    detector = Detector(Thresholds(**thresholds))
    for start in range(0, len(heard), FRAME_BYTES):
        if (who := detector.feed(heard[start : start + FRAME_BYTES])) is not None:
            return who.value, detector.elapsed_ms
    raise AssertionError("no verdict")


HELLO = silence(300) + speech(700) + silence(60_000)
GREETING = silence(300) + speech(2000) + silence(400) + speech(2000)
FAX = silence(500) + beep(2100, 3000)


@pytest.mark.parametrize(
    ("heard", "enabled", "message_end"),
    [
        (HELLO, ("human", 2200), ("human", 2200)),
        (GREETING + silence(9000), ("machine_start", 2720), ("machine_end_silence", 5900)),
        (GREETING + silence(600) + beep() + silence(9000), ("machine_start", 2720), ("machine_end_beep", 5720)),
        (speech(60_000), ("machine_start", 2420), ("machine_end_other", 30_000)),
        (silence(60_000), ("unknown", 5000), ("unknown", 5000)),
        (FAX, ("fax", 900), ("fax", 900)),
    ],
)
def test_verdicts(heard: bytes, enabled: tuple[str, int], message_end: tuple[str, int]) -> None:
    """Enable says as soon as it knows, DetectMessageEnd when a machine's greeting is over."""
    assert verdict(heard) == enabled
    assert verdict(heard, message_end=True) == message_end


def test_thresholds() -> None:
    """Each moves the verdict it is for."""
    assert verdict(HELLO, speech_end=2000) == ("human", 3000)
    assert verdict(HELLO, speech=600)[0] == "machine_start"
    assert verdict(silence(9000), silence=2000) == ("unknown", 2000)
    assert verdict(speech(9000), timeout=3000, speech=6000) == ("unknown", 3000)


def greets(heard: bytes) -> Phone:
    async def answers(line: Line) -> None:
        await line.say(heard)
        await line.stay()

    return Phone(answers)


async def place(carrier, **fields: str):
    """As the API does."""
    given = {"Url": f"{PUBLIC}/voice", **fields}
    known = carrier.rest.add_call(ALICE, BOB, direction="outbound-api", fields=given)
    carrier.rest.telephony.place(known)
    return await carrier.finished(known.sid)


@pytest.mark.in_process
async def test_a_synchronous_verdict_comes_with_the_first_request(telephony) -> None:
    """Which is made only then; and with the status callback."""
    app = Application(listen, twiml="<Response/>")
    carrier = await telephony(app)
    carrier.phones[ALICE] = greets(speech(700))
    record = await place(carrier, MachineDetection="Enable", StatusCallback=f"{PUBLIC}/status")
    (form,), (told,) = app.asked("/voice"), app.asked("/status")
    assert (form["AnsweredBy"], told["AnsweredBy"]) == ("human", "human")
    assert int(form["MachineDetectionDuration"]) == pytest.approx(1900, abs=60)
    assert carrier.rest.calls[record.sid].answered_by == AnsweredBy.HUMAN


@pytest.mark.in_process
async def test_an_asynchronous_verdict_is_told_beside_the_call(telephony) -> None:
    """TwiML begins at once; without a callback there is a warning, 21262."""
    app = Application(listen, twiml="<Response><Pause length='6'/></Response>")
    carrier = await telephony(app)
    carrier.phones[ALICE] = greets(speech(4000))
    fields = {"MachineDetection": "Enable", "AsyncAmd": "true"}
    record = await place(carrier, **fields, AsyncAmdStatusCallback=f"{PUBLIC}/status")
    (form,), (told,) = app.asked("/voice"), app.asked("/status")
    assert "AnsweredBy" not in form
    assert (told["AnsweredBy"], told["CallSid"]) == ("machine_start", record.sid)
    assert [v.code.value for v in (await place(carrier, **fields)).violations] == [21262]


@pytest.mark.in_process
async def test_digits_take_the_place_of_detection(telephony) -> None:
    """SendDigits: the callee hears the keys, and nobody detects anything."""
    app = Application(listen, twiml="<Response/>")
    carrier = await telephony(app)
    carrier.phones[ALICE] = greets(speech(700))
    await place(carrier, MachineDetection="Enable", SendDigits="w12")
    (form,) = app.asked("/voice")
    assert "AnsweredBy" not in form
