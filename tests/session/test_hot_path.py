"""What is true of the outbound stream however it is sent: what the caller heard, what is recorded, what fails alone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from voice_runtime.clock import LoopClock
from voice_runtime.events import EndReason
from voice_runtime.session import VoiceSession
from voice_runtime.session.outbound import OutboundStream
from voice_runtime.simulator.playout import Echo, Playout
from voice_runtime.testing.simulated_time import VirtualLoop
from voice_runtime.transport import CallInfo, OutboundAudio, OutboundItem, OutboundMark
from voice_runtime.transports.twilio_ws import TwilioStream
from voice_runtime.wire.media import StreamEncoder


class Carrier:
    """Twilio's queue at the other end of a wire on which, now and then, an item is under way for up to two seconds."""

    def __init__(self, outbound: OutboundStream, chance: random.Random) -> None:
        self.outbound, self.chance = outbound, chance
        self.loop = asyncio.get_running_loop()
        self.playout, self.encoder = Playout("MZ1"), StreamEncoder("MZ1")
        self.heard: Counter[int] = Counter()  # by the value of the byte, which is the number of the utterance
        outbound.carry(self.wire)

    def wire(self, item: OutboundItem) -> bool:
        if self.chance.random() < 0.15:
            self.loop.call_later(self.chance.choice((0.03, 0.3, 2.0)), self.late, item)
            return False
        self.arrived(item)
        return True

    def late(self, item: OutboundItem) -> None:
        self.arrived(item)
        self.outbound.sent()

    def arrived(self, item: OutboundItem) -> None:
        self.play()
        if isinstance(item, OutboundAudio):
            self.playout.receive(self.encoder.media(item.payload))
        elif isinstance(item, OutboundMark):
            self.echo(self.playout.receive(self.encoder.mark(item.name)))
        else:
            self.echo(self.playout.receive(self.encoder.clear()))

    def play(self) -> None:
        played = self.playout.play(self.loop.time())
        self.heard.update(played.audio)
        self.echo(played.echoes)

    def echo(self, echoes: list[Echo] | tuple[Echo, ...]) -> None:
        for echo in echoes:  # of marks that a clear took too: the carrier does not tell them apart
            self.loop.call_soon(self.outbound.mark_echoed, echo.name)


@pytest.mark.parametrize("seed", range(30))
def test_never_more_was_heard_than_the_carrier_played(seed: int) -> None:
    """Puts, marks and clears at random, on a wire that stalls: no utterance counts more as heard than was played."""
    chance = random.Random(seed)

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        outbound = OutboundStream(clock=LoopClock(loop))
        outbound.loop = loop
        carrier = Carrier(outbound, chance)
        utterance = 1
        for _ in range(300):
            what = chance.random()
            if what < 0.6:
                outbound.put_audio(bytes([utterance]) * chance.choice((80, 160, 160, 160, 800, 4000)), utterance)
            elif what < 0.7:
                outbound.put_mark("m")
            elif what < 0.75:
                outbound.clear()
            elif what < 0.85:
                utterance = utterance % 100 + 1
            for _ in range(chance.choice((0, 1, 2, 2, 10, 40))):
                await asyncio.sleep(0.01)
                carrier.play()
                for number in {utterance, max(1, utterance - 1)}:
                    heard = outbound.playout(number).heard
                    assert heard <= carrier.heard[number] + 1, f"at {loop.time():.3f} s, utterance {number}"

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(talk())


class Tape:
    """A recorder that keeps what it is given, until its disk is full."""

    def __init__(self, room: float = float("inf")) -> None:
        self.agent, self.caller, self.room = b"", b"", room

    def write_agent(self, data: bytes) -> None:
        if len(self.agent) >= self.room:
            raise OSError("no space left on device")
        self.agent += data

    def write_caller(self, data: bytes) -> None:
        if len(self.caller) >= self.room:
            raise OSError("no space left on device")
        self.caller += data


async def test_a_recording_holds_what_left_and_not_what_was_lost_or_cleared_under_way() -> None:
    """Audio under way is recorded when it has left: not when the caller cut in first, nor when the socket died."""
    session, tape = VoiceSession(), Tape()
    session.media_started(CallInfo("CA1", "MZ1"))
    session.recorder = tape
    session.on_outbound(lambda item: False)
    session.send_audio(b"1" * 160)
    assert tape.agent == b""
    session.outbound_sent()
    assert tape.agent == b"1" * 160
    session.send_audio(b"2" * 160)
    session.interrupt()
    session.outbound_sent()
    session.outbound_sent()  # the clear
    session.send_audio(b"3" * 160)
    session.on_outbound(None)
    session.outbound_sent()
    assert tape.agent == b"1" * 160


