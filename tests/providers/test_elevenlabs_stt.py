"""Scribe recognition through the real SDK, against the service's protocol on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fakes.elevenlabs import FakeScribe, ScribeSession
from voice_runtime.clock import ManualClock
from voice_runtime.errors import SttError
from voice_runtime.providers import elevenlabs_stt
from voice_runtime.providers.elevenlabs_stt import PersistentSttSession
from voice_runtime.providers.reconnect import ReconnectPolicy
from voice_runtime.stt import SttFailure, SttFault

FAST = ReconnectPolicy(first_delay=0.01, longest_delay=0.02)
PATIENCE_S = 30.0


class Caller:
    """A recogniser with everything it says written down."""

    def __init__(self, scribe: FakeScribe, **options: Any) -> None:
        self.clock = ManualClock()
        options = {"api_key": "key", "base_url": scribe.url, "reconnect": FAST, "clock": self.clock, **options}
        self.stt = PersistentSttSession(**options)
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.said: list[tuple[str, str]] = []
        self._news = asyncio.Event()
        self.stt.on_committed = lambda text: self._note("committed", text)
        self.stt.on_recognizing = lambda text: self._note("recognizing", text)
        self.stt.on_error = lambda text: self._note("error", text)
        self.stt.on_speech_started = lambda: self._note("speech", "")

    def _note(self, kind: str, text: str) -> None:
        self.said.append((kind, text))
        self._news.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def hears(self, kind: str, text: str) -> None:
        await self.until(lambda: (kind, text) in self.said)

    def texts(self, kind: str) -> list[str]:
        return [text for said, text in self.said if said == kind]

    def speak(self, *frames: int) -> bytes:
        for frame in frames:
            self.queue.put_nowait(bytes([frame]) * 160)
        return b"".join(bytes([frame]) * 160 for frame in frames)


@pytest.fixture
async def call(scribe: FakeScribe) -> AsyncIterator[tuple[Caller, ScribeSession]]:
    caller = Caller(scribe)
    await caller.stt.start(caller.queue)
    yield caller, await scribe.session()
    await caller.stt.stop()


async def test_the_session_asks_for_what_0_1_asked_for(call: tuple[Caller, ScribeSession]) -> None:
    """Mu-law at 8 kHz, commits by voice activity after 1.5 s of silence, in English."""
    _, session = call
    assert session.path == "/v1/speech-to-text/realtime"
    assert session.headers["xi-api-key"] == "key"
    assert {name: session.query[name] for name in session.query if name != "include_timestamps"} == {
        "model_id": "scribe_v2_realtime",
        "language_code": "en",
        "audio_format": "ulaw_8000",
        "commit_strategy": "vad",
        "vad_silence_threshold_secs": "1.5",
        "vad_threshold": "0.5",
        "min_speech_duration_ms": "300",
    }


async def test_its_voice_activity_detection_can_be_set(scribe: FakeScribe) -> None:
    caller = Caller(scribe, model_id="m", language_code="fi", silence_ms=700, vad_threshold=0.3, min_speech_ms=90)
    await caller.stt.start(caller.queue)
    query = (await scribe.session()).query
    await caller.stt.stop()
    assert (query["model_id"], query["language_code"], query["vad_silence_threshold_secs"]) == ("m", "fi", "0.7")
    assert (query["vad_threshold"], query["min_speech_duration_ms"]) == ("0.3", "90")


async def test_audio_goes_out_and_texts_come_in(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call
    await session.heard(caller.speak(1, 2, 3))
    await session.partial(" he ")
    await session.partial("  ")
    await session.partial("hello")
    await session.commit(" hello ")
    await caller.hears("committed", "hello")
    assert caller.said == [
        ("speech", ""),
        ("recognizing", "he"),
        ("recognizing", "hello"),
        ("committed", "hello"),
    ]


async def test_callbacks_come_on_the_event_loop_thread(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call
    loops = []
    caller.stt.on_committed = lambda text: (loops.append(asyncio.get_running_loop()), caller._note("x", text))[1]
    await session.commit("yes")
    await caller.hears("x", "yes")
    assert loops == [asyncio.get_running_loop()]


async def test_a_failing_callback_does_not_end_the_recognition(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call

    def fail(_text: str) -> None:
        raise RuntimeError("user code")

    caller.stt.on_recognizing = fail
    await session.partial("one")
    await session.commit("one")
    await caller.hears("committed", "one")


async def test_while_the_agent_speaks_texts_are_dropped_but_the_caller_s_voice_is_reported(
    call: tuple[Caller, ScribeSession],
) -> None:
    """The barge-in signal 0.1 lacked (4.3 item 28)."""
    caller, session = call
    caller.stt.set_speaking(True)
    await session.partial("stop")
    await session.partial("stop it")
    await session.commit("stop it")
    await session.partial("now")
    await caller.until(lambda: len(caller.said) == 2)
    assert caller.said == [("speech", ""), ("speech", "")]


async def test_committed_texts_are_dropped_until_the_echo_is_over(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call
    caller.stt.set_speaking(True)
    caller.stt.set_speaking(False)
    caller.clock.advance(0.39)
    await session.commit("echo")
    await session.partial("hel")
    await caller.hears("recognizing", "hel")
    caller.clock.advance(0.01)
    await session.commit("hello")
    await caller.hears("committed", "hello")
    assert caller.texts("committed") == ["hello"]


async def test_without_an_echo_window_a_quick_yes_is_heard(scribe: FakeScribe) -> None:
    caller = Caller(scribe, echo_discard_s=0.0)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    caller.stt.set_speaking(True)
    caller.stt.set_speaking(False)
    await session.commit("yes")
    await caller.hears("committed", "yes")
    await caller.stt.stop()


async def test_one_error_is_one_reconnect(call: tuple[Caller, ScribeSession], scribe: FakeScribe) -> None:
    """4.3 item 22: the SDK says an error twice, then the service closes."""
    caller, session = call
    await session.fail("queue_overflow")
    await session.close(1011)
    second = await scribe.session()
    await second.heard(caller.speak(9))
    await second.commit("after")
    await caller.hears("committed", "after")
    assert len(scribe.sessions) == 2
    await caller.stt.stop()
    await asyncio.wait_for(second.closed.wait(), PATIENCE_S)
    assert (scribe.alive, caller.texts("error")) == (0, [])


@pytest.mark.parametrize(
    "name",
    ["queue_overflow", "resource_exhausted", "transcriber_error", "chunk_size_exceeded", "insufficient_audio_activity"],
)
async def test_recoverable_errors_reconnect(call: tuple[Caller, ScribeSession], scribe: FakeScribe, name: str) -> None:
    caller, session = call
    await session.fail(name)
    await (await scribe.session()).commit("after")
    await caller.hears("committed", "after")
    assert caller.texts("error") == []


@pytest.mark.parametrize("drop", ["close", "cut"])
async def test_a_dropped_socket_is_replaced_and_told_what_it_missed(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe, drop: str
) -> None:
    """4.3 items 23, 25 and 26: closes are noticed, audio flows afterwards, no words are lost."""
    caller, session = call
    await session.heard(caller.speak(1, 2))
    if drop == "close":
        await session.close(1006 if drop == "cut" else 1001)
    else:
        session.cut()
    await session.closed.wait()
    missed = caller.speak(3, 4)
    second = await scribe.session()
    await second.heard(bytes([1]) * 160 + bytes([2]) * 160 + missed)
    assert second.audio == bytes([1]) * 160 + bytes([2]) * 160 + missed
    await second.heard(caller.speak(5))


async def test_what_a_commit_covered_is_not_told_again(call: tuple[Caller, ScribeSession], scribe: FakeScribe) -> None:
    caller, session = call
    await session.heard(caller.speak(*range(50)))
    await session.commit("old")
    await caller.hears("committed", "old")
    session.cut()
    second = await scribe.session()
    await second.heard(caller.speak(77))
    assert second.audio == b"".join(bytes([n]) * 160 for n in [*range(25, 50), 77])


async def test_failed_attempts_are_repeated_until_the_cap_and_reported_once(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe
) -> None:
    """4.3 item 24."""
    caller, session = call
    scribe.refuse_with = 503
    session.cut()
    await caller.until(lambda: bool(caller.texts("error")))
    (fault,) = caller.texts("error")
    assert fault == "reconnect_exhausted_after_3_attempts"
    assert isinstance(fault, SttFault)
    assert (fault.failure, fault.provider) == (SttFailure.RECONNECT_EXHAUSTED, "elevenlabs")
    assert scribe.handshakes == 1 + 3


async def test_an_attempt_that_succeeds_after_failures_carries_on(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe
) -> None:
    caller, session = call
    scribe.refuse_with = 503
    session.cut()
    await scribe.handshakes_reach(3)
    scribe.refuse_with = None
    second = await scribe.session()
    await second.commit("back")
    await caller.hears("committed", "back")
    assert caller.texts("error") == []


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("auth_error", SttFailure.AUTH),
        ("quota_exceeded", SttFailure.QUOTA),
        ("rate_limited", SttFailure.RATE_LIMITED),
        ("input_error", SttFailure.BAD_REQUEST),
        ("invalid_request", SttFailure.BAD_REQUEST),
        ("unaccepted_terms", SttFailure.AUTH),
    ],
)
async def test_terminal_errors_are_reported_once_and_not_redialled(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe, name: str, failure: SttFailure
) -> None:
    """4.3 items 22 and 28."""
    caller, session = call
    await session.fail(name)
    await caller.hears("error", name)
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)
    (fault,) = caller.texts("error")
    assert isinstance(fault, SttFault)
    assert fault.failure is failure
    assert scribe.handshakes == 1


async def test_the_session_time_limit_is_not_the_end(call: tuple[Caller, ScribeSession], scribe: FakeScribe) -> None:
    """4.3 item 26: 0.1 was deaf from here on."""
    caller, session = call
    await session.fail("session_time_limit_exceeded")
    second = await scribe.session()
    await second.heard(caller.speak(5))
    await second.commit("still here")
    await caller.hears("committed", "still here")
    assert caller.texts("error") == []


async def test_unknown_and_harmless_messages_change_nothing(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe
) -> None:
    caller, session = call
    await session.fail("commit_throttled")
    await session.send("brand_new_message")
    await session.send_raw("not json")
    await session.commit("fine")
    await caller.hears("committed", "fine")
    assert scribe.handshakes == 1


async def test_after_a_long_speech_of_the_agent_the_link_is_renewed(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe
) -> None:
    caller, session = call
    await session.heard(caller.speak(1))
    caller.stt.set_speaking(True)
    caller.clock.advance(10.1)
    caller.stt.set_speaking(False)
    second = await scribe.session()
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)
    await second.heard(caller.speak(2))
    assert second.audio == bytes([2]) * 160, "what was said during the agent's speech is not told again"


async def test_a_caller_who_talks_over_a_long_speech_is_not_cut_off(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe
) -> None:
    caller, session = call
    caller.stt.set_speaking(True)
    caller.clock.advance(10.1)
    await session.partial("no wait")
    await caller.hears("speech", "")
    caller.stt.set_speaking(False)
    caller.clock.advance(1.0)
    await session.commit("no wait")
    await caller.hears("committed", "no wait")
    assert scribe.handshakes == 1


async def test_a_short_speech_keeps_the_link(call: tuple[Caller, ScribeSession], scribe: FakeScribe) -> None:
    caller, session = call
    caller.stt.set_speaking(True)
    caller.clock.advance(9.9)
    caller.stt.set_speaking(False)
    caller.clock.advance(1.0)
    await session.commit("yes")
    await caller.hears("committed", "yes")
    assert scribe.handshakes == 1


async def test_stop_during_the_delay_opens_no_socket_afterwards(scribe: FakeScribe) -> None:
    """4.3 item 27."""
    caller = Caller(scribe, reconnect=ReconnectPolicy(first_delay=0.05))
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    session.cut()
    await session.closed.wait()
    await caller.stt.stop()
    await asyncio.sleep(0.15)  # twice the delay and more: proves an absence
    assert scribe.handshakes == 1


async def test_stop_while_a_handshake_is_under_way_leaves_nothing(scribe: FakeScribe) -> None:
    caller = Caller(scribe)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    scribe.hold_handshakes = asyncio.Event()
    session.cut()
    await scribe.handshakes_reach(2)
    await caller.stt.stop()
    scribe.hold_handshakes.set()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("elevenlabs")] == []


async def test_stop_closes_the_socket_before_it_returns(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call
    await caller.stt.stop()
    await asyncio.wait_for(session.closed.wait(), 0.5)
    await caller.stt.stop()


async def test_a_peer_that_does_not_answer_the_close_is_cut_off(
    call: tuple[Caller, ScribeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevenlabs_stt, "_CLOSE_TIMEOUT_S", 0.05)
    caller, session = call
    session._socket.transport.pause_reading()
    started = asyncio.get_running_loop().time()
    await caller.stt.stop()
    assert asyncio.get_running_loop().time() - started < 1.0
    session._socket.transport.resume_reading()
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)


async def test_a_cancelled_start_leaves_nothing_and_can_be_repeated(scribe: FakeScribe) -> None:
    caller = Caller(scribe)
    scribe.hold_handshakes = asyncio.Event()
    task = asyncio.create_task(caller.stt.start(caller.queue))
    await scribe.handshakes_reach(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    scribe.hold_handshakes.set()
    scribe.hold_handshakes = None
    await caller.stt.start(caller.queue)
    await caller.stt.stop()


async def test_the_end_of_the_audio_keeps_the_last_words(call: tuple[Caller, ScribeSession]) -> None:
    caller, session = call
    said = caller.speak(1, 2)
    caller.queue.put_nowait(None)
    await session.heard(said)
    async with asyncio.timeout(PATIENCE_S):
        await caller.stt._audio_over.wait()
    await session.commit("goodbye")
    await caller.hears("committed", "goodbye")


async def test_audio_that_no_link_took_in_time_is_counted(
    call: tuple[Caller, ScribeSession], scribe: FakeScribe, caplog: pytest.LogCaptureFixture
) -> None:
    caller, session = call
    scribe.hold_handshakes = asyncio.Event()
    session.cut()
    await scribe.handshakes_reach(2)
    for _ in range(600):
        caller.speak(7)
    scribe.hold_handshakes.set()
    await (await scribe.session()).heard(bytes([7]) * 160)
    assert caller.stt.lost_audio_bytes == 100 * 160
    assert "audio lost so far" in caplog.text


async def test_a_stopped_session_can_be_started_again(scribe: FakeScribe) -> None:
    caller = Caller(scribe)
    for text in ("one", "two"):
        await caller.stt.start(caller.queue)
        session = await scribe.session()
        await session.heard(caller.speak(1))
        await session.commit(text)
        await caller.hears("committed", text)
        await caller.stt.stop()
    assert scribe.alive == 0


async def test_a_second_start_is_refused(call: tuple[Caller, ScribeSession]) -> None:
    caller, _ = call
    with pytest.raises(SttError, match="already_started"):
        await caller.stt.start(caller.queue)


async def test_start_throws_away_what_an_earlier_call_left(scribe: FakeScribe) -> None:
    caller = Caller(scribe)
    caller.speak(1)
    caller.queue.put_nowait(None)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    await session.heard(caller.speak(2))
    assert session.audio == bytes([2]) * 160
    await caller.stt.stop()


async def test_a_late_sentinel_of_an_earlier_call_does_not_make_it_deaf(
    call: tuple[Caller, ScribeSession],
) -> None:
    caller, session = call
    caller.queue.put_nowait(None)
    await session.heard(caller.speak(2, 3))


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (403, "auth"), (503, "start_failed")])
async def test_a_refused_start_raises_and_reports_nothing(scribe: FakeScribe, status: int, reason: str) -> None:
    caller = Caller(scribe)
    scribe.refuse_with = status
    with pytest.raises(SttError) as raised:
        await caller.stt.start(caller.queue)
    assert (raised.value.reason, raised.value.provider) == (reason, "elevenlabs")
    assert raised.value.__cause__ is not None
    assert caller.said == []
    await caller.stt.stop()


async def test_an_error_in_place_of_a_greeting_fails_the_start(scribe: FakeScribe) -> None:
    caller = Caller(scribe)
    scribe.first_words = ["quota_exceeded"]
    with pytest.raises(SttError) as raised:
        await caller.stt.start(caller.queue)
    assert (raised.value.reason, raised.value.detail) == ("quota", "quota_exceeded")
    await asyncio.wait_for((await scribe.session()).closed.wait(), PATIENCE_S)
    assert caller.said == []


async def test_a_service_that_does_not_answer_fails_the_start_in_time(scribe: FakeScribe) -> None:
    caller = Caller(scribe, connect_timeout=0.05)
    scribe.hold_handshakes = asyncio.Event()
    with pytest.raises(SttError, match="connect_timeout_after_0.05_s"):
        await caller.stt.start(caller.queue)
    scribe.hold_handshakes.set()


async def test_a_service_without_a_greeting_is_used_all_the_same(
    scribe: FakeScribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevenlabs_stt, "_READY_GRACE_S", 0.02)
    scribe.greet = False
    caller = Caller(scribe)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    await session.heard(caller.speak(1))
    await caller.stt.stop()


async def test_a_missing_key_names_the_variable(scribe: FakeScribe) -> None:
    caller = Caller(scribe, api_key=None)
    with pytest.raises(SttError, match="ELEVENLABS_API_KEY"):
        await caller.stt.start(caller.queue)


async def test_the_environment_is_read_when_it_connects(scribe: FakeScribe, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.1 item 7: `load_dotenv` after the import, even after the construction, counts."""
    stt = PersistentSttSession()
    monkeypatch.setenv("ELEVENLABS_API_KEY", "late")
    monkeypatch.setenv("ELEVENLABS_BASE_URL", scribe.url)
    monkeypatch.setenv("STT_LANGUAGE_CODE", "fi")
    await stt.start(asyncio.Queue())
    session = await scribe.session()
    await stt.stop()
    assert (session.headers["xi-api-key"], session.query["language_code"]) == ("late", "fi")
    assert elevenlabs_stt.ELEVENLABS_API_KEY == "late"  # type: ignore[attr-defined]
    assert elevenlabs_stt.STT_MODEL_ID == "scribe_v2_realtime"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        elevenlabs_stt.NO_SUCH_NAME  # type: ignore[attr-defined]  # noqa: B018


