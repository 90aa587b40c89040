"""When what an agent needs is slow, fails or is silent: what the caller hears, and how the call ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Limits, Phrases
from voice_runtime.audio.spelling import read_spelling
from voice_runtime.errors import TtsError
from voice_runtime.events import CallEnd, EndReason, Fault, TokensUsed
from voice_runtime.llm import AgentItem, History, ToolItem, Turn, Usage, UserItem
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import CallRecord, EndedBy, Line
from voice_runtime.testing import Fail, PhoneTests, ScriptedBrain, Stall, Wait

PHRASES = Phrases(
    fillers=("one moment.", "still looking."),
    apology="sorry, say it again.",
    still_there=("are you there?", "hello?"),
    goodbye="goodbye.",
    failed_goodbye="sorry, call later.",
)


HALF = "it comes on thursday. at half"


def stalls() -> ScriptedBrain:
    return ScriptedBrain(otherwise=Stall())


def answers() -> ScriptedBrain:
    return ScriptedBrain(otherwise="yes.")


async def asks_twice(line: Line) -> None:
    await says(line, "when does it come")
    await line.hear_out(quiet_ms=3500)
    await says(line, "say again please")
    await line.stay()


async def keeps_silent(line: Line) -> None:
    await line.stay(200)


async def asks_once(line: Line) -> None:
    await says(line, "when does it come")
    await line.stay(200)


def longest_silence(record: CallRecord) -> float:
    """Seconds, from the end of the caller's first words on, in which nobody said anything."""
    spans = sorted((*record.timeline.caller, *record.timeline.agent), key=lambda span: span.start_ms)
    return max((later.start_ms - earlier.end_ms) / 1000 for earlier, later in zip(spans, spans[1:], strict=False))


def test_a_brain_that_stalls_is_covered_up_apologised_for_and_given_up(phone: PhoneTests) -> None:
    """Fillers, an apology, another try; then the call ends, and says by whose fault. Never 4 s of silence."""
    agent = Remembering(stalls(), phrases=PHRASES)
    record = phone.call(desk(agent), asks_twice)
    turn = "one moment. still looking."
    assert ear(record) == f"{turn} sorry, say it again. {turn} sorry, call later."
    assert longest_silence(record) < 4
    assert agent.end is not None
    assert (agent.end.reason, agent.end.fault) == (EndReason.PROVIDER_FAILED, Fault.PROVIDER)
    assert agent.end.detail == "brain: no answer in time"


def test_a_brain_that_stalls_in_mid_sentence(phone: PhoneTests) -> None:
    """What is whole was said once; the half sentence is not."""
    agent = Remembering(ScriptedBrain([HALF, Stall()]), phrases=PHRASES, limits=Limits(failures=1))
    record = phone.call(desk(agent), asks_once)
    assert ear(record) == "it comes on thursday. one moment. still looking. sorry, call later."
    assert longest_silence(record) < 4


def test_a_brain_that_raises_in_mid_sentence(phone: PhoneTests) -> None:
    """The caller hears why there is no more, and the history what the caller heard."""
    agent = Remembering(ScriptedBrain(otherwise=[HALF, Fail()]), phrases=PHRASES)
    record = phone.call(desk(agent), asks_twice)
    said = "it comes on thursday. sorry, say it again. it comes on thursday. sorry, call later."
    assert ear(record) == said
    assert " ".join(item.text for item in agent.remembered if isinstance(item, AgentItem)) == said
    assert agent.end is not None and "the model is gone" in agent.end.detail


def test_a_success_makes_good_for_a_failure(phone: PhoneTests) -> None:
    """Only failures in a row end the call."""

    async def caller(line: Line) -> None:
        for _ in range(4):
            await says(line, "are you there now")
            await line.hear_out()

    agent = Remembering(ScriptedBrain(Fail(), "yes.", Fail(), "yes."), phrases=PHRASES)
    record = phone.call(desk(agent), caller)
    assert ear(record) == "sorry, say it again. yes. sorry, say it again. yes."