async def test_a_recorder_that_fails_costs_neither_the_call_nor_its_sound(caplog: pytest.LogCaptureFixture) -> None:
    """The handler that speaks sees nothing of it, what waits is still sent, the caller is heard, and it is logged."""
    session = VoiceSession()
    session.media_started(CallInfo("CA1", "MZ1"))
    session.recorder = Tape(room=160)
    sent: list[OutboundItem] = []

    def wire(item: OutboundItem) -> bool:
        sent.append(item)
        return True

    session.on_outbound(wire)
    session.send_audio(b"1" * 160)
    session.send_audio(b"2" * 4000)
    await asyncio.to_thread(session.send_audio, b"3" * 160)
    await asyncio.sleep(0)
    assert b"".join(item.payload for item in sent if isinstance(item, OutboundAudio)) == (
        b"1" * 160 + b"2" * 4000 + b"3" * 160
    )
    session.recorder = Tape(room=0)
    session.caller_audio(b"4" * 160)
    assert await session.inbound.get() == b"4" * 160
    assert [record.message for record in caplog.records] == 2 * ["the recorder failed; the call goes on without it"]


class BrokenSocket:
    """Takes nothing, and says so in a way that nobody foresaw."""

    def __init__(self, at_once: bool) -> None:
        self.at_once = at_once

    async def receive(self) -> str:
        return await asyncio.get_running_loop().create_future()

    async def receive_until(self, enough: object) -> None:
        await self.receive()

    def send(self, message: str) -> Awaitable[None]:
        if self.at_once:
            raise RuntimeError("not foreseen")
        return self._fail()

    async def _fail(self) -> None:
        raise RuntimeError("not foreseen")

    async def close(self, code: int = 1000) -> None: ...


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_send_that_fails_in_any_way_ends_the_call_and_not_the_handler(at_once: bool) -> None:
    """Whatever sending raises, the program that puts audio sees nothing of it: the call ends, soon, with a reason."""
    session = VoiceSession()
    media = TwilioStream(BrokenSocket(at_once))  # type: ignore[arg-type]
    media.info = CallInfo("CA1", "MZ1")
    session.media_started(media.info)
    running = asyncio.ensure_future(media.run(session))
    await asyncio.sleep(0.01)
    session.send_audio(b"\x55" * 160)
    await asyncio.wait_for(running, 30)
    assert session.end is not None
    assert session.end.reason is EndReason.CONNECTION_LOST


@pytest.mark.parametrize("stalls", [0.0, 0.2])
async def test_frames_that_leave_at_once_keep_their_place_among_those_of_threads(stalls: float) -> None:
    """The loop sends frames while threads put audio, marks and clears: nothing overtakes, nothing old follows."""
    outbound = OutboundStream(lead_seconds=1e9)
    loop = outbound.loop = asyncio.get_running_loop()
    chance, got, under_way = random.Random(7), list[OutboundItem](), False

    def wire(item: OutboundItem) -> bool:
        nonlocal under_way
        assert not under_way
        got.append(item)
        under_way = chance.random() < stalls
        if under_way:
            loop.call_soon(left)
        return not under_way

    def left() -> None:
        nonlocal under_way
        under_way = False
        outbound.sent()

    def put(producer: int, number: int) -> None:
        epoch = outbound.epoch
        outbound.put_audio((b"%d %06d %06d" % (producer, epoch, number)).ljust(160), None, epoch)

    def produce(producer: int) -> None:
        for number in range(400):
            put(producer, number)
            if number % 20 == producer:
                outbound.put_mark("m")
            if number % 50 == 40 + producer:
                outbound.clear()

    outbound.carry(wire)
    threads = [asyncio.create_task(asyncio.to_thread(produce, producer)) for producer in range(1, 4)]
    number = 0
    while not all(thread.done() for thread in threads):
        put(0, number)
        number += 1
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        while outbound.backlog_bytes or under_way:  # noqa: ASYNC110 - it must drain untouched
            await asyncio.sleep(0)
    seen, cleared, last = 0, False, dict.fromkeys(range(4), -1)
    for item in got:
        if isinstance(item, OutboundAudio):
            for at in range(0, len(item.payload), 160):
                producer, epoch, number = map(int, item.payload[at : at + 160].split())
                assert epoch > seen if cleared else epoch == seen  # a clear is between two epochs, and nowhere else
                assert number > last[producer]
                seen, cleared, last[producer] = epoch, False, number
        elif not isinstance(item, OutboundMark):
            cleared = True
    assert seen


@pytest.mark.parametrize("look", [lambda queue: not queue.empty(), lambda queue: queue.qsize()])
async def test_a_recogniser_that_looks_before_it_takes_hears_the_caller_beside_another_reader(
    look: Callable[[asyncio.Queue[bytes | None]], object],
) -> None:
    """A program of 0.1 asks the queue whether there is audio, and only then takes it: `audio()` must not starve it."""
    session = VoiceSession()
    session.media_started(CallInfo("CA1", "MZ1"))
    beside = session.audio()
    heard: list[bytes | None] = []
    for _ in range(3):
        if look(session.inbound):
            heard.append(session.inbound.get_nowait())
        session.caller_audio(b"\x55" * 160)
    assert heard == 2 * [b"\x55" * 160]
    assert await anext(beside) == b"\x55" * 160