async def test_a_peer_that_stops_reading_is_replaced(scribe: FakeScribe) -> None:
    """No network call without a timeout: a send that cannot go out is a lost link."""
    caller = Caller(scribe, send_timeout=0.1, replay_s=2000.0)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    session._socket.transport.pause_reading()
    for _ in range(9000):
        caller.queue.put_nowait(os.urandom(1600))
    second = await scribe.session()
    session.cut()
    second.cut()
    await caller.stt.stop()


async def test_names_can_be_looked_up_without_construction() -> None:
    bare = PersistentSttSession.__new__(PersistentSttSession)
    assert all(callable(getattr(bare, name)) for name in ("start", "stop", "set_speaking"))


async def test_set_speaking_after_the_loop_is_gone_is_harmless() -> None:
    clock = ManualClock()
    stt = PersistentSttSession(clock=clock)
    loop = asyncio.new_event_loop()
    loop.close()
    stt._loop = loop
    stt.set_speaking(True)
    clock.advance(11)
    stt.set_speaking(False)


async def test_with_manual_commit_the_end_of_speech_is_told_once_there_is_a_text(scribe: FakeScribe) -> None:
    """Somebody who hears the end of speech has Scribe commit; not in silence, which would end the session."""
    caller = Caller(scribe, manual_commit=True)
    await caller.stt.start(caller.queue)
    session = await scribe.session()
    assert session.query["commit_strategy"] == "manual"
    audio = caller.speak(1, 2)
    await session.heard(audio)
    caller.stt.finalise()
    await session.partial("two pizzas")
    await caller.hears("recognizing", "two pizzas")
    await session.told_to_commit()
    await session.commit("Two pizzas.")
    await caller.hears("committed", "Two pizzas.")
    assert sum(bool(message.get("commit")) for message in session.messages) == 1
    await caller.stt.stop()


async def test_scribe_that_commits_by_itself_is_not_told_to(call: tuple[Caller, ScribeSession]) -> None:
    """By default `finalise` changes nothing of what is sent."""
    caller, session = call
    await session.partial("two")
    await caller.hears("recognizing", "two")
    caller.stt.finalise()
    await session.heard(caller.speak(1, 2, 3))
    assert not any(message.get("commit") for message in session.messages)
