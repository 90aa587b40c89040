"""OpenAI's API through the real SDK, against a service on loopback: a brain, a voice, a recogniser."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator

import numpy as np
import pytest

from fakes.openai_service import OpenAiService, calls, says
from fakes.twilio_application import serving
from voice_runtime.audio.frames import bytes_to_ms
from voice_runtime.audio.g711 import encode_ulaw
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.audio.tones import beep
from voice_runtime.errors import BrainError, SttError, TtsError
from voice_runtime.llm import AgentItem, ToolItem, Turn, UserItem
from voice_runtime.providers.openai_brain import OpenAiBrain
from voice_runtime.providers.openai_stt import OpenAiStt
from voice_runtime.providers.openai_tts import OpenAiTTS
from voice_runtime.stt import SttFailure, SttFault, create_stt
from voice_runtime.tools import ToolSpec

SILENCE = b"\xff" * 160


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "BASE_URL", "MODEL", "STT_MODEL", "TTS_MODEL", "TTS_VOICE"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAiService]:
    made = OpenAiService()
    async with serving(made.asgi()) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        yield made
        if made.hold is not None:
            made.hold.set()


# -- the brain --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def brain() -> AsyncIterator[OpenAiBrain]:
    made = OpenAiBrain("small", temperature=0.2)
    yield made
    await made.aclose()


class Weather:
    """Tools of a turn, as the runtime gives them."""

    specs = (ToolSpec("weather", "The weather of a city.", {"type": "object", "properties": {"city": {}}}),)

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def call(self, name: str, arguments: str) -> str:
        self.asked.append(f"{name} {arguments}")
        return f"rain in {json.loads(arguments)['city']}"


async def answer(brain: OpenAiBrain, turn: Turn) -> list[str]:
    return [part async for part in brain(turn) if isinstance(part, str)]


async def test_text_comes_as_the_model_writes_it(brain: OpenAiBrain, service: OpenAiService) -> None:
    service.answers = deque([says("Hel", "lo.")])
    history = (UserItem("hi"), AgentItem("Welcome to", interrupted=True))
    assert await answer(brain, Turn("who are you", history=history, instructions="Be short.")) == ["Hel", "lo."]
    assert service.chats[0]["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Welcome to ..."},
        {"role": "user", "content": "who are you"},
    ]
    assert (service.chats[0]["model"], service.chats[0]["temperature"], service.keys) == ("small", 0.2, ["none"])


async def test_a_model_uses_tools_and_then_answers(brain: OpenAiBrain, service: OpenAiService) -> None:
    """Two at once; what it said before is said; the pairs come back whole."""
    tools = Weather()
    both = calls(("weather", '{"city": "Oslo"}'), ("weather", '{"city": "Rome"}'), text="Let me see. ")
    service.answers = deque([both, says("It rains.")])
    assert await answer(brain, Turn("how is the weather", tools=tools)) == ["Let me see. ", "It rains."]
    assert tools.asked == ['weather {"city": "Oslo"}', 'weather {"city": "Rome"}']
    asked, *told = service.chats[1]["messages"][1:]
    assert [call["id"] for call in asked["tool_calls"]] == ["id0", "id1"] == [one["tool_call_id"] for one in told]
    assert [one["content"] for one in told] == ["rain in Oslo", "rain in Rome"]
    assert service.chats[0]["tools"][0]["function"]["name"] == "weather"


async def test_a_model_that_never_stops_asking_has_to_answer(service: OpenAiService) -> None:
    brain = OpenAiBrain("small", max_rounds=2)
    service.answers = deque([calls(("weather", '{"city": "Oslo"}'))] * 2 + [says("Rain.")])
    assert await answer(brain, Turn("weather", tools=Weather())) == ["Rain."]
    assert [chat.get("tool_choice") for chat in service.chats] == [None, None, "none"]
    await brain.aclose()


async def test_what_a_model_makes_up_does_not_spoil_the_call(brain: OpenAiBrain, service: OpenAiService) -> None:
    """Names that the service would refuse, and arguments that are no JSON object, go back to it in a form it takes."""

    class Refusing:
        specs = Weather.specs

        async def call(self, name: str, arguments: str) -> str:
            return "There is no such tool."

    service.answers += [calls(("functions.weather", '{"city'), ("weather", "")), says("Sorry.")]
    before = (ToolItem("weather", "[[[", "The arguments are wrong."),)
    assert await answer(brain, Turn("weather", history=before, tools=Refusing())) == ["Sorry."]
    told = [one["function"] for message in service.chats[1]["messages"] for one in message.get("tool_calls", ())]
    assert [one["name"] for one in told] == ["weather", "functions_weather", "weather"]
    assert [json.loads(one["arguments"]) for one in told] == [{"not_json": "[[["}, {"not_json": '{"city'}, {}]


async def test_a_service_that_counts_to_a_billion_has_failed(brain: OpenAiBrain, service: OpenAiService) -> None:
    """A tool's number is a place in a list."""
    wild = calls(("weather", "{}"))
    for event in wild[1:-1]:
        event["delta"]["tool_calls"][0]["index"] = 10**9
    service.answers.append(wild)
    with pytest.raises(BrainError, match="tool number 1000000000"):
        await answer(brain, Turn("weather", tools=Weather()))


