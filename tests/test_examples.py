"""The examples run: against the simulated carrier, with stand-ins for the speech vendors, on simulated time."""

from __future__ import annotations

import asyncio
import importlib
import io
import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
import uvicorn
from pydantic_ai.messages import ModelMessage, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from voice_runtime import Settings, VoiceApp, VoiceSession, create_stt, create_transport, create_tts
from voice_runtime.audio import Resampler, Wav, WavWriter, beep, decode_ulaw, read_wav, to_ulaw_8k
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.clock import LoopClock
from voice_runtime.errors import TtsError
from voice_runtime.events import (
    CallEvent,
    FinalTranscript,
    PlaybackOutcome,
    SpeechStarted,
    UtteranceFinished,
)
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import Carrier, EndedBy, Line, Phone, rest_app
from voice_runtime.testing import PhoneTests, run, talk
from voice_runtime.testing.serving import voice_app_served

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
PUBLIC, SECRET, NUMBER = "https://example.test", "the carrier's secret", "+15551234567"

T = TypeVar("T")
Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports an example anew, in the environment of an operator with mock speech and a simulated carrier."""
    for name in list(os.environ):
        if name.startswith(("VOICE_", "TWILIO_", "AZURE_", "ELEVENLABS_", "STT_", "TRANSPORT")):
            monkeypatch.delenv(name)
    for name, value in {
        "VOICE_STT": "mock",
        "VOICE_TTS": "mock",
        "VOICE_VAD": "none",  # spelled speech is no voice
        "VOICE_MAX_LOOP_LAG_MS": "0",  # a busy test machine turns nobody away
        "VOICE_PUBLIC_URL": PUBLIC,
        "VOICE_STREAM_URL": PUBLIC,
        "VOICE_SERVER_PORT": str(free_port()),
        "TWILIO_ACCOUNT_SID": "AC" + "5" * 32,
        "TWILIO_AUTH_TOKEN": SECRET,
        "TWILIO_PHONE_NUMBER": "+15550001111",
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(EXAMPLES)

    def forget() -> None:
        for name in NAMES:
            sys.modules.pop(name, None)

    def fresh(name: str) -> ModuleType:
        forget()
        return importlib.import_module(name)

    yield fresh
    forget()


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@asynccontextmanager
async def telephony(speed: float = 1.0) -> AsyncIterator[Carrier]:
    """The carrier that the environment of `load` names, with its REST API, in the time of the loop."""
    settings = Settings()
    there = {PUBLIC: f"http://127.0.0.1:{settings.voice_server_port}"}
    clock = LoopClock(asyncio.get_running_loop(), time.time())
    async with Carrier(SECRET, addresses=there, speed=speed, clock=clock) as carrier:
        async with web(rest_app(carrier.rest), int(settings.twilio_api_base_url.rpartition(":")[2])):
            yield carrier


def on_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """For programs that serve by themselves: real sockets, and both sides in the same simulated time."""
    return run(main)


@asynccontextmanager
async def web(app: Any, port: int) -> AsyncIterator[None]:
    """Any ASGI application, served."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="websockets-sansio"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.005)
        try:
            yield
        finally:
            server.should_exit = True


# -- answering and calling -------------------------------------------------------------------------------------------


def test_answer_repeats_what_it_heard(load: Load, phone: PhoneTests) -> None:
    """The program in the README answers."""

    async def caller(line: Line) -> None:
        await line.hears("What is your order number?")
        await line.say("7216")
        await line.stay()

    record = phone.call(load("answer").app, caller)
    assert record.heard.text == "hello! what is your order number? thank you. i heard 7216."
    assert record.ended_by is EndedBy.REST and not record.violations


