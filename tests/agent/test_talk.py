"""What hooks, tools and programs have an agent say: text, ready audio, generated lines; and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.audio.spelling import spell
from voice_runtime.errors import TtsError
from voice_runtime.events import PlaybackOutcome
from voice_runtime.llm import AgentItem, History, Turn, UserItem, messages
from voice_runtime.mock import MockTts
from voice_runtime.simulator import Line
from voice_runtime.talk import Said, Talk
from voice_runtime.testing import PhoneTests


async def answers(turn: Turn) -> AsyncIterator[str]:
    yield "yes."


class Talking(Remembering):
    """Does something with its `Talk` when the call begins, and keeps what became of it."""

    said: Said | None = None

    async def talk(self, talk: Talk) -> Said:
        raise NotImplementedError

    async def enter(self, call: VoiceSession) -> None:
        assert call.talk is not None
        call.tasks.start("talk", self._talk(call.talk))

    async def _talk(self, talk: Talk) -> None:
        self.said = await self.talk(talk)


async def listens(line: Line) -> None:
    await line.hear_out(quiet_ms=1500)


async def talks_over(line: Line) -> None:
    await line.wait_until_agent_speaks()
    await line.pause(1.0)
    await says(line, "no wait please")
    await line.hear_out(quiet_ms=1500)


LONG = "this is a long line that takes its time to be said to the end."


def test_a_line_that_is_played_is_remembered(phone: PhoneTests) -> None:
    """Whoever had it said is told what the caller heard."""

    class Greets(Talking):
        async def talk(self, talk: Talk) -> Said:
            return await talk.say("welcome.")

    agent = Greets(answers)
    assert ear(phone.call(desk(agent), listens)) == "welcome."
    assert agent.said == Said(PlaybackOutcome.PLAYED, "welcome.")
    assert agent.remembered == [AgentItem("welcome.")]


def test_a_line_that_is_interrupted_tells_how_far_it_was_heard(phone: PhoneTests) -> None:
    """And one that is not interruptible is heard to its end."""

    class Announces(Talking):
        interruptible = True

        async def talk(self, talk: Talk) -> Said:
            return await talk.say(LONG, interruptible=self.interruptible)

    agent = Announces(answers)
    phone.call(desk(agent), talks_over)
    assert agent.said is not None and agent.said.interrupted
    assert agent.said.heard and LONG.startswith(agent.said.heard) and agent.said.heard != LONG
    agent.interruptible = False
    phone.call(desk(agent), talks_over)
    assert agent.said == Said(PlaybackOutcome.PLAYED, LONG)


def test_a_line_that_fails_says_so(phone: PhoneTests) -> None:
    """Played, interrupted and failed are three results."""

    class Mute(MockTts):
        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            if text == "welcome.":
                raise TtsError("mute", "failed", "for once")
            async for chunk in super().synthesize(text):
                yield chunk

    class Greets(Talking):
        async def talk(self, talk: Talk) -> Said:
            return await talk.say("welcome.")

    agent = Greets(answers)
    phone.call(desk(agent, tts=Mute()), listens)
    assert agent.said == Said(PlaybackOutcome.FAILED)


def test_a_line_is_kept_out_of_the_history_on_request(phone: PhoneTests) -> None:
    """It is heard all the same."""

    class Holds(Talking):
        async def talk(self, talk: Talk) -> Said:
            talk.say("please hold.", history=False)
            return await talk.say("here we are.")

    agent = Holds(answers)
    assert ear(phone.call(desk(agent), listens)) == "please hold. here we are."
    assert agent.remembered == [AgentItem("here we are.")]


def test_ready_audio_needs_no_voice(phone: PhoneTests) -> None:
    """Bytes or a stream, with the words that it has."""
    voice = MockTts()

    class Plays(Talking):
        async def talk(self, talk: Talk) -> Said:
            async def stream() -> AsyncIterator[bytes]:
                for piece in ("and ", "streamed."):
                    await asyncio.sleep(0.01)
                    yield spell(piece)

            talk.say("ready.", audio=spell("ready."))
            return await talk.say(audio=stream())

    agent = Plays(answers)
    assert ear(phone.call(desk(agent, tts=voice), listens)) == "ready. and streamed."
    assert not {"ready.", "and streamed."} & set(voice.spoken)
    assert agent.remembered == [AgentItem("ready.")]


def test_ready_audio_goes_on_where_a_cough_cut_it(phone: PhoneTests) -> None:
    """As speech does."""

    class Plays(Talking):
        async def talk(self, talk: Talk) -> Said:
            return await talk.say(LONG, audio=spell(LONG))

    async def coughs(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.5)
        await line.say(spell("x")[:533], "(coughs)")
        await line.hear_out(quiet_ms=3000)

    agent = Plays(answers)
    record = phone.call(desk(agent), coughs)
    assert len(record.timeline.agent_turns) == 2
    assert agent.said == Said(PlaybackOutcome.PLAYED, LONG)


def test_a_stream_of_audio_goes_on_after_a_cough(phone: PhoneTests) -> None:
    """Also one that comes no faster than it is heard: whoever makes it is not stopped."""

    class Plays(Talking):
        async def talk(self, talk: Talk) -> Said:
            async def stream() -> AsyncIterator[bytes]:
                for word in "one two three four five six seven eight".split():
                    yield spell(f"{word} ")
                    await asyncio.sleep(0.4)

            return await talk.say(audio=stream())

    async def coughs(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(1.2)
        await line.say(spell("x")[:533], "(coughs)")
        await line.hear_out(quiet_ms=3000)

    agent = Plays(answers)
    assert ear(phone.call(desk(agent), coughs), whole=True).endswith("six seven eight")
    assert agent.said == Said(PlaybackOutcome.PLAYED)


def test_a_stream_of_audio_that_breaks_has_failed(phone: PhoneTests) -> None:
    """What there is of it is heard, and the call goes on."""

    class Plays(Talking):
        async def talk(self, talk: Talk) -> Said:
            async def stream() -> AsyncIterator[bytes]:
                yield spell("one two.")
                raise ConnectionError("the file is gone")

            said = await talk.say(audio=stream())
            await talk.say("three.")
            return said

    agent = Plays(answers)
    assert ear(phone.call(desk(agent), listens)) == "one two. three."
    assert agent.said == Said(PlaybackOutcome.FAILED)


def test_a_line_is_generated_from_an_instruction(phone: PhoneTests) -> None:
    """The brain gets it apart from what the caller said, also in what models take; the history has only the line."""
    turns: list[Turn] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        turns.append(turn)
        yield "your driver is here." if turn.instruction else "all right."

    class Interjects(Talking):
        async def talk(self, talk: Talk) -> Said:
            await asyncio.sleep(6.0)
            first, second = talk.reply("Say that the driver has come."), talk.reply("Say it again.")
            await first
            return await second

    async def caller(line: Line) -> None:
        await says(line, "call me back then")
        await line.hear_out()
        await line.hear_out(quiet_ms=6000)

    agent = Interjects(brain, instructions="Be kind.")
    record = phone.call(desk(agent), caller)
    assert ear(record) == "all right. your driver is here. your driver is here."
    assert agent.said == Said(PlaybackOutcome.PLAYED, "your driver is here.")
    told = messages(turns[1])
    assert [one["role"] for one in told] == ["system", "user", "assistant", "system"]
    assert told[-1]["content"] == "Say that the driver has come."
    line = AgentItem("your driver is here.")
    assert agent.remembered == [UserItem("call me back then"), AgentItem("all right."), line, line]


def test_a_line_that_cannot_be_generated_has_failed(phone: PhoneTests) -> None:
    """Whether the brain raises or hangs; the conversation goes on."""

    async def broken(turn: Turn) -> AsyncIterator[str]:
        if turn.instruction == "hang":
            yield "this much is whole. this is"
            await asyncio.Event().wait()
        elif turn.instruction:
            raise ConnectionError("gone")
        yield "yes."

    class Interjects(Talking):
        async def talk(self, talk: Talk) -> Said:
            assert await talk.reply("raise") == Said(PlaybackOutcome.FAILED)
            return await talk.reply("hang")

    async def caller(line: Line) -> None:
        await line.hear_out(quiet_ms=3000)
        await says(line, "still there")
        await line.hear_out()

    agent = Interjects(broken)
    assert ear(phone.call(desk(agent), caller)) == "this much is whole. yes."
    assert agent.said == Said(PlaybackOutcome.FAILED, "this much is whole.")


def test_what_waits_when_the_call_ends_is_told_so(phone: PhoneTests) -> None:
    """Nobody waits for ever."""

    class Announces(Talking):
        async def talk(self, talk: Talk) -> Said:
            talk.say(LONG)
            return await talk.say(LONG)

    async def hangs_up(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.pause(0.5)

    agent = Announces(answers)
    phone.call(desk(agent), hangs_up)
    assert agent.said == Said(PlaybackOutcome.DISCONNECTED)


def test_what_is_to_be_said_after_the_call_is_told_so(phone: PhoneTests) -> None:
    """A hook or a tool that is still at work when the caller has hung up does not wait for ever; no brain is asked."""
    said: list[Said] = []
    instructions: list[str] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        instructions.append(turn.instruction)
        yield "yes."

    class Late(Remembering):
        async def exit(self, call: VoiceSession, history: History) -> None:
            assert call.talk is not None
            said.append(await call.talk.say("bye."))
            said.append(await call.talk.reply("Say goodbye."))

    phone.call(desk(Late(brain, greeting="hello.")), listens)
    assert said == [Said(PlaybackOutcome.DISCONNECTED)] * 2
    assert instructions == []
