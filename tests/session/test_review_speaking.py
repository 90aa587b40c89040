"""What is said, interrupted and failed on one call, against a socket that plays everything at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from voice_runtime import BlockingSession, CallHangupError, VoiceSession, switchboard, tasks
from voice_runtime.events import CallEnded, EndReason, MarkOutcome, PlaybackOutcome, ProviderFailed
from voice_runtime.handler import Handler
from voice_runtime.stt import SttProvider
from voice_runtime.transport import CallInfo, MediaSocket, SocketClosed
from voice_runtime.transports.twilio_ws import TwilioStream

INFO = CallInfo("CA1", "MZ1")


class Peer(MediaSocket):
    """A carrier that takes everything at once, and echoes a mark as soon as it has it."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self.got: list[dict[str, Any]] = []

    async def receive(self) -> str:
        message = await self.inbox.get()
        if message is None:
            raise SocketClosed(1000)
        return message

    def send(self, message: str) -> None:
        self.got.append(json.loads(message))
        if self.got[-1]["event"] == "mark":
            self.inbox.put_nowait(message)

    async def close(self, code: int = 1000) -> None: ...

    def hang_up(self) -> None:
        self.inbox.put_nowait(None)

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.got]


class Tts:
    """Synthesis as the test wants it."""

    def __init__(self, *makers: Any) -> None:
        self.makers = list(makers)

    def synthesize(self, text: str) -> AsyncIterator[bytes]:
        made: AsyncIterator[bytes] = self.makers.pop(0)(text)
        return made


async def frames(text: str) -> AsyncIterator[bytes]:
    yield b"\x55" * 160


async def carried(
    handler: Handler,
    *,
    tts: object = None,
    session: VoiceSession | None = None,
    peer: Peer | None = None,
) -> VoiceSession:
    """One call that `handler` answers, to its end."""
    session = session or VoiceSession()
    session.tts = tts  # type: ignore[assignment]
    media = TwilioStream(peer or Peer())  # type: ignore[arg-type]
    media.info = INFO
    board = switchboard.Switchboard()
    board.places.take()
    async with asyncio.timeout(30):
        await board.carry(session, media, handler)
    return session


async def test_an_interruption_of_the_last_utterance_does_not_cut_the_next_one() -> None:
    """A thread interrupts; before it has told the loop so, the next utterance has begun. That one is whole."""
    interrupted, told = threading.Event(), threading.Event()

    class SlowMixer:
        def write_caller(self, data: bytes) -> None: ...
        def write_agent(self, data: bytes) -> None: ...
        def clear_agent(self) -> None:
            interrupted.set()
            told.wait(30)

    async def stalls(text: str) -> AsyncIterator[bytes]:
        yield b"\x55" * 160
        await asyncio.Event().wait()

    async def slow(text: str) -> AsyncIterator[bytes]:
        yield b"\x55" * 160
        told.set()
        thread.join()
        await asyncio.sleep(0.02)
        yield b"\x55" * 160

    thread = threading.Thread(target=lambda: None)

    async def answer(call: VoiceSession) -> None:
        nonlocal thread
        call.set_mixer(SlowMixer())
        thread = threading.Thread(target=call.interrupt)
        first = asyncio.create_task(call.say("one"))
        await asyncio.sleep(0.05)
        thread.start()
        await asyncio.to_thread(interrupted.wait, 5)
        assert not first.done()
        first.cancel()
        await asyncio.wait({first})
        said.append(await call.say("two"))

    said: list[Any] = []
    await carried(answer, tts=Tts(stalls, slow))
    assert (said[0].outcome, said[0].queued_ms) == (PlaybackOutcome.PLAYED, 40.0)


def raises_at_once(text: str) -> AsyncIterator[bytes]:
    raise OSError("no route to the vendor")


async def raises_later(text: str) -> AsyncIterator[bytes]:
    yield b"\x55" * 160
    raise OSError("no route to the vendor")


@pytest.mark.parametrize("maker", [raises_at_once, raises_later])
async def test_whatever_synthesis_raises_the_utterance_failed_and_the_call_goes_on(maker: Any) -> None:
    """A provider from elsewhere lets its client's own exceptions out."""
    outcomes: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        call.on_event(lambda e: outcomes.append(e.reason) if isinstance(e, ProviderFailed) else None)
        outcomes.append((await call.say("one")).outcome)
        outcomes.append((await call.say("two")).outcome)

    await carried(answer, tts=Tts(maker, frames))
    assert outcomes == ["failed", PlaybackOutcome.FAILED, PlaybackOutcome.PLAYED]