def test_the_agent_holds_a_conversation(load: Load, phone: PhoneTests) -> None:
    """The example of docs/agent.md greets, understands and answers."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say(spell("two pizzas"))
        await line.hear_out()

    record = phone.call(load("agent").app, caller)
    heard = " ".join(word.text for word in read_spelling(record.ear))
    assert heard == "hello! what can i do for you? thank you. i heard: two pizzas. what else?"


async def order_model(history: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
    """In place of the model that the example names: it uses the tool that fits, and says what came of it."""
    last = history[-1].parts[0]
    if isinstance(last, ToolReturnPart):
        found = last.content
        yield "Order 42 comes on " + f"{found}." if last.tool_name == "find_order" else f"{found}.".capitalize()
    else:
        cancel = "cancel" in str(last.content)
        yield {0: DeltaToolCall("cancel_order" if cancel else "find_order", '{"number": 42}', tool_call_id="one")}


@pytest.mark.parametrize("name", ["pydantic_ai_agent", "graph_agent", "plain_agent"])
def test_brains_of_three_kinds_hold_the_same_conversation(name: str, load: Load, phone: PhoneTests) -> None:
    """A Pydantic AI agent with two tools, an async generator over a graph, and a plain function."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say(spell("forty two"))
        await line.hear_out()
        await line.say(spell("please cancel it"))
        await line.hear_out()

    example = load(name)
    if name == "pydantic_ai_agent":
        example.clerk.model = FunctionModel(stream_function=order_model)
    heard = " ".join(word.text for word in read_spelling(phone.call(example.app, caller).ear))
    assert heard == "hello! which order? order forty-two comes on thursday. order forty-two is cancelled."


def test_order_tools_looks_the_order_up(load: Load, phone: PhoneTests) -> None:
    """The example in docs/tools.md: what the tool finds is said."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say(spell("forty two"))
        await line.hear_out()

    record = phone.call(load("order_tools").app, caller)
    heard = " ".join(word.text for word in read_spelling(record.ear))
    assert heard == "hello! which order? your order comes on thursday."


def test_two_desks_hand_over_and_ask(load: Load) -> None:
    """The example in docs/dialogues.md: one agent puts the caller through, the other asks what it needs."""
    with talk(load("two_desks").app) as call:
        call.say("my delivery please")
        call.press("7216")
        call.say("next friday")
        call.say("yes")
    assert call.heard == (
        "hello! what is it about? i put you through. what is your order number? when shall it come? friday?"
        " order seven two one six comes on friday."
    )
    assert call.session.context.order == "7216"


def test_place_a_call_talks_to_whom_it_called(load: Load, phone: PhoneTests) -> None:
    """The program in the README calls somebody and understands the answer."""

    async def callee(line: Line) -> None:
        await line.hears("May we leave it at the door?")
        await line.say("Yes, please.")
        await line.hears("Then we will.")

    record = phone.place(load("place_a_call").app, NUMBER, callee)
    assert record.direction == "outbound-api" and not record.violations


def test_place_from_code_ends_with_its_call(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """The program calls, talks, prints the carrier's last word, and its server ends."""
    example = load("place_from_code")

    async def main() -> str:
        example.app.clock = LoopClock(asyncio.get_running_loop(), time.time())
        async with telephony() as carrier:
            carrier.phones[NUMBER] = Phone()
            await example.main(NUMBER)
        return carrier.records[0].heard.text

    assert on_virtual_time(main()) == "hello. your parcel comes on thursday. goodbye."
    assert capsys.readouterr().out.endswith(": completed\n")


async def raw_agent(load: Load, talk: Callable[[str], Awaitable[T]]) -> T:
    """The example of an agent, served, with somebody who talks to its raw-audio socket."""
    app = load("agent").app
    app.clock = LoopClock(asyncio.get_running_loop(), time.time())
    async with voice_app_served(app) as address:
        return await talk(address.replace("http", "ws", 1) + "/voice/raw")


def wav_of(text: str, rate: int) -> bytes:
    resampler, file = Resampler(8000, rate), io.BytesIO()
    with WavWriter(file, rate=rate, encoding="pcm16") as wav:
        wav.write(resampler.process(decode_ulaw(spell(text))) + resampler.flush())
    return file.getvalue()


