"""Who answers when an application dials, as the application and the record of the call know it."""

from __future__ import annotations

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.events import AnsweredBy
from voice_runtime.simulator import (
    CallRecord,
    EndedBy,
    Line,
    Menu,
    Phone,
    answering_machine,
    busy,
    call_screening,
    ivr,
    no_answer,
    person,
    unreachable,
)
from voice_runtime.testing import PhoneSystem, PhoneTests

NUMBER = "+15550001234"


def agent(handler) -> VoiceApp:
    app = VoiceApp()
    app.call()(handler)
    return app


async def greets(call: VoiceSession) -> None:
    await call.say("hello")


def detected(phone: PhoneTests, answering: Phone, mode: str) -> str:
    """What answering machine detection takes it for."""

    async def scenario(system: PhoneSystem) -> str:
        system.phones[NUMBER] = answering
        rest = system.carrier.rest
        fields = {"Url": f"{system.public_url}/incoming", "MachineDetection": mode}
        known = rest.add_call(NUMBER, "+358942721000", direction="outbound-api", fields=fields)
        assert rest.telephony is not None
        rest.telephony.place(known)
        await system.finished(known.sid)
        return known.answered_by or ""

    return phone.run(scenario, agent(greets))


@pytest.mark.parametrize(
    ("answering", "enabled", "message_end"),
    [
        (person("hello?"), AnsweredBy.HUMAN, AnsweredBy.HUMAN),
        (answering_machine(), AnsweredBy.MACHINE_START, AnsweredBy.MACHINE_END_BEEP),
        (answering_machine("Gone fishing."), AnsweredBy.MACHINE_START, AnsweredBy.MACHINE_END_BEEP),
        (answering_machine(beep=False), AnsweredBy.MACHINE_START, AnsweredBy.MACHINE_END_SILENCE),
        (call_screening(), AnsweredBy.MACHINE_START, AnsweredBy.MACHINE_END_SILENCE),
    ],
)
def test_people_and_machines_are_told_apart(
    phone: PhoneTests, answering: Phone, enabled: AnsweredBy, message_end: AnsweredBy
) -> None:
    """By answering machine detection, from what they say."""
    assert detected(phone, answering, "Enable") == enabled
    assert detected(phone, answering, "DetectMessageEnd") == message_end


def test_a_message_is_left(phone: PhoneTests) -> None:
    """What is said after the beep is the message; the machine hangs up when it is quiet."""

    async def leave(call: VoiceSession) -> None:
        assert "after the tone" in (await call.listen()).text
        await call.send_digits("w")
        await call.say("It is Alice. Call me back.", barge_in="never")
        await call.listen(timeout=60)

    record = phone.place(agent(leave), NUMBER, answering_machine(silence=3))
    assert record.message == "it is alice. call me back."
    assert record.ended_by is EndedBy.CALLER
    beeped = next(note.at for note in record.notes if note.kind == "beep")
    assert record.seconds == pytest.approx(record.heard[-1].end_s + 3, abs=0.3) and beeped < record.heard[0].start_s


def test_what_is_said_into_the_greeting_is_no_message(phone: PhoneTests) -> None:
    """A long message is cut off."""

    async def talk(call: VoiceSession) -> None:
        await call.say("too early", barge_in="never")
        await call.listen()
        await call.send_digits("w")
        await call.say("a long story that has no end " * 20, barge_in="never")

    record = phone.place(agent(talk), NUMBER, answering_machine(seconds=5))
    assert record.heard.text.startswith("too early") and record.message.startswith("a long story")
    assert len(record.message) < 100 and record.ended_by is EndedBy.CALLER


def test_menus(phone: PhoneTests) -> None:
    """Keys cut a prompt short and lead on, early ones too; words choose as well; a script answers at the end."""

    async def sales(line: Line) -> None:
        await line.say("sales, how can I help")
        await line.hears("goodbye")

    menu = Menu(
        "Welcome. For sales press one or say sales. For support press two. This prompt is quite long.",
        {
            "1": sales,
            "sales": sales,
            "2": Menu("For lines press one, for phones two.", {"1": "Lines are up.", "23": "-"}),
        },
    )
    heard: list[str] = []

    def calls(*, keys: str = "", says: str = "") -> CallRecord:
        async def dial(call: VoiceSession) -> None:
            heard.clear()
            if keys:
                await call.send_digits("W" + keys)
            else:
                heard.append((await call.listen()).text)
                await call.say(says)
            while True:
                heard.append((await call.listen()).text)
                if "how can i help" in heard[-1]:
                    await call.say("Goodbye")

        return phone.place(agent(dial), NUMBER, ivr(menu))

    assert "menu: 1" in calls(keys="1").transcript()
    assert heard[0].startswith("welcome") and "quite long" not in heard[0] and "sales, how can i help" in heard[-1]
    calls(says="Sales, please")
    assert heard[1:] == ["sales, how can i help"]
    transcript = calls(keys="21").transcript()
    assert heard[-1].endswith("lines are up.") and "menu: 2" in transcript and "menu: 1" in transcript


def test_a_menu_gives_up(phone: PhoneTests) -> None:
    """After it was said again for a key that is none, and for nothing."""

    async def silent(call: VoiceSession) -> None:
        await call.listen()
        await call.send_digits("9")
        while True:
            await call.listen()

    record = phone.place(agent(silent), NUMBER, ivr(Menu("Press one.", {"1": "Yes."}, timeout=2), repeats=2))
    told = [note.text for note in record.notes if note.kind in ("note", "caller")]
    assert told == ["Press one.", "menu: no choice 9", *["Press one.", "menu: nothing chosen"] * 2, "Goodbye."]
    assert record.ended_by is EndedBy.CALLER


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        ("It is Alice about the parcel", ["screened", "thank you. please stay on the line.", "yes, speaking"]),
        ("I sell things", ["screened", "the person you are calling is not available. goodbye."]),
        ("", ["screened", "the person you are calling is not available. goodbye."]),
    ],
)
def test_call_screening(phone: PhoneTests, reply: str, end: list[str]) -> None:
    """The human comes when the reply is accepted."""
    heard: list[str] = []

    async def call_alice(call: VoiceSession) -> None:
        await call.listen()
        heard.append("screened")
        if reply:
            await call.say(reply)
        while len(heard) < len(end):
            heard.append((await call.listen()).text)

    asked: list[str] = []

    def accepts(text: str) -> bool:
        asked.append(text)
        return "parcel" in text

    phone.place(agent(call_alice), NUMBER, call_screening("yes, speaking", accepts=accepts))
    assert heard == end and asked == [reply.lower()] * bool(reply)


@pytest.mark.parametrize(("phone_of", "status"), [(busy, "busy"), (no_answer, "no-answer"), (unreachable, "failed")])
def test_nobody_answers(phone: PhoneTests, phone_of, status: str) -> None:
    """For three reasons."""
    record = phone.place(agent(greets), NUMBER, phone_of())
    assert (record.status, record.seconds) == (status, 0)