async def test_an_interrupted_synthesis_that_fails_to_close_is_still_an_interruption() -> None:
    """What a provider raises when it is stopped does not reach the handler."""

    async def stubborn(text: str) -> AsyncIterator[bytes]:
        yield b"\x55" * 160
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection was gone already")

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        asyncio.get_running_loop().call_later(0.05, call.interrupt)
        said.append((await call.say("one")).outcome)

    await carried(answer, tts=Tts(stubborn))
    assert said == [PlaybackOutcome.INTERRUPTED]


async def test_a_synthesis_that_will_not_be_stopped_does_not_hold_up_the_call() -> None:
    """It is cancelled and goes on waiting all the same: the handler gets its turn back."""
    release = asyncio.Event()

    async def deaf(text: str) -> AsyncIterator[bytes]:
        yield b"\x55" * 160
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        asyncio.get_running_loop().call_later(0.05, call.interrupt)
        asyncio.get_running_loop().call_later(3.0, release.set)
        said.append((await call.say("one")).outcome)
        said.append(release.is_set())
        release.set()

    await carried(answer, tts=Tts(deaf))
    assert said == [PlaybackOutcome.INTERRUPTED, False]


async def test_words_without_any_audio_were_not_heard() -> None:
    """The vendor answered with nothing: history must not say that the caller heard it."""

    async def nothing(text: str) -> AsyncIterator[bytes]:
        return
        yield b""

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        said.append(await call.say("your balance is zero"))
        said.append(await call.say(""))
        said.append(await call.play(b""))

    await carried(answer, tts=Tts(nothing, nothing))
    assert [u.heard_text for u in said] == ["", "", ""]


async def test_interrupting_when_nothing_plays_harms_nothing_that_comes() -> None:
    """Before the first utterance and between two: both are whole."""
    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        for _ in range(2):
            call.interrupt()
            call.interrupt()
            said.append((await call.say("one")).outcome)

    await carried(answer, tts=Tts(frames, frames))
    assert said == [PlaybackOutcome.PLAYED] * 2


async def test_interrupting_one_utterance_leaves_the_one_that_waits_for_its_turn() -> None:
    """Two tasks speak at once: they take turns, and a key silences only what was playing."""

    async def stalls(text: str) -> AsyncIterator[bytes]:
        yield b"\x55" * 160
        await asyncio.Event().wait()

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        asyncio.get_running_loop().call_later(0.05, call.dtmf_received, "1")
        said.extend(u.outcome for u in await asyncio.gather(call.say("one"), call.say("two")))

    await carried(answer, tts=Tts(stalls, frames))
    assert said == [PlaybackOutcome.INTERRUPTED, PlaybackOutcome.PLAYED]


async def test_a_file_that_is_not_there_is_the_handlers_to_catch() -> None:
    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere.wav"):
            await call.play("/nowhere.wav")
        said.append((await call.say("one")).outcome)

    await carried(answer, tts=Tts(frames))
    assert said == [PlaybackOutcome.PLAYED]