def read(pcm: bytes, rate: int) -> str:
    return " ".join(word.text for word in read_spelling(to_ulaw_8k(Wav(rate, 1, "pcm16", pcm))))


def test_files_are_answered_with_files(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simple client of docs/raw-audio.md gets one answer for each question."""
    monkeypatch.setenv("VOICE_RAW_TOKEN", "a-secret-of-clients")
    questions = wav_of("two pizzas", 16000), wav_of("no more", 16000)
    client = load("raw_simple")
    answers = on_virtual_time(raw_agent(load, lambda url: client.ask(url, "a-secret-of-clients", *questions)))
    assert [read(read_wav(answer).data, 16000) for answer in answers] == [
        "hello! what can i do for you? thank you. i heard: two pizzas. what else?",
        "thank you. i heard: no more. what else?",
    ]


def test_a_stream_is_answered_with_a_stream(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The streaming client interrupts, is told so, and has played no more than was heard."""
    monkeypatch.setenv("VOICE_RAW_TOKEN", "a-secret-of-clients")
    client = load("raw_streaming")
    audio = bytes(20000) + read_wav(wav_of("stop it now", 16000)).data + bytes(48000)

    async def talk(url: str) -> str:
        loudspeaker = client.Loudspeaker(asyncio.get_running_loop().time)
        await client.main(url, "a-secret-of-clients", audio, loudspeaker)
        return read(bytes(loudspeaker.played), 16000)

    heard = on_virtual_time(raw_agent(load, talk))
    assert heard.startswith("hello! wh") and heard.endswith("thank you. i heard: stop it now. what else?")
    assert "for you?" not in heard
    told = capsys.readouterr().out
    assert "'type': 'clear'" in told and "'state': 'interrupted'" in told


def test_echo_gives_the_callers_voice_back(load: Load, phone: PhoneTests) -> None:
    """What the caller says is heard again, as it was."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say("is there anybody")
        await line.hears("is there anybody")

    phone.call(load("echo").app, caller)


async def test_a_program_for_0_1_holds_its_conversation(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1's names, threads and callbacks carry a call."""
    example = load("legacy_0_1")
    example.session.stream.lead_seconds = 60  # its threads live in real time, the carrier ten times as fast
    spoken: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(example, "create_tts", lambda name: create_tts(name, on_spoken=spoken.put))
    async with telephony(speed=10) as carrier, web(example.app, Settings().voice_server_port):

        async def caller(line: Line) -> None:
            await line.hear_out()
            await line.say("Ada")
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    assert [spoken.get_nowait(), spoken.get_nowait()] == ["Hello. What is your name?", "Hello ada."]
    assert record.ended_by is EndedBy.REST and not record.violations


def test_record_leaves_a_stereo_file(
    load: Load, phone_over_sockets: PhoneTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is there when the call is over: what the caller said on the left, the agent on the right."""
    monkeypatch.chdir(tmp_path)

    async def caller(line: Line) -> None:
        await line.hear_out()
        await line.say("Nothing")
        await line.stay()

    record = phone_over_sockets.call(load("record").app, caller)  # the recorder has a thread and real time
    wav = read_wav(tmp_path / f"{record.sid}.wav")
    assert wav.channels == 2
    assert MockTts.render("This call is recorded.")[:800] in wav.data[1::2]


# -- the tutorial ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", ["test_my_agent", "test_my_agent_talks"])
def test_the_tests_among_the_examples_pass(tmp_path: Path, example: str) -> None:
    """They are run as their reader would run them, without an option and with no other plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "voice_runtime.testing.plugin"]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    where = ["-c", str(tmp_path / "pytest.ini"), "-p", "no:cacheprovider", str(EXAMPLES / f"{example}.py")]
    plain = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=100, env=plain)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("understood", "keys", "last"),
    [
        ("where is my parcel", "7216#", "order 7 2 1 6 comes on thursday. goodbye."),
        ("where is my parcel", "#", "without a number i cannot look. goodbye."),
        ("hello", "", "i can only tell where parcels are. goodbye."),
        ("", "", "i did not hear anything. goodbye."),
    ],
)
def test_the_parcel_desk(load: Load, phone: PhoneTests, understood: str, keys: str, last: str) -> None:
    """Every way through the tutorial's agent that is not in its own test."""

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        if understood:
            await line.say(understood)
        await line.hear_out()
        line.press(keys)
        await line.stay()

    record = phone.call(load("parcel_desk").parcel_desk(stt=MockStt, tts=MockTts()), caller)
    assert record.heard.text.endswith(last)
    assert not record.violations


