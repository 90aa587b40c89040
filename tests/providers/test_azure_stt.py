"""Azure recognition through the real SDK, against the service's protocol on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import azure.cognitiveservices.speech as speechsdk
import pytest

from fakes.azure import AzureSession, FakeAzure
from fakes.stalls import stalls_longer_than
from voice_runtime.clock import ManualClock
from voice_runtime.errors import SttError
from voice_runtime.providers import azure_stt
from voice_runtime.providers.azure_stt import AzurePersistentStt
from voice_runtime.providers.reconnect import ReconnectPolicy
from voice_runtime.stt import SttFailure, SttFault

FAST = ReconnectPolicy(first_delay=0.01, longest_delay=0.02)
PATIENCE_S = 30.0


class Caller:
    """A recogniser with everything it says written down, and on which thread."""

    def __init__(self, azure: FakeAzure, **options: Any) -> None:
        self.clock = ManualClock()
        options = {"endpoint": azure.recognition, "reconnect": FAST, "clock": self.clock, **options}
        self.stt = AzurePersistentStt("key", **options)
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.said: list[tuple[str, str]] = []
        self.threads: set[int] = set()
        self._news = asyncio.Event()
        self.stt.on_committed = lambda text: self._note("committed", text)
        self.stt.on_recognizing = lambda text: self._note("recognizing", text)
        self.stt.on_error = lambda text: self._note("error", text)
        self.stt.on_speech_started = lambda: self._note("speech", "")

    def _note(self, kind: str, text: str) -> None:
        self.said.append((kind, text))
        self.threads.add(threading.get_ident())
        self._news.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def hears(self, kind: str, text: str) -> None:
        await self.until(lambda: (kind, text) in self.said)

    def speak(self, *frames: int) -> bytes:
        # 0.1 s is what the SDK waits for before it sends
        for frame in frames:
            self.queue.put_nowait(bytes([frame]) * 800)
        return b"".join(bytes([frame]) * 800 for frame in frames)


@pytest.fixture
async def call(azure: FakeAzure) -> AsyncIterator[tuple[Caller, AzureSession]]:
    caller = Caller(azure)
    await caller.stt.start(caller.queue)
    session = await azure.session()
    await session.heard(caller.speak(1))
    yield caller, session
    await caller.stt.stop()


async def test_audio_goes_out_and_texts_come_in_on_the_loop_thread(call: tuple[Caller, AzureSession]) -> None:
    """4.3 item 31: 0.1 called back on SDK threads."""
    caller, session = call
    await session.hypothesis("hel")
    await session.phrase("", "NoMatch")
    await session.hypothesis("hello")
    await session.phrase("Hello.")
    await caller.hears("committed", "Hello.")
    assert caller.said == [
        ("speech", ""),
        ("recognizing", "hel"),
        ("speech", ""),
        ("recognizing", "hello"),
        ("committed", "Hello."),
    ]
    assert caller.threads == {threading.get_ident()}


async def test_it_asks_for_its_language_and_silence(azure: FakeAzure) -> None:
    caller = Caller(azure, language_code="fi-FI", silence_timeout_ms=700)
    await caller.stt.start(caller.queue)
    session = await azure.session()
    await session.heard(caller.speak(1))
    assert "language=fi-FI" in session.path
    assert "endSilenceTimeoutMs=700" in session.path
    assert '"segmentationSilenceTimeoutMs":700' in await session.got("speech.context")
    assert session.headers["ocp-apim-subscription-key"] == "key"
    await caller.stt.stop()


async def test_the_echo_guard_is_the_same_as_for_every_vendor(call: tuple[Caller, AzureSession]) -> None:
    caller, session = call
    caller.stt.set_speaking(True)
    await session.hypothesis("stop")
    await session.phrase("Stop.")
    await caller.hears("speech", "")
    await session.hypothesis("again")
    await caller.until(lambda: len(caller.said) == 2)
    caller.stt.set_speaking(False)
    await session.phrase("Echo.")
    await session.hypothesis("real")
    await caller.hears("recognizing", "real")
    caller.clock.advance(0.41)
    await session.phrase("Real.")
    await caller.hears("committed", "Real.")
    assert [text for kind, text in caller.said if kind == "committed"] == ["Real."]


async def test_a_dropped_socket_is_survived(call: tuple[Caller, AzureSession], azure: FakeAzure) -> None:
    """The SDK redials by itself and sends again what was not recognised."""
    caller, session = call
    session.cut()
    second = await azure.session()
    await second.heard(caller.speak(2))
    await second.phrase("After.")
    await caller.hears("committed", "After.")
    assert [kind for kind, _ in caller.said if kind == "error"] == []


async def test_when_the_sdk_gives_up_the_machine_goes_on_and_reports_once_at_the_end(
    call: tuple[Caller, AzureSession], azure: FakeAzure
) -> None:
    caller, session = call
    azure.refuse_with = 503
    session.cut()
    await caller.hears("error", "reconnect_exhausted_after_3_attempts")
    (fault,) = [text for kind, text in caller.said if kind == "error"]
    assert isinstance(fault, SttFault)
    assert (fault.failure, fault.provider) == (SttFailure.RECONNECT_EXHAUSTED, "azure")


async def test_a_link_that_the_sdk_gave_up_is_replaced_and_told_what_it_missed(
    call: tuple[Caller, AzureSession], azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, session = call
    azure.refuse_with = 503
    session.cut()
    missed = caller.speak(2, 3)
    redialled = caller.stt._work.start
    dialled = asyncio.Event()
    monkeypatch.setattr(caller.stt._work, "start", lambda name, work: (dialled.set(), redialled(name, work))[1])
    await asyncio.wait_for(dialled.wait(), PATIENCE_S)
    azure.refuse_with = None
    second = await azure.session()
    await second.heard(bytes([1]) * 800 + missed)
    await second.phrase("Back.")
    await caller.hears("committed", "Back.")


async def test_a_key_that_stops_working_is_reported_once(call: tuple[Caller, AzureSession], azure: FakeAzure) -> None:
    caller, session = call
    azure.refuse_with = 401
    session.cut()
    await caller.until(lambda: any(kind == "error" for kind, _ in caller.said))
    (fault,) = [text for kind, text in caller.said if kind == "error"]
    assert isinstance(fault, SttFault)
    assert fault.failure is SttFailure.AUTH


async def test_the_end_of_the_audio_is_no_failure(call: tuple[Caller, AzureSession]) -> None:
    caller, session = call
    session.ends_turns = False
    caller.queue.put_nowait(None)
    await session.heard_the_end()
    await session.phrase("Last words.")
    await session.say("turn.end")
    await caller.hears("committed", "Last words.")
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)
    assert [kind for kind, _ in caller.said if kind == "error"] == []


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (503, "start_failed")])
async def test_a_refused_start_raises(azure: FakeAzure, status: int, reason: str) -> None:
    caller = Caller(azure)
    azure.refuse_with = status
    with pytest.raises(SttError) as raised:
        await caller.stt.start(caller.queue)
    assert (raised.value.provider, raised.value.reason) == ("azure", reason)
    assert caller.said == []
    await caller.stt.stop()


async def test_an_address_where_nobody_is_fails_the_start() -> None:
    stt = AzurePersistentStt("key", endpoint="ws://127.0.0.1:9/nobody")
    with pytest.raises(SttError, match="ConnectionFailure"):
        await stt.start(asyncio.Queue())


async def test_nothing_blocks_the_loop(azure: FakeAzure) -> None:
    """4.3 item 31: 0.1 waited for the SDK on the loop."""

    async def recognise() -> None:
        caller = Caller(azure)
        await caller.stt.start(caller.queue)
        session = await azure.session()
        await session.heard(caller.speak(1))
        await caller.stt.stop()

    assert not await stalls_longer_than(0.3, recognise), "stopping alone takes the SDK a second"


async def test_a_sdk_call_that_hangs_fails_the_start_in_time(azure: FakeAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(azure_stt._AzureLink, "_start", lambda _self: release.wait(PATIENCE_S))
    monkeypatch.setattr(azure_stt, "_CLOSE_TIMEOUT_S", 0.05)
    with pytest.raises(SttError, match="connect_timeout"):
        await Caller(azure, connect_timeout=0.05).stt.start(asyncio.Queue())
    release.set()


async def test_a_missing_key_names_the_variable() -> None:
    with pytest.raises(SttError, match="AZURE_SPEECH_KEY"):
        await AzurePersistentStt().start(asyncio.Queue())


def test_every_terminal_code_is_one_of_the_sdk() -> None:
    assert set(azure_stt._TERMINAL) <= {code.name for code in speechsdk.CancellationErrorCode}


def test_the_environment_is_read_at_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "late")
    monkeypatch.setenv("AZURE_SPEECH_REGION", "northeurope")
    stt = AzurePersistentStt()
    assert (stt._subscription_key, stt._region) == ("late", "northeurope")
    assert AzurePersistentStt()._config().speech_recognition_language == "fi-FI"


def test_names_can_be_looked_up_without_construction() -> None:
    bare = AzurePersistentStt.__new__(AzurePersistentStt)
    assert all(callable(getattr(bare, name)) for name in ("start", "stop", "set_speaking"))