async def test_an_utterance_that_is_given_up_falls_silent_and_the_next_is_whole() -> None:
    """`asyncio.timeout` around `say`: the carrier is told to drop it, at whatever moment the time was up."""

    async def long(text: str) -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"\x55" * 160
            await asyncio.sleep(0.001)

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        for n in range(10):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.say("long"), 0.0015 * n)
            said.append(await call.say("short"))

    await carried(answer, tts=Tts(*[lambda text: long(text) if text == "long" else frames(text)] * 20))
    assert {(u.outcome, u.queued_ms) for u in said} == {(PlaybackOutcome.PLAYED, 20.0)}


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_call_that_begins_after_the_drain_hung_everybody_up_is_hung_up_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its socket was let in and had not started yet."""
    monkeypatch.setattr(switchboard, "HANGUP_GRACE_SECONDS", 1.0)
    board = switchboard.Switchboard()
    board.places.take()
    draining = asyncio.create_task(board.drain(0.0))
    await asyncio.sleep(0.05)
    media = TwilioStream(Peer())  # type: ignore[arg-type]
    media.info = INFO

    async def answer(call: VoiceSession) -> None:
        await call.wait_ended()

    async with asyncio.timeout(30):
        end = await board.carry(VoiceSession(), media, answer)
    board.places.release()
    await draining
    assert end.reason is EndReason.DRAINED


async def test_a_call_is_hung_up_when_it_has_lasted_long_enough() -> None:
    async def answer(call: VoiceSession) -> None:
        await asyncio.sleep(10)

    board = switchboard.Switchboard(max_call_seconds=0.05, handler_grace_seconds=0.05)
    board.places.take()
    media = TwilioStream(Peer())  # type: ignore[arg-type]
    media.info = INFO
    async with asyncio.timeout(30):
        end = await board.carry(VoiceSession(), media, answer)
    assert end.reason is EndReason.MAX_DURATION


# -- handlers ----------------------------------------------------------------------------------------------------------


async def test_a_handler_whose_helper_was_cancelled_does_not_leave_the_caller_in_silence() -> None:
    """A CancelledError of the handler's own making is a failure of the handler, and ends the call."""

    async def answer(call: VoiceSession) -> None:
        helper = asyncio.create_task(asyncio.sleep(10))
        helper.cancel()
        await helper

    session = await carried(answer)
    assert session.end is not None and session.end.reason is EndReason.HANDLER_FAILED


@pytest.mark.parametrize("error", [StopIteration, SystemExit, asyncio.CancelledError])
async def test_a_blocking_handler_may_raise_anything(error: type[BaseException]) -> None:
    """`next()` on an empty iterator, `sys.exit()`: that call ends, the server does not."""

    def answer(call: BlockingSession) -> None:
        raise error

    session = await carried(answer)
    assert session.end is not None and session.end.reason is EndReason.HANDLER_FAILED


async def test_an_async_handler_that_exits_ends_its_call_and_not_the_server() -> None:
    async def answer(call: VoiceSession) -> None:
        raise SystemExit(1)

    session = await carried(answer)
    assert session.end is not None and session.end.reason is EndReason.HANDLER_FAILED


async def test_a_partial_of_an_async_handler_runs_on_the_loop() -> None:
    import functools

    got: list[object] = []

    async def answer(greeting: str, call: VoiceSession) -> None:
        got.append((greeting, type(call)))

    await carried(functools.partial(answer, "hello"))
    assert got == [("hello", VoiceSession)]


async def test_a_function_that_only_makes_a_coroutine_is_told_so() -> None:
    async def answer(call: Any) -> None: ...

    session = await carried(lambda call: answer(call))
    assert session.end is not None and session.end.reason is EndReason.HANDLER_FAILED


async def test_a_blocking_verb_on_the_loops_own_thread_is_refused() -> None:
    """It would stop the loop, and with it every other call: a listener of a plain handler is called there."""
    errors: list[BaseException] = []

    def answer(call: BlockingSession) -> None:
        def listener(event: object) -> None:
            try:
                call.mark("m", 0.1)
            except BaseException as error:
                errors.append(error)

        call.on_event(listener)
        call.mark("first")
        call.mark("second")

    await carried(answer)
    assert isinstance(errors[0], RuntimeError)


def test_a_blocking_handler_learns_that_its_loop_is_gone() -> None:
    """The server's loop ends under it: what it waits for raises `CallHangupError`."""
    session = VoiceSession()
    raised: list[BaseException] = []

    def handler() -> None:
        try:
            BlockingSession(session).listen(None)
        except BaseException as error:
            raised.append(error)

    async def serve() -> None:
        session.media_started(INFO)
        thread.start()
        await asyncio.sleep(0.1)

    thread = threading.Thread(target=handler, daemon=True)
    asyncio.run(serve())
    thread.join(30)
    assert isinstance(raised[0], CallHangupError)


# -- events and audio --------------------------------------------------------------------------------------------------


async def test_events_asked_for_after_the_end_are_the_end() -> None:
    """A handler that tidies up after the call must not wait for events that never come."""
    got: list[object] = []

    async def answer(call: VoiceSession) -> None:
        await call.hangup()
        async with asyncio.timeout(30):
            got.extend([event async for event in call.events()])

    await carried(answer)
    assert len(got) == 1 and isinstance(got[0], CallEnded)