def test_ringing_the_parcel_desk_needs_no_network(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tutorial's offline call, with mock speech, ten times as fast as life."""
    example = load("ring_parcel_desk")
    desk = importlib.import_module("parcel_desk").parcel_desk
    stt = lambda: MockStt(script=[(3000, "where is my parcel")])  # noqa: E731
    monkeypatch.setattr(example, "parcel_desk", lambda: desk(stt=stt, tts=MockTts()))
    record = on_virtual_time(example.ring())
    assert record.heard.text.endswith("order 7 2 1 6 comes on thursday. goodbye.")
    assert record.ended_by is EndedBy.REST and not record.faults


# -- providers of one's own --------------------------------------------------------------------------------------------


@pytest.fixture
def installed(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`own_providers`, as if a package with the entry points of docs/writing-a-provider.md were installed."""
    metadata = tmp_path / "own_providers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-providers\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[voice_runtime.tts]\nmorse = own_providers:MorseTts\n"
        "[voice_runtime.stt]\nsomething = own_providers:SomethingStt\n"
        "[voice_runtime.transport]\npaper = own_providers:PaperCarrier\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return load("own_providers")


def test_own_providers_carry_a_call(installed: Any, phone: PhoneTests) -> None:
    """A voice and an ear from an installed package, by name: they speak, hear, and are interrupted."""
    app = VoiceApp(stt="something", tts="morse")
    events: list[CallEvent] = []

    @app.call()
    async def answer(call: VoiceSession) -> None:
        call.on_event(events.append)
        await call.say("die rose ist rot", barge_in="speech")
        await call.listen()

    async def caller(line: Line) -> None:
        await line.interrupt_after(1.0, beep(400, 1500))
        await line.stay()

    phone.options["mock_speech"] = False
    record = phone.call(app, caller)
    assert [type(event) for event in events if isinstance(event, SpeechStarted | FinalTranscript)] == [
        SpeechStarted,
        FinalTranscript,
    ]
    assert [e.outcome for e in events if isinstance(e, UtteranceFinished)] == [PlaybackOutcome.INTERRUPTED]
    assert not record.violations


async def test_own_voice_fails_with_a_tts_error(installed: Any) -> None:
    """What it cannot say is an error that names it."""
    with pytest.raises(TtsError, match="morse: bad_request"):
        async for _ in installed.MorseTts().synthesize("x"):
            pass


async def test_own_carrier_is_found_by_name(installed: Any) -> None:
    """`create_transport` hands out an installed carrier."""
    app = VoiceApp(carrier=create_transport("paper"), tts="mock", stt=lambda: create_stt("something"))
    assert await app.place_call(NUMBER) == "PAPER1"
    assert isinstance(app.carrier, installed.PaperCarrier)
    await app.carrier.hang_up("PAPER1")
    assert app.carrier.asked == [f"call {NUMBER} from +15550001111, then ask {PUBLIC}/incoming", "end PAPER1"]


def test_every_example_is_tested_here() -> None:
    """No example without its test."""
    assert set(NAMES) == {
        "agent",
        "answer",
        "echo",
        "graph_agent",
        "legacy_0_1",
        "order_tools",
        "own_providers",
        "parcel_desk",
        "place_a_call",
        "place_from_code",
        "plain_agent",
        "pydantic_ai_agent",
        "raw_simple",
        "raw_streaming",
        "record",
        "ring_parcel_desk",
        "test_my_agent",
        "test_my_agent_talks",
        "two_desks",
    }
