"""Sounds of a caller who only listens: nothing that the agent has to say is lost over them."""

from __future__ import annotations

import asyncio

from agent_world import Remembering, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.agent.builtin_tools import hang_up
from voice_runtime.audio.tones import dtmf
from voice_runtime.events import EndReason
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts, MockVad
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests, ScriptedBrain, UseTool

COUGH = dtmf("5")[:1600]  # 0.2 s that are loud, which is a voice to the doubles, and no word


def desk(agent: Agent, *, detector: bool = True) -> VoiceApp:
    app = VoiceApp(stt=MockStt, tts=MockTts(), vad=MockVad() if detector else None)
    app.call()(agent)
    return app


class SaysTwoThings(Remembering):
    """Says a line of its own while the brain thinks."""

    async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
        assert call.talk is not None
        if turn.text != "mhm":
            call.talk.say("this is a line of some length.")
        return turn


def test_an_mhm_does_not_cost_the_caller_the_answer(phone: PhoneTests) -> None:
    """It is said over the line before the answer, or as that ends; the answer follows at once."""
    for detector in (True, False):
        for pause in (0.4, 0.6, 0.9):

            async def caller(line: Line, pause: float = pause) -> None:
                await says(line, "a question")
                await line.wait_until_agent_speaks()
                await line.pause(pause)
                await says(line, "mhm")
                await line.hear_out(quiet_ms=3500)

            brain = ScriptedBrain("this is the answer.", "what.")
            record = phone.call(desk(SaysTwoThings(brain), detector=detector), caller)
            heard = ear(record, whole=True)
            assert heard.endswith("some length. this is the answer."), (detector, pause, heard)


def test_a_cough_at_the_end_of_a_goodbye_does_not_keep_the_call(phone: PhoneTests) -> None:
    """All of it was heard when it paused, so that the agent hangs up."""
    for ms in range(1100, 1300, 40):

        async def caller(line: Line, ms: int = ms) -> None:
            await says(line, "i am done")
            await line.wait_until_agent_speaks()
            await line.pause(0.4 + ms / 1000)
            await line.say(COUGH, "(coughs)")
            await line.stay()

        agent = Remembering(ScriptedBrain(["All right. ", UseTool("hang_up"), "Goodbye then."]), tools=[hang_up])
        record = phone.call(desk(agent), caller)
        assert agent.end is not None and agent.end.reason is EndReason.AGENT_HUNG_UP
        assert ear(record, whole=True) == "all right. goodbye then."


def test_a_noise_before_the_greeting_is_not_answered(phone: PhoneTests) -> None:
    """The caller hears that they have to wait, and the greeting; not that they were not understood."""

    class Slow(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            await asyncio.sleep(5.0)

    async def caller(line: Line) -> None:
        await line.pause(0.3)
        await line.say(COUGH * 4, "(noise)")
        await line.hear_out(quiet_ms=3500)

    record = phone.call(desk(Slow(ScriptedBrain(), greeting="hello.")), caller)
    assert "understand" not in ear(record)
    assert ear(record).endswith("hello.")
