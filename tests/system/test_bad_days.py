"""What goes wrong around a call, and what the caller and the operator get to see of it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import threading
import time
import weakref
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phone_system import TOKEN, phone_system
from test_security import media_socket, start, stream_url

from voice_runtime import BlockingSession, VoiceSession
from voice_runtime.events import CallEnd, EndReason, Fault, ProviderFailed, UtteranceFinished
from voice_runtime.mock.stt import MockStt
from voice_runtime.mock.tts import MockTts
from voice_runtime.session import hearing
from voice_runtime.simulator import Line, listens
from voice_runtime.stt import SttProvider
from voice_runtime.transport import CallInfo, MediaSocket
from voice_runtime.transports.twilio_ws import TwilioStream
from voice_runtime.wire.media import Malformed, Unknown, decode_from_carrier, decode_from_server
from voice_runtime.wire.signature import sign

ODD = [
    "",
    "not json",
    "[]",
    "null",
    "{}",
    '{"event":null}',
    '{"event":"media"}',
    '{"event":"media","media":null}',
    '{"event":"media","media":{"payload":"%%%"}}',
    '{"event":"media","media":{"payload":""}}',
    '{"event":"mark"}',
    '{"event":"mark","mark":{"name":"never sent"}}',
    '{"event":"dtmf","dtmf":{"digit":7}}',
    '{"event":"dtmf","dtmf":{"digit":"\\ud800"}}',
    '{"event":"start","start":{}}',
    '{"event":"connected"}',
    '{"event":"something new","more":[1,2,3]}',
    "[" * 5000,
    '{"event":"media","media":{"payload":"' + "A" * 70000 + '"}}',
]


async def test_no_odd_message_ends_a_call() -> None:
    """Every kind of malformed message, binary frames among them, and the call still hears and speaks."""
    async with phone_system(tts=MockTts()) as system:
        got: list[int] = []

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            async for frame in call.audio():
                got.append(len(frame))
                call.send_audio(frame)

        url = await stream_url(system)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            await start(socket)
            for odd in ODD:
                await socket.send(odd)
                await socket.send(odd.encode(errors="replace"))
            for noise in range(50):
                await socket.send(random.Random(noise).randbytes(200))
            await socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": "/" * 216}}))
            echoed = json.loads(await asyncio.wait_for(socket.recv(), 2))
    assert got == [162] and echoed["media"]["payload"] == "/" * 216


KEYS = st.sampled_from(["event", "media", "payload", "start", "stop", "mark", "name"])
JSON = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_the_codec_never_raises(message: str | bytes) -> None:
    """Whatever arrives is an event, in both directions."""
    assert decode_from_carrier(message) is not None
    assert decode_from_server(message) is not None


@given(
    st.sampled_from(["start", "media", "dtmf", "mark", "stop", "connected", "new"]),
    st.dictionaries(st.text(), st.text() | st.none() | st.floats(allow_nan=False)),
)
def test_a_known_message_with_odd_fields_is_an_event_of_its_own(event: str, fields: dict[str, object]) -> None:
    """Never a crash and never `None`: at worst Malformed, with a reason that quotes nothing of the message."""
    decoded = decode_from_carrier(json.dumps({**fields, "event": event}))
    if isinstance(decoded, Malformed):
        assert not any(isinstance(v, str) and len(v) > 8 and v in decoded.reason for v in fields.values())
    elif isinstance(decoded, Unknown):
        assert decoded.event == "new"


# -- speech that fails -------------------------------------------------------------------------------------------------


async def failures_of(stt: object) -> tuple[list[str], bytes]:
    """One call with that recognition: which failures the program is told of, and what the caller hears after them."""
    failed: list[str] = []
    async with phone_system(stt=stt, tts=MockTts()) as system:  # type: ignore[arg-type]

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            async for event in call.events(timeout=2.0):
                if isinstance(event, ProviderFailed):
                    failed.append(f"{event.kind} {event.reason}")
                    break
            await call.say("still here")

        record = await system.call(listens(120))
    return failed, record.ear


async def test_recognition_that_does_not_start_leaves_the_call_alive_and_says_so() -> None:
    """Three attempts, one report, and the agent still speaks."""
    hearing.RETRY_SECONDS, before = 0.01, hearing.RETRY_SECONDS
    try:
        failed, ear = await failures_of(lambda: MockStt(fail_start=True))
    finally:
        hearing.RETRY_SECONDS = before
    assert failed == ["stt start_failed"] and MockTts.render("still here") in ear


async def test_a_factory_that_raises_leaves_the_call_alive_and_says_so() -> None:
    """No recogniser at all is the same failure."""

    def broken() -> SttProvider:
        raise OSError("no such model")

    hearing.RETRY_SECONDS, before = 0.01, hearing.RETRY_SECONDS
    try:
        failed, ear = await failures_of(broken)
    finally:
        hearing.RETRY_SECONDS = before
    assert failed == ["stt start_failed"] and MockTts.render("still here") in ear


async def test_recognition_that_dies_leaves_the_call_alive_and_says_so() -> None:
    """One report, typed."""
    failed, ear = await failures_of(lambda: MockStt(die_after_ms=200))
    assert failed == ["stt crashed"] and MockTts.render("still here") in ear


async def test_recognition_that_stalls_is_noticed_and_memory_stays_flat() -> None:
    """Audio that nobody takes is dropped from its oldest end, counted, and reported once."""
    session = VoiceSession()
    session.frames.limit = 50
    stt = lambda: MockStt(stall_after_ms=200)  # noqa: E731
    async with phone_system(stt=stt, tts=MockTts(), session=lambda: session) as system:
        failed: list[str] = []

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_event(lambda e: failed.append(e.reason) if isinstance(e, ProviderFailed) else None)
            await call.wait_ended()

        await system.call(listens(4))
    assert failed == ["stalled"]
    assert session.frames.qsize() <= 50 and session.frames.dropped > 50


async def test_synthesis_that_fails_is_told_and_the_call_goes_on() -> None:
    """The utterance is FAILED, what was made of it was heard, and the next thing works."""
    outcomes: list[str] = []
    tts = MockTts(fail_after_ms=200)
    async with phone_system(tts=tts) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_event(lambda e: outcomes.append(str(e.outcome)) if isinstance(e, UtteranceFinished) else None)
            call.on_event(lambda e: outcomes.append(e.kind) if isinstance(e, ProviderFailed) else None)
            await call.say("this breaks in the middle")
            await call.play(MockTts.render("ok"))

        record = await system.call(listens(60))
    assert outcomes == ["tts", "failed", "played"]
    assert MockTts.render("ok") in record.ear and MockTts.render("this breaks in the middle")[:1600] in record.ear


async def test_synthesis_that_stalls_is_still_interrupted() -> None:
    """A barge-in ends an utterance whose maker hangs."""
    async with phone_system(tts=MockTts(stall_after_ms=200)) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            assert (await call.say("this hangs in the middle of it")).interrupted

        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            line.press("1")
            await line.stay()

        await system.call(caller)


# -- handlers that misbehave -------------------------------------------------------------------------------------------


async def test_a_handler_that_raises_says_sorry_and_ends_its_call() -> None:
    """The caller hears the apology, the reason names the agent, the traceback is in the log."""
    ends: list[CallEnd | None] = []
    async with phone_system(tts=MockTts(), apology="so sorry") as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_disconnected = ends.append
            raise ZeroDivisionError("broken")

        record = await system.call(listens(60))
        await asyncio.sleep(0.05)
    assert MockTts.render("so sorry") in record.ear
    assert [(e.reason, e.fault) for e in ends if e] == [(EndReason.HANDLER_FAILED, Fault.AGENT)]


@pytest.mark.real_time  # the blocked thread's
async def test_a_handler_that_blocks_stalls_nobody_else() -> None:
    """A plain function that sleeps holds its own thread; another call is answered meanwhile, and its own can end."""
    release = threading.Event()
    async with phone_system(tts=MockTts()) as system:
        system.app.switchboard._handler_grace = 0.1

        @system.app.call("+1")
        def blocks(call: BlockingSession) -> None:
            release.wait(30)

        @system.app.call("+2")
        async def quick(call: VoiceSession) -> None:
            await call.say("quick")

        stuck = asyncio.create_task(system.call(listens(1), called="+1"))
        fine = await system.call(listens(60), called="+2")
        blocked = await stuck
        release.set()
    assert MockTts.render("quick") in fine.ear and blocked.ended_by == "caller"


async def test_a_stalled_rest_endpoint_does_not_keep_a_call() -> None:
    """Hanging up falls back to closing the socket when the carrier's API does not answer in time."""
    from voice_runtime.simulator.rest import Fault as RestFault

    async with phone_system(tts=MockTts(), changes={"twilio_http_timeout": 0.2}) as system:
        system.carrier.rest.fail_always(RestFault.stall(30))

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("bye")

        began = time.monotonic()
        record = await system.call(listens(300))
        system.carrier.rest.fail_always(None)
    assert time.monotonic() - began < 20 and record.ended_by == "twiml"
    assert MockTts.render("bye") in record.ear