async def test_earlier_tools_are_told_as_pairs(brain: OpenAiBrain, service: OpenAiService) -> None:
    """With the same ids in every turn: a service that keeps what it has read finds it again."""
    service.answers = deque([says("Yes."), says("Yes.")])
    history = (UserItem("weather"), ToolItem("weather", '{"city": "Oslo"}', "rain"), AgentItem("It rains."))
    for _ in range(2):
        await answer(brain, Turn("sure", history=history))
    first, second = (chat["messages"] for chat in service.chats)
    assert first == second
    assert first[1]["tool_calls"][0]["id"] == first[2]["tool_call_id"]
    assert first[2]["content"] == "rain"


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (429, "quota"), (404, "bad_request"), (500, "failed")])
async def test_a_refusal_says_why(service: OpenAiService, status: int, reason: str) -> None:
    brain = OpenAiBrain("small", timeout=2)
    service.statuses = deque([status] * 2)  # the SDK tries some of them again
    with pytest.raises(BrainError) as raised:
        await answer(brain, Turn("hi"))
    assert raised.value.reason == reason
    await brain.aclose()


async def test_an_answer_that_breaks_off_is_a_failure(brain: OpenAiBrain, service: OpenAiService) -> None:
    service.answers = deque([says("I will", finish=None)])
    with pytest.raises(BrainError, match="cut_off"):
        await answer(brain, Turn("hi"))


async def test_closing_an_answer_stops_the_work(brain: OpenAiBrain, service: OpenAiService) -> None:
    service.hold, service.answers = asyncio.Event(), deque([says("Once ", "upon")])
    parts = brain(Turn("tell me a story"))
    assert await anext(parts) == "Once "
    await parts.aclose()
    service.hold.set()
    await asyncio.wait_for(service.abandoned.wait(), 30)


async def test_no_key_no_address_no_model_is_one_line(service: OpenAiService, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BrainError, match="OPENAI_MODEL"):
        await answer(OpenAiBrain(), Turn("hi"))
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(BrainError, match="openai: auth: OPENAI_API_KEY is not set"):
        await answer(OpenAiBrain("small"), Turn("hi"))


# -- the voice --------------------------------------------------------------------------------------------------------


def tone_24k(seconds: float) -> bytes:
    samples = 8000 * np.sin(2 * np.pi * 440 * np.arange(round(24000 * seconds)) / 24000)
    return bytes(samples.astype("<i2").tobytes())


async def test_a_voice_is_made_mu_law(service: OpenAiService) -> None:
    """Its length and its level stay, although chunks cut samples in two."""
    service.pcm = tone_24k(1.0)
    tts = OpenAiTTS("speaking", voice="coral", speed=1.1)
    audio = b"".join([chunk async for chunk in tts.synthesize("hello")])
    assert bytes_to_ms(len(audio)) == pytest.approx(1000, abs=1)
    assert level_dbfs(audio) == pytest.approx(20 * np.log10(8000 / 32768 / np.sqrt(2)), abs=0.3)
    assert service.spoken == [
        {"model": "speaking", "voice": "coral", "input": "hello", "response_format": "pcm", "speed": 1.1}
    ]
    await tts.aclose()


