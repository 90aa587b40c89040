"""The examples run: against the simulated carrier, with stand-ins for the speech vendors, ten times as fast as life."""

from __future__ import annotations

import asyncio
import importlib
import os
import queue
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn

from voice_runtime import Settings, VoiceApp, VoiceSession, create_stt, create_transport, create_tts
from voice_runtime.audio import beep, read_wav, split_frames
from voice_runtime.errors import TtsError
from voice_runtime.events import (
    CallEvent,
    EndReason,
    FinalTranscript,
    PlaybackOutcome,
    SpeechStarted,
    UtteranceFinished,
)
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.server.serving import Stop, serve
from voice_runtime.session.outbound import OutboundStream
from voice_runtime.session.outbound_queue import OutboundQueue
from voice_runtime.simulator import Carrier, EndedBy, Line, Phone, rest_app
from voice_runtime.testing import ScaledLoop, run

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
PUBLIC, SECRET, NUMBER = "https://example.test", "the carrier's secret", "+15551234567"

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
async def telephony() -> AsyncIterator[Carrier]:
    """The carrier that the environment of `load` names, with its REST API."""
    settings = Settings()
    there = {PUBLIC: f"http://127.0.0.1:{settings.voice_server_port}"}
    async with Carrier(SECRET, addresses=there, speed=10) as carrier:
        async with web(rest_app(carrier.rest), int(settings.twilio_api_base_url.rpartition(":")[2])):
            yield carrier


@asynccontextmanager
async def line_to(app: VoiceApp) -> AsyncIterator[tuple[Carrier, list[VoiceSession]]]:
    """The carrier, the app served where it expects it, and the sessions of its calls as they come."""
    sessions = in_a_hurry(app)
    stop, ready = Stop(), asyncio.Event()
    async with telephony() as carrier, asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, ready=lambda port: ready.set(), stop=stop))
        await ready.wait()
        try:
            yield carrier, sessions
        finally:
            stop.ask()


def in_a_hurry(app: VoiceApp) -> list[VoiceSession]:
    """Have speech sent at once: the carrier plays it ten times as fast as the server would pace it."""
    sessions: list[VoiceSession] = []

    def make() -> VoiceSession:
        sessions.append(VoiceSession(outbound=OutboundQueue(OutboundStream(lead_seconds=60))))
        return sessions[-1]

    app.session = make
    return sessions


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


def said_by(session: VoiceSession) -> list[str]:
    """What the call's mock voice has said."""
    assert isinstance(session.tts, MockTts)
    return session.tts.spoken


def hears(session: VoiceSession, text: str) -> None:
    """Have the call's mock recogniser understand `text`."""
    assert isinstance(session.stt, MockStt)
    session.stt.inject(text)


# -- answering and calling -------------------------------------------------------------------------------------------


async def test_answer_repeats_what_it_heard(load: Load) -> None:
    """The program in the README answers."""
    async with line_to(load("answer").app) as (carrier, sessions):

        async def caller(line: Line) -> None:
            await line.hear_out()
            hears(sessions[0], "7216")
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    assert said_by(sessions[0]) == ["Hello! What is your order number?", "Thank you. I heard 7216."]
    assert sessions[0].end is not None and sessions[0].end.reason is EndReason.HANDLER_RETURNED
    assert record.ended_by is EndedBy.REST and not record.violations


async def test_place_a_call_talks_to_whom_it_called(load: Load) -> None:
    """The program in the README calls somebody and understands the answer."""
    app = load("place_a_call").app
    async with line_to(app) as (carrier, sessions):

        async def callee(line: Line) -> None:
            await line.hear_out()
            hears(sessions[0], "Yes, please.")
            await line.stay()

        carrier.phones[NUMBER] = Phone(callee)
        record = await carrier.finished(await app.place_call(NUMBER))
    assert said_by(sessions[0])[1:] == ["Then we will."]
    assert sessions[0].direction == "outbound" and not record.violations