class DeadSocket(MediaSocket):
    """A peer that is there and takes nothing: half dead."""

    def __init__(self) -> None:
        self.never = asyncio.Event()
        self.inbox = asyncio.Queue[str]()

    async def receive(self) -> str:
        return await self.inbox.get()

    def send(self, message: str) -> Awaitable[None]:
        return self._wait()

    async def _wait(self) -> None:
        await self.never.wait()

    async def close(self, code: int = 1000) -> None: ...


async def test_a_socket_that_takes_nothing_is_given_up() -> None:
    """The reason says that sending stalled, and whose fault it was."""
    session = VoiceSession()
    media = TwilioStream(DeadSocket(), send_stall_seconds=0.1)
    media.info = CallInfo("CA1", "MZ1")
    session.media_started(media.info)
    session.send_audio(b"\xff" * 160)
    await asyncio.wait_for(media.run(session), 2)
    assert session.end is not None
    assert (session.end.reason, session.end.fault) == (EndReason.SEND_STALLED, Fault.CARRIER)


async def test_a_socket_from_which_nothing_comes_is_given_up() -> None:
    """A carrier that vanished without a word is noticed by its silence."""
    session = VoiceSession()
    media = TwilioStream(DeadSocket(), media_timeout=0.1)
    media.info = CallInfo("CA1", "MZ1")
    session.media_started(media.info)
    await asyncio.wait_for(media.run(session), 2)
    assert session.end is not None and session.end.reason is EndReason.CONNECTION_LOST