async def test_closing_a_voice_stops_the_work(service: OpenAiService) -> None:
    service.pcm, service.hold = tone_24k(5), asyncio.Event()
    tts = OpenAiTTS("speaking")
    chunks = tts.synthesize("a long story")
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.wait_for(service.asked.wait(), 30)
    waiting.cancel()
    await asyncio.wait({waiting})
    service.hold.set()
    await asyncio.wait_for(service.abandoned.wait(), 30)
    await tts.aclose()


async def test_a_voice_that_fails_says_why(service: OpenAiService) -> None:
    service.statuses = deque([401])
    tts = OpenAiTTS("speaking")
    with pytest.raises(TtsError, match="openai: auth"):
        await anext(tts.synthesize("hello"))
    await tts.aclose()


# -- the recogniser ---------------------------------------------------------------------------------------------------


class Recognition:
    """A recogniser and what it says."""

    def __init__(self, **options: object) -> None:
        self.stt = OpenAiStt("hearing", "en", **options)  # type: ignore[arg-type]
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.faults: asyncio.Queue[str] = asyncio.Queue()
        self.starts = 0
        self.stt.on_committed = self.texts.put_nowait
        self.stt.on_error = self.faults.put_nowait
        self.stt.on_speech_started = self._started

    def _started(self) -> None:
        self.starts += 1

    def hears(self, audio: bytes) -> None:
        for at in range(0, len(audio), 160):
            self.queue.put_nowait(audio[at : at + 160])

    async def has_read(self) -> None:
        while not self.queue.empty():  # noqa: ASYNC110 a recogniser tells nobody how far it is
            await asyncio.sleep(0)

    async def text(self) -> str:
        return await asyncio.wait_for(self.texts.get(), 30)


@pytest.fixture
async def recognition(service: OpenAiService) -> AsyncIterator[Recognition]:
    made = Recognition()
    await made.stt.start(made.queue)
    yield made
    await made.stt.stop()


async def test_a_pause_ends_an_utterance(recognition: Recognition, service: OpenAiService) -> None:
    """It is sent with what was before it, so that the first sound is not cut."""
    service.texts = deque(["one", "two"])
    for _ in range(2):
        recognition.hears(SILENCE * 50 + beep(440, 400) + SILENCE * 40)
    assert [await recognition.text(), await recognition.text()] == ["one", "two"]
    (fields, audio), _ = service.heard
    assert fields == {"model": "hearing", "language": "en", "response_format": "json"}
    assert len(audio) / 16 == pytest.approx(300 + 400 + 600 - 60, abs=60)  # ms: pre-roll, speech, silence
    assert beep(440, 400) in encode_ulaw(audio)
    assert recognition.starts == 2


async def test_the_end_of_the_voice_ends_an_utterance(recognition: Recognition, service: OpenAiService) -> None:
    """A detector knows it sooner than a pause shows."""
    service.texts = deque(["yes"])
    recognition.hears(SILENCE * 20 + beep(440, 400) + SILENCE * 5)
    await recognition.has_read()
    recognition.stt.finalise()
    assert await recognition.text() == "yes"


async def test_silence_costs_nothing(recognition: Recognition, service: OpenAiService) -> None:
    recognition.hears(SILENCE * 500)
    await recognition.has_read()
    recognition.stt.finalise()
    assert (service.heard, recognition.starts) == ([], 0)


async def test_a_service_that_refuses_is_reported_once(recognition: Recognition, service: OpenAiService) -> None:
    service.statuses = deque([401, 401])
    recognition.hears(SILENCE * 20 + beep(440, 400) + SILENCE * 40)
    recognition.hears(SILENCE * 20 + beep(440, 400) + SILENCE * 40)
    fault = await asyncio.wait_for(recognition.faults.get(), 30)
    assert isinstance(fault, SttFault)
    assert (fault.failure, fault.provider, recognition.faults.empty()) == (SttFailure.AUTH, "openai", True)


async def test_a_recogniser_without_a_model_does_not_start(service: OpenAiService) -> None:
    with pytest.raises(SttError, match="OPENAI_STT_MODEL"):
        await create_stt("openai").start(asyncio.Queue())
