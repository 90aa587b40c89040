"""Every provider fails in every way, at every moment, with and without another in reserve: what reaches the ear.

The caller never hears more than 4 s of nothing when it is the agent's turn; what is remembered is what was heard; with
a reserve the answer is heard once and whole, without one the end of the call names the provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from agent_world import Remembering, ear, says

from voice_runtime import VoiceApp
from voice_runtime.agent import Phrases
from voice_runtime.errors import TtsError
from voice_runtime.events import EndReason
from voice_runtime.fallback.llm import FallbackBrain
from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.fallback.tts import FallbackTts
from voice_runtime.llm import AgentItem, Brain, Turn, UserItem
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import CallRecord, EndedBy, Line
from voice_runtime.testing import PhoneTests

LONGEST_SILENCE = 4.0
ANSWER = "it comes on thursday. at half past nine in the morning."
QUESTIONS = ("when does it come", "and where does it go")
PHRASES = Phrases(
    fillers=("one moment.", "still looking."),
    apology="sorry, say it again.",
    still_there=("are you there?", "hello?"),
    goodbye="goodbye.",
    failed_goodbye="sorry, call later.",
    unheard="what was that?",
)
OURS = (*PHRASES.fillers, PHRASES.apology, PHRASES.failed_goodbye, PHRASES.unheard)


@dataclass(frozen=True)
class Fault:
    """`after`: words, milliseconds of audio, of what it makes or hears. `times`: how often; None: for good."""

    how: str  # raises, hangs
    after: int
    times: int | None = None


# -- what fails --------------------------------------------------------------------------------------------------------


def brain_that(fault: Fault) -> Brain:
    turns = 0

    async def shaky(turn: Turn) -> AsyncIterator[str]:
        nonlocal turns
        turns += 1
        words = ANSWER.split()
        broken = fault.times is None or turns <= fault.times
        for word in words[: fault.after] if broken else words:
            yield f"{word} "
        if broken and fault.how == "raises":
            raise ConnectionError("the model is gone")
        if broken:
            await asyncio.Event().wait()

    return shaky


class ShakyVoice(MockTts):
    """Fails at what a brain says; what it was asked for before that, it has made."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault
        self.faults = 0
        self.answering = False

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.answering = self.answering or text in ANSWER
        broken = self.answering and (self.fault.times is None or self.faults < self.fault.times)
        self.faults += broken
        made = 0
        async for chunk in super().synthesize(text):
            if broken and made >= self.fault.after:
                if self.fault.how == "raises":
                    raise TtsError("shaky", "network", "gone")
                await asyncio.Event().wait()
            made += len(chunk) // 8
            yield chunk


def recogniser_that(fault: Fault) -> Callable[[], MockStt]:
    made: dict[str, Callable[[], MockStt]] = {
        "refuses": lambda: MockStt(fail_start=True),
        "raises": lambda: MockStt(die_after_ms=fault.after),
        "hangs": lambda: MockStt(stall_after_ms=fault.after),
        "is deaf": lambda: MockStt(deaf_after_ms=fault.after),
    }
    return made[fault.how]


async def good_brain(turn: Turn) -> AsyncIterator[str]:
    for word in ANSWER.split():
        yield f"{word} "


# -- the call ----------------------------------------------------------------------------------------------------------


async def asks_twice(line: Line) -> None:
    for question in QUESTIONS:
        await says(line, question)
        await line.hear_out(quiet_ms=4200)


def call(phone: PhoneTests, agent: Remembering, stt: Callable[[], object], tts: object) -> CallRecord:
    app = VoiceApp(stt=stt, tts=tts)  # type: ignore[arg-type]
    app.call()(agent)
    return phone.call(app, asks_twice)


def owed_silence(record: CallRecord) -> float:
    """The longest wait for the agent, in seconds: until it sounded, or hung up."""
    sounds = [(span.start_ms, span.end_ms, "caller") for span in record.timeline.caller]
    sounds += [(span.start_ms, span.end_ms, "agent") for span in record.timeline.agent]
    if record.ended_by is not EndedBy.CALLER:
        sounds.append((record.seconds * 1000, 0.0, "agent"))
    sounds.sort()
    waits = [later[0] - earlier[1] for earlier, later in zip(sounds, sounds[1:], strict=False) if later[2] == "agent"]
    return max(waits, default=0.0) / 1000


def without_ours(text: str) -> str:
    for phrase in OURS:
        text = text.replace(phrase, "")
    return " ".join(text.split())