def test_a_brain_that_says_nothing_has_failed(phone: PhoneTests) -> None:
    """An empty answer is silence, and nobody is left in that."""
    agent = Remembering(ScriptedBrain(" \n"), phrases=PHRASES, limits=Limits(failures=1))
    assert ear(phone.call(desk(agent), asks_once)) == "sorry, call later."


def test_a_silent_caller_is_asked_twice_and_let_go(phone: PhoneTests) -> None:
    """Prompts, a goodbye that is heard, and a reason."""
    agent = Remembering(answers(), greeting="hello.", phrases=PHRASES)
    record = phone.call(desk(agent), keeps_silent)
    assert ear(record) == "hello. are you there? hello? goodbye."
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_SILENT
    assert agent.end.fault is Fault.CALLER


def test_a_voice_that_stalls_ends_the_call_soon(phone: PhoneTests) -> None:
    """There is nobody left who could apologise."""
    agent = Remembering(answers(), greeting="hello.", phrases=PHRASES)
    record = phone.call(desk(agent, tts=MockTts(stall_after_ms=0)), keeps_silent)
    assert record.seconds < 6
    assert agent.end is not None and agent.end.reason is EndReason.PROVIDER_FAILED
    assert agent.end.detail.startswith("tts")


def test_a_voice_that_fails_ends_the_call_soon(phone: PhoneTests) -> None:
    """One more try, then the end."""
    agent = Remembering(answers(), greeting="hello.", phrases=PHRASES)
    record = phone.call(desk(agent, tts=MockTts(fail_after_ms=0)), keeps_silent)
    assert record.seconds < 6
    assert agent.end is not None and agent.end.detail == "tts mock: failed as the test asked"


def test_a_deaf_agent_says_so(phone: PhoneTests) -> None:
    """Without recognition there is no conversation."""
    agent = Remembering(answers(), greeting="hello.", phrases=PHRASES)
    app = VoiceApp(stt=lambda: MockStt(die_after_ms=3000), tts=MockTts())
    app.call()(agent)
    assert ear(phone.call(app, keeps_silent)) == "hello. sorry, call later."
    assert agent.end is not None and agent.end.detail.startswith("stt mock: crashed")


def test_limits_of_turns_and_of_time(phone: PhoneTests) -> None:
    """The turn after the last is answered with the goodbye; a call that is too long ends at the end of a sentence."""
    agent = Remembering(answers(), phrases=PHRASES, limits=Limits(max_turns=1))
    assert ear(phone.call(desk(agent), asks_twice)) == "yes. goodbye."
    assert agent.end == CallEnd(EndReason.MAX_TURNS, "the agent's limit of 1 turns")
    assert agent.end.fault is Fault.AGENT
    agent = Remembering(
        answers, greeting="this takes longer than a second.", phrases=PHRASES, limits=Limits(max_seconds=1)
    )
    assert ear(phone.call(desk(agent), keeps_silent)) == "this takes longer than a second. goodbye."
    assert agent.end is not None and agent.end.reason is EndReason.MAX_DURATION


def test_who_talks_on_into_the_last_goodbye_hears_it_once_and_whole(phone: PhoneTests) -> None:
    """The farewell of `max_turns` is not interrupted, not repeated, and followed by the end of the call."""

    async def talks_on(line: Line) -> None:
        await says(line, "when does it come")
        await line.hear_out(quiet_ms=3500)
        await says(line, "say again please")
        await line.wait_until_agent_speaks()
        for words in ("wait a moment please", "stop", "are you there", "hello hello"):
            await says(line, words)
        await line.stay()

    farewell = replace(PHRASES, goodbye="we have talked for long enough now, so goodbye to you, and have a nice day.")
    agent = Remembering(answers(), phrases=farewell, limits=Limits(max_turns=1))
    record = phone.call(desk(agent), talks_on)
    assert ear(record) == f"yes. {farewell.goodbye}"
    assert record.ended_by is not EndedBy.CALLER
    assert agent.end is not None and agent.end.reason is EndReason.MAX_TURNS


