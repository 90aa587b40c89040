"""What people say and hear, as words: over whole calls, on virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio import beep
from voice_runtime.audio.wav import WavWriter
from voice_runtime.simulator import Line, Phone
from voice_runtime.testing import PhoneTests


def parrot() -> VoiceApp:
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say("Hello, what is your name?")
        await call.say(f"Nice to meet you, {(await call.listen()).text}. Goodbye!")

    return app


def test_a_conversation_in_words(phone: PhoneTests) -> None:
    """The caller waits for words, says some, and the record knows what was heard; so does the transcript."""
    so_far = []

    async def caller(line: Line) -> None:
        await line.hears("WHAT is your name")
        so_far.append(line.heard)
        await line.say("Alice")
        await line.hears("goodbye")
        await line.stay()

    record = phone.call(parrot(), caller)
    assert so_far == ["hello, what is your name?"]
    assert record.heard.text == "hello, what is your name? nice to meet you, alice. goodbye!"
    assert all(word.whole for word in record.heard)
    lines = [line.split(maxsplit=1)[1] for line in record.transcript().splitlines()]
    said = [" ".join(line.split()) for line in lines if line.startswith(("agent", "caller"))]
    assert said == ["agent hello, what is your name?", "caller Alice", "agent nice to meet you, alice. goodbye!"]


def test_an_interrupted_word_is_cut_off(phone: PhoneTests) -> None:
    """The ear knows in which word the agent fell silent."""
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say("this sentence goes on for quite some time", barge_in="speech")
        await call.listen()
        await call.say("yes?")

    async def caller(line: Line) -> None:
        await line.interrupt_after(1.0, "stop it")
        await line.hears("yes")

    record = phone.call(app, caller)
    *_, cut, yes = record.heard
    assert (cut.whole, yes.whole, yes.text) == (False, True, "yes?")
    assert f"{cut.text}-\n" in record.transcript()
    assert record.heard.since(cut.end_s).text == "yes?"


def test_words_that_are_not_said_fail_the_test(phone: PhoneTests) -> None:
    """After the time-out, when they were said before those that were waited for last, and when the agent hangs up."""

    async def impatient(line: Line) -> None:
        await line.hears("your name", timeout=4)
        await line.hears("hello", timeout=1.5)

    with pytest.raises(TimeoutError, match="did not hear 'hello' within 1.5 s, but ''"):
        phone.call(parrot(), impatient)

    async def hopeful(line: Line) -> None:
        await line.hears("what")
        await line.say("Bob")
        await line.hears("here is a million", timeout=60)

    with pytest.raises(TimeoutError, match=r"ended before 'here is a million'; heard: '.* meet you bob goodbye'"):
        phone.call(parrot(), hopeful)


def test_last_words_count_when_the_agent_hangs_up_upon_them(phone: PhoneTests) -> None:
    """Goodbye and the end of the call come together."""

    async def caller(line: Line) -> None:
        await line.hears("name")
        await line.say("Bob")
        await line.hears("meet you bob goodbye")

    assert phone.call(parrot(), caller).heard.text.endswith("goodbye!")


def test_a_voice_of_ones_own(phone: PhoneTests) -> None:
    """Given to the call or to the phone; the words are in the transcript all the same."""
    voice = beep(300, 900)

    async def person(line: Line) -> None:
        await line.say("hello?")

    calls = [
        phone.call(parrot(), person, voice=lambda _words: voice),
        phone.place(parrot(), "+15550001234", Phone(person, voice=lambda _words: voice)),
    ]
    assert [(voice in record.mouth, "hello?" in record.transcript()) for record in calls] == [(True, True)] * 2


def test_the_path_of_a_file_is_no_words(phone: PhoneTests, tmp_path: Path) -> None:
    """A mistake is told; `play` takes it."""
    path = tmp_path / "beep.wav"
    with WavWriter(path, channels=1, encoding="ulaw") as writer:
        writer.write(beep(200, 700))

    async def caller(line: Line) -> None:
        with pytest.raises(ValueError, match="is words to say"):
            await line.say(str(path))
        with pytest.raises(ValueError, match="no word to hear"):
            await line.hears("?!")
        await line.play(str(path), "hello")

    record = phone.call(parrot(), caller)
    assert "caller        hello" in record.transcript()