async def test_place_from_code_ends_with_its_call(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    """The program calls, talks, prints the carrier's last word, and its server ends."""
    example = load("place_from_code")
    sessions = in_a_hurry(example.app)
    async with telephony() as carrier:
        carrier.phones[NUMBER] = Phone()
        await example.main(NUMBER)
    assert said_by(sessions[0]) == ["Hello. Your parcel comes on Thursday. Goodbye."]
    assert capsys.readouterr().out.endswith(": completed\n")


async def test_echo_gives_the_callers_voice_back(load: Load) -> None:
    """What the caller says is heard again, frame for frame; between them there may be gaps on a busy machine."""
    said = beep(700, 300)
    async with line_to(load("echo").app) as (carrier, _):

        async def caller(line: Line) -> None:
            await line.hear_out()
            await line.say(said)
            await line.pause(2.0)

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    at = 0
    for frame in split_frames(said):
        found = record.ear.find(frame, at)
        assert found >= 0
        at = found + len(frame)
    assert not record.faults


async def test_a_program_for_0_1_holds_its_conversation(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1's names, threads and callbacks carry a call."""
    example = load("legacy_0_1")
    example.session.stream.lead_seconds = 60  # as `in_a_hurry`
    spoken: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(example, "create_tts", lambda name: create_tts(name, on_spoken=spoken.put))
    async with telephony() as carrier, web(example.app, Settings().voice_server_port):

        async def caller(line: Line) -> None:
            await line.hear_out()
            hears(example.session, "Ada")
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    assert [spoken.get_nowait(), spoken.get_nowait()] == ["Hello. What is your name?", "Hello Ada."]
    assert record.ended_by is EndedBy.REST and not record.violations


async def test_record_leaves_a_stereo_file(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording is there when the call is over: what the caller said on the left, the agent on the right."""
    monkeypatch.chdir(tmp_path)
    async with line_to(load("record").app) as (carrier, sessions):

        async def caller(line: Line) -> None:
            await line.hear_out()
            hears(sessions[0], "Nothing")
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    wav = read_wav(tmp_path / f"{record.sid}.wav")
    assert wav.channels == 2
    assert MockTts.render("This call is recorded.")[:800] in wav.data[1::2]


# -- the tutorial ------------------------------------------------------------------------------------------------------


def test_the_tutorials_own_test_passes(tmp_path: Path) -> None:
    """It is run as its reader would run it, without an option and without pytest-asyncio."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "voice_runtime.testing.plugin", "-p", "no:asyncio"]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    where = ["-c", str(tmp_path / "pytest.ini"), "-p", "no:cacheprovider", str(EXAMPLES / "test_my_agent.py")]
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=50)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("understood", "keys", "last"),
    [
        ("where is my parcel", "7216#", "Order 7 2 1 6 comes on Thursday. Goodbye."),
        ("where is my parcel", "#", "Without a number I cannot look. Goodbye."),
        ("hello", "", "I can only tell where parcels are. Goodbye."),
    ],
)
async def test_the_parcel_desk(load: Load, understood: str, keys: str, last: str) -> None:
    """Every way through the tutorial's agent that does not take ten seconds."""
    app = load("parcel_desk").parcel_desk(stt=MockStt, tts=MockTts())
    async with line_to(app) as (carrier, sessions):

        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            hears(sessions[0], understood)
            await line.hear_out()
            line.press(keys)
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
    assert said_by(sessions[0])[-1] == last
    assert not record.violations


def test_ringing_the_parcel_desk_needs_no_network(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tutorial's offline call, with mock speech, ten times as fast as life."""
    example, voice = load("ring_parcel_desk"), MockTts()
    desk = importlib.import_module("parcel_desk").parcel_desk
    stt = lambda: MockStt(script=[(3000, "where is my parcel")])  # noqa: E731
    monkeypatch.setattr(example, "parcel_desk", lambda: desk(stt=stt, tts=voice))
    record = run(example.ring(), ScaledLoop)
    assert voice.spoken[-1] == "Order 7 2 1 6 comes on Thursday. Goodbye."
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


async def test_own_providers_carry_a_call(installed: Any) -> None:
    """A voice and an ear from an installed package, by name: they speak, hear, and are interrupted."""
    app = VoiceApp(stt="something", tts="morse")
    events: list[CallEvent] = []

    @app.call()
    async def answer(call: VoiceSession) -> None:
        call.on_event(events.append)
        await call.say("die rose ist rot", barge_in="speech")
        await call.listen()

    async with line_to(app) as (carrier, _):

        async def caller(line: Line) -> None:
            await line.interrupt_after(1.0, beep(400, 1500))
            await line.stay()

        record = await carrier.call(f"{PUBLIC}/incoming", caller)
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
        "answer",
        "echo",
        "legacy_0_1",
        "own_providers",
        "parcel_desk",
        "place_a_call",
        "place_from_code",
        "record",
        "ring_parcel_desk",
        "test_my_agent",
    }