def test_hooks_and_tools_of_a_call(phone: PhoneTests) -> None:
    """Each hook is called in its moment; what a brain did with a tool stands where it was used; keys are a turn."""
    log: list[str] = []

    class Hooked(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            log.append("enter")
            call.on_event(lambda event: log.append("tokens") if isinstance(event, TokensUsed) else None)

        async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
            log.append(f"user {turn.keys}")
            return Turn(f"order {turn.keys}", turn.keys)

        async def agent_turn(self, call: VoiceSession, item: AgentItem) -> None:
            log.append(f"agent {item.text}")

        async def exit(self, call: VoiceSession, history: History) -> None:
            log.append("exit")
            await super().exit(call, history)

    async def caller(line: Line) -> None:
        line.press("42#")
        await line.hear_out()

    agent = Hooked(ScriptedBrain([ToolItem("find", "42", "thursday"), Usage(20, 5), "{text} comes on thursday."]))
    phone.call(desk(agent), caller)
    assert log == ["enter", "user 42", "tokens", "agent order 42 comes on thursday.", "exit"]
    assert agent.remembered == [
        UserItem("", "42"),
        ToolItem("find", "42", "thursday"),
        AgentItem("order 42 comes on thursday."),
    ]


def test_numbers_are_spoken_and_remembered_as_written(phone: PhoneTests) -> None:
    """The ear hears words; the brain gets back what it wrote."""
    agent = Remembering(ScriptedBrain("That is $5 for code 482913."))

    async def caller(line: Line) -> None:
        await says(line, "how much is it")
        await line.hear_out()

    record = phone.call(desk(agent), caller)
    assert ear(record).startswith("that is five dollars for code four")
    assert agent.remembered[-1] == AgentItem("That is $5 for code 482913.")


def test_the_first_sentence_is_said_while_the_brain_thinks_of_the_others(phone: PhoneTests) -> None:
    """Speech begins long before the text ends."""
    words = "This is the first sentence of it. And this is a later one.".split()
    slow = ScriptedBrain([step for word in words for step in (f"{word} ", Wait(0.2))])

    async def caller(line: Line) -> None:
        await says(line, "tell me")
        await line.hear_out(quiet_ms=2000)

    record = phone.call(desk(Remembering(slow)), caller)
    begun = read_spelling(record.ear)[0].start_s - record.timeline.caller[0].end_ms / 1000
    assert begun < 0.6 + 0.5 + 7 * 0.2 + 0.3  # recogniser, wait, seven words; the text takes 2.6 s


def test_a_voice_that_fails_in_mid_answer_is_apologised_for(phone: PhoneTests) -> None:
    """What the brain still writes is given up with the answer; the next one is whole."""

    class Hoarse(MockTts):
        """Fails once, at the third sentence of an answer."""

        async def synthesize(self, text: str) -> AsyncIterator[bytes]:
            if self.spoken.count("this is one.") == 2:
                self.spoken.append("this is one.")
                raise TtsError("hoarse", "failed", "for once")
            async for chunk in super().synthesize(text):
                yield chunk

    drones = ScriptedBrain(otherwise=["this is one. ", Wait(1.0)] * 4)

    async def caller(line: Line) -> None:
        await says(line, "go on then")
        await line.hear_out(quiet_ms=3000)
        await says(line, "once more please")
        await line.hear_out(quiet_ms=3000)

    agent = Remembering(drones, phrases=PHRASES)
    record = phone.call(desk(agent, tts=Hoarse()), caller)
    assert ear(record) == "this is one. this is one. sorry, say it again." + 4 * " this is one."
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP
