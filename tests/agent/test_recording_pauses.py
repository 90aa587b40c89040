"""What is none of a recording's business is not in it: a card number that an agent asks for."""

from __future__ import annotations

from pathlib import Path

from agent_world import Remembering, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import DigitCode, ask
from voice_runtime.audio import Wav, read_wav, to_ulaw_8k
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneSystem, ScriptedBrain, UseTool, VirtualLoop, run


async def take_card(call: VoiceSession) -> str:
    """Takes the number of the caller's card."""
    with call.recording_paused():
        with call.recording_paused():
            pass  # within one another, the outermost counts
        number = await ask(call, DigitCode("your card number?"))
    return f"{number}"


def test_a_card_number_is_not_in_the_recording(tmp_path: Path) -> None:
    """Neither side is, for as long as it takes; what was said before and after is, where it was said."""
    brain = ScriptedBrain([UseTool("take_card"), "thank you."])

    async def caller(line: Line) -> None:
        await line.hear_out()
        await says(line, "i want to pay")
        await line.hears("your card number?")
        await says(line, "four two four two")
        await line.hear_out(quiet_ms=2500)

    async def whole() -> None:
        app = VoiceApp(stt=MockStt, tts=MockTts())
        app.call()(Remembering(brain, greeting="hello.", tools=[take_card]))
        async with PhoneSystem(app, settings={"voice_record_dir": str(tmp_path)}) as system:
            record = await system.call(caller)
        assert ear(record) == "hello. your card number? thank you."

    run(whole(), VirtualLoop)
    (path,) = tmp_path.glob("*.wav")
    recording = read_wav(path)
    left, right = (to_ulaw_8k(Wav(8000, 1, "ulaw", recording.data[side::2])) for side in (0, 1))
    said, heard = (" ".join(word.text for word in read_spelling(side)) for side in (left, right))
    assert said == "i want to pay"
    assert heard == "hello. thank you."
