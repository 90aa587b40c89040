"""People whose script is a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio import beep
from voice_runtime.audio.wav import WavWriter
from voice_runtime.errors import ConfigurationError
from voice_runtime.simulator import EndedBy, load_script
from voice_runtime.testing import PhoneTests

SCRIPT = """
- hears: What is your name?
- say: Alice
- hears: {text: your code, timeout: 20}
- press: "0471#"
- pause: 0.5
- interrupt_after: {seconds: 0.5, words: "stop, please"}
- hear_out
- mumble: 1
- play: {audio: beep.wav, text: a beep}
- stay: 30
"""


def desk(got: list[str]) -> VoiceApp:
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say("What is your name?")
        got.append((await call.listen()).text)
        await call.say("Your code?")
        got.append((await call.collect_digits()).text)
        await call.say("a very long sentence that nobody will want to hear to its end", barge_in="speech")
        got.append((await call.listen()).text)
        await call.say("Goodbye")
        await call.send_digits("WWW")

    return app


def written(folder: Path, text: str) -> Path:
    path = folder / "call.yaml"
    path.write_text(text)
    return path


def test_every_step_is_done(phone: PhoneTests, tmp_path: Path) -> None:
    """Paths are beside the script; the person stays until the agent hangs up."""
    got: list[str] = []
    with WavWriter(tmp_path / "beep.wav", channels=1, encoding="ulaw") as writer:
        writer.write(beep(200, 700))
    record = phone.call(desk(got), load_script(written(tmp_path, SCRIPT)))
    assert got == ["alice", "0471", "stop, please"]
    said = [note.text for note in record.notes if note.kind == "caller"]
    assert said == ["Alice", "stop, please", "(mumbling)", "a beep"]
    assert record.ended_by is EndedBy.REST


def test_hanging_up_ends_the_script(phone: PhoneTests, tmp_path: Path) -> None:
    """What comes after it is not done."""
    record = phone.call(desk([]), load_script(written(tmp_path, "- pause: 1\n- hang_up\n- say: too late\n")))
    assert (record.ended_by, "too late" in record.transcript()) == (EndedBy.CALLER, False)


def test_the_step_that_fails_is_named(phone: PhoneTests, tmp_path: Path) -> None:
    """With what was heard instead."""
    script = load_script(written(tmp_path, "- pause: 0.1\n- hears: {text: good evening, timeout: 3}\n"))
    with pytest.raises(TimeoutError, match=r"call.yaml: step 2: did not hear 'good evening' .* 'what is your name'"):
        phone.call(desk([]), script)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- say: hello\n- sing: a song", "step 2: there is no verb 'sing'; there are say, play, press"),
        ("- say: 5", "step 1: say needs words, not 5: put it in quotes"),
        ("- press: 0471", "step 1: press needs keys, not 313: put it in quotes"),
        ("- press: 12x", "step 1: press needs the keys of a telephone"),
        ("- pause: soon", "step 1: pause needs a number from 0 to 86400, not 'soon'"),
        ("- pause", "step 1: pause needs seconds"),
        ("- hears: {text: hello, timeout: -1}", "step 1: timeout of hears needs a number"),
        ("- hears: {text: hello, time: 1}", "step 1: hears has no 'time'; it has text, timeout"),
        ("- interrupt_after: 2", "step 1: interrupt_after takes a mapping of seconds, words, timeout, not 2"),
        ("- interrupt_after: {seconds: 2}", "step 1: interrupt_after needs words"),
        ("- hang_up: now", "step 1: hang_up takes nothing, not 'now'"),
        ("- play: nowhere.wav", "step 1: play needs a WAV file: nowhere.wav: No such file or directory"),
        ("- play: call.yaml", "step 1: play needs a WAV file: call.yaml: "),
        ("- say: a\n  press: '1'", "step 1: must be one verb, such as `say: hello`"),
        ("say: hello", "must be a list of steps, such as `- say: hello`"),
        ("", "must be a list of steps"),
        ("- say: 'hello\n", ", line 2: is no YAML: "),
        ("- say: \x00", "is no YAML: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    """File, step and reason, before anybody is called."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as failure:
        load_script(path)
    said = str(failure.value)
    assert said.startswith(str(path)) and complaint in said and "\n" not in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is named."""
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read: No such file"):
        load_script(tmp_path / "none.yaml")