def tasks_of_calls() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("call.", "media-"))]


@pytest.mark.real_time
async def test_five_hundred_short_calls_leave_nothing() -> None:
    """No task, no thread, no file or socket, no listener; memory does not grow with the number of calls."""
    objects: list[int] = []
    descriptors: list[int] = []
    living: weakref.WeakSet[VoiceSession] = weakref.WeakSet()

    def new_session() -> VoiceSession:
        session = VoiceSession()
        living.add(session)
        return session

    async with phone_system(stt=MockStt, tts=MockTts(), session=new_session) as system:
        sessions = 0

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            nonlocal sessions
            sessions += 1
            await call.say("hi")

        async def batch(count: int) -> None:
            async def one() -> None:
                url = await stream_url(system)
                async with media_socket(system, url, sign(TOKEN, url)) as socket:
                    await start(socket)
                    await socket.recv()
                    await socket.send('{"event":"stop","streamSid":"MZ1"}')
                    await socket.wait_closed()

            for _ in range(count // 25):
                await asyncio.gather(*(one() for _ in range(25)))

        await batch(50)
        for _ in range(3):
            await batch(150)
            await asyncio.sleep(0.1)  # as above: what is measured is what stays
            gc.collect()
            objects.append(len(gc.get_objects()))
            descriptors.append(len(os.listdir("/proc/self/fd")))
        async with asyncio.timeout(5):  # the last clients are gone before the server has tidied up after them
            while system.app.switchboard.calls or tasks_of_calls():  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.01)
        gc.collect()
        assert sessions == 500
        assert len(living) <= 1  # the name `call` in the handler's last frame
    assert descriptors[2] <= descriptors[0]
    assert objects[2] - objects[1] < 150, f"grew by one for every call or more: {objects}"