def check(record: CallRecord, agent: Remembering) -> None:
    """What is true of every call."""
    assert owed_silence(record) <= LONGEST_SILENCE
    remembered = " ".join(item.text for item in agent.remembered if isinstance(item, AgentItem))
    assert remembered.split() == ear(record, whole=True).split()


BRAINS = [Fault(how, after, times) for how in ("raises", "hangs") for after in (0, 1, 6) for times in (1, None)]
VOICES = [Fault(how, after, times) for how in ("raises", "hangs") for after in (0, 700) for times in (1, None)]
RECOGNISERS = [
    Fault("refuses", 0),
    *(Fault(how, after) for how in ("raises", "hangs", "is deaf") for after in (0, 800, 6000)),
]


@pytest.mark.parametrize("fault", BRAINS, ids=str)
def test_a_brain_with_a_reserve(phone: PhoneTests, fault: Fault) -> None:
    """Both answers are heard, whole and once."""
    agent = Remembering(FallbackBrain({"shaky": brain_that(fault), "steady": good_brain}), phrases=PHRASES)
    record = call(phone, agent, MockStt, MockTts())
    check(record, agent)
    assert without_ours(ear(record)) == f"{ANSWER} {ANSWER}"


@pytest.mark.parametrize("fault", BRAINS, ids=str)
def test_a_brain_alone(phone: PhoneTests, fault: Fault) -> None:
    """An apology; the next answer is heard whole, or the end says what was wrong."""
    agent = Remembering(FallbackBrain({"shaky": brain_that(fault)}), phrases=PHRASES)
    record = call(phone, agent, MockStt, MockTts())
    check(record, agent)
    if fault.times is None:
        assert agent.end is not None and agent.end.reason is EndReason.PROVIDER_FAILED
        assert "brain shaky" in agent.end.detail
    else:
        assert ear(record).endswith(f"{PHRASES.apology} {ANSWER}")


@pytest.mark.parametrize("fault", VOICES, ids=str)
def test_a_voice_with_a_reserve(phone: PhoneTests, fault: Fault) -> None:
    """Both answers are heard, whole and once, in two voices."""
    agent = Remembering(good_brain, phrases=PHRASES)
    record = call(phone, agent, MockStt, FallbackTts({"shaky": ShakyVoice(fault), "steady": MockTts()}))
    check(record, agent)
    assert ear(record, whole=True) == f"{ANSWER} {ANSWER}"


@pytest.mark.parametrize("fault", VOICES, ids=str)
def test_a_voice_alone(phone: PhoneTests, fault: Fault) -> None:
    """The apology was made beforehand; the next answer is heard whole, or the end says what was wrong."""
    agent = Remembering(good_brain, phrases=PHRASES)
    record = call(phone, agent, MockStt, FallbackTts({"shaky": ShakyVoice(fault)}))
    check(record, agent)
    if fault.times is None:
        assert agent.end is not None and agent.end.reason is EndReason.PROVIDER_FAILED
        assert agent.end.detail.startswith("tts shaky:")
        assert ear(record).endswith(PHRASES.failed_goodbye)
    else:
        assert ear(record).endswith(f"{PHRASES.apology} {ANSWER}")


@pytest.mark.parametrize("fault", RECOGNISERS, ids=str)
def test_a_recogniser_with_a_reserve(phone: PhoneTests, fault: Fault) -> None:
    """Every word of the caller is understood once, whoever understands it."""
    agent = Remembering(good_brain, phrases=PHRASES)
    record = call(phone, agent, FallbackStt({"shaky": recogniser_that(fault), "steady": MockStt}), MockTts())
    check(record, agent)
    said = [item.text for item in agent.remembered if isinstance(item, UserItem)]
    assert " ".join(said) == " ".join(QUESTIONS)


@pytest.mark.parametrize("fault", RECOGNISERS, ids=str)
def test_a_recogniser_alone(phone: PhoneTests, fault: Fault) -> None:
    """The agent says that it does not understand, and why it hangs up."""
    agent = Remembering(good_brain, phrases=PHRASES)
    record = call(phone, agent, recogniser_that(fault), MockTts())
    check(record, agent)
    if fault.how != "is deaf":
        assert agent.end is not None and agent.end.reason is EndReason.PROVIDER_FAILED
        assert agent.end.detail.startswith("stt")
    else:
        assert PHRASES.unheard in ear(record)