async def test_readers_that_were_given_up_cost_nothing() -> None:
    """A handler that looks at events and audio a thousand times, each time for a moment."""
    left: list[int] = []

    async def answer(call: VoiceSession) -> None:
        for _ in range(200):
            async for _event in call.events(timeout=0.0):
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.wait_ended(), 0.001)
            call.put_inbound(b"\x55" * 160)
            audio = call.audio()
            call.put_inbound(b"\x55" * 160)
            async for _frame in audio:
                break
        audio = None
        gc.collect()
        left.extend([len(call.hub._streams), len(call._subscriptions)])

    await carried(answer)
    assert left == [0, 0]


# -- recognition -------------------------------------------------------------------------------------------------------


class SlowStt:
    """Takes its time to start; counts the connections it holds."""

    on_committed = on_recognizing = on_error = None

    def __init__(self, seconds: float) -> None:
        self.seconds, self.open = seconds, False

    async def start(self, inbound: object) -> None:
        await asyncio.sleep(self.seconds)
        self.open = True

    async def stop(self) -> None:
        self.open = False


async def test_recognition_that_starts_after_the_call_has_ended_is_stopped() -> None:
    """The caller hung up while it was still connecting, and the handler took a moment to tidy up."""
    stt = SlowStt(0.1)
    session = VoiceSession(stt_factory=lambda: stt)

    async def answer(call: VoiceSession) -> None:
        call.request_disconnect()
        await call.wait_ended()
        await asyncio.sleep(0.3)

    await carried(answer, session=session)
    assert not stt.open


async def test_recognition_is_not_started_again_after_the_call_has_ended() -> None:
    from voice_runtime.session import hearing

    made: list[object] = []

    def factory() -> SttProvider:
        made.append(1)
        raise OSError("no")

    async def answer(call: VoiceSession) -> None:
        await asyncio.sleep(0.01)
        await call.hangup()
        await asyncio.sleep(0.3)

    hearing.RETRY_SECONDS, before = 0.1, hearing.RETRY_SECONDS
    try:
        await carried(answer, session=VoiceSession(stt_factory=factory))
    finally:
        hearing.RETRY_SECONDS = before
    assert len(made) == 1


async def test_a_task_that_swallows_its_cancellation_does_not_keep_the_call_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is cancelled again, then left behind: the place of the call is free for the next one."""
    monkeypatch.setattr(tasks, "ASK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(tasks, "GIVE_UP_SECONDS", 0.2)
    release = asyncio.Event()
    swallowed: list[int] = []

    async def deaf(times: int) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                swallowed.append(times)
                if swallowed.count(times) == times:
                    raise

    owner = tasks.TaskOwner("test")
    owner.start("once", deaf(2))
    stuck = owner.start("always", deaf(1000))
    await asyncio.sleep(0)
    await asyncio.wait_for(owner.close(), 30)
    assert [len(owner), swallowed.count(2)] == [1, 2]
    release.set()
    await stuck


async def test_a_broken_mixer_of_the_program_costs_neither_words_nor_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """It fails on every piece of audio, both ways, and on a barge-in: it is told once, and let go."""

    class Broken:
        def write_caller(self, data: bytes) -> None:
            raise OSError("disk full")

        write_agent = write_caller

        def clear_agent(self) -> None:
            raise OSError("disk full")

    said: list[Any] = []

    async def answer(call: VoiceSession) -> None:
        for use in (
            lambda: peer.inbox.put_nowait('{"event":"media","media":{"payload":"/////w=="}}'),
            lambda: call.interrupt(),
            lambda: None,
        ):
            call.set_mixer(Broken())
            use()
            await asyncio.sleep(0.02)
            said.append((await call.say("one")).outcome)

    peer = Peer()
    session = await carried(answer, tts=Tts(frames, frames, frames), peer=peer)
    assert said == [PlaybackOutcome.PLAYED] * 3
    assert session.end is not None and session.end.reason is EndReason.HANDLER_RETURNED
    assert caplog.text.count("the mixer failed") == 3


async def test_a_mark_of_a_call_that_ends_in_that_moment_does_not_wait() -> None:
    """Another thread ended the call between the look and the leap."""
    session = VoiceSession()
    session.media_started(INFO)
    put_mark = session.stream.put_mark

    def late(name: str) -> Any:
        session.signal_disconnected()
        return put_mark(name)

    session.stream.put_mark = late  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(30):
        assert await session.mark("m") is MarkOutcome.DISCONNECTED
