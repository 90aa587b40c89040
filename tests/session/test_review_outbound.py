"""Nothing put from any thread is ever stuck, lost, doubled or out of order: the stream under stress."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Iterator

import pytest

from voice_runtime.events import MarkOutcome
from voice_runtime.session.outbound import OutboundStream
from voice_runtime.transport import OutboundAudio, OutboundClear, OutboundItem, OutboundMark


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Threads lose their turn after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Wire:
    """A transport like `TwilioStream`: sends what it is handed, and now and then has to wait before it can go on."""

    def __init__(self, outbound: OutboundStream, seed: int = 1, blocks: float = 0.0) -> None:
        self.outbound, self.random, self.blocks = outbound, random.Random(seed), blocks
        self.got: list[OutboundItem] = []
        self.sending = False
        outbound.carry(self.send)

    def send(self, item: OutboundItem) -> bool:
        assert not self.sending
        self.got.append(item)
        if self.random.random() < self.blocks:
            self.sending = True
            asyncio.get_running_loop().call_later(0.0002, self.sent)
        return not self.sending

    def sent(self) -> None:
        self.sending = False
        self.outbound.sent()


@pytest.mark.parametrize(("seed", "blocks"), [(1, 0.0), (2, 0.05), (3, 0.3)])
async def test_any_sequence_from_any_threads_drains(seed: int, blocks: float, impatient_threads: None) -> None:
    """Audio of all sizes and marks from six threads, with pauses, over a wire that blocks: all of it, in each order."""
    outbound = OutboundStream(lead_seconds=1e9)
    outbound.loop = asyncio.get_running_loop()
    wire = Wire(outbound, seed, blocks)
    marks: dict[int, list[str]] = {n: [] for n in range(6)}
    audio: dict[int, bytes] = dict.fromkeys(range(6), b"")

    def produce(number: int) -> None:
        chance = random.Random(seed * 100 + number)
        for step in range(150):
            if chance.random() < 0.1:
                marks[number].append(outbound.put_mark(f"{number}-{step}").wire_name)
            else:
                piece = bytes([step]) * chance.choice([1, 7, 159, 160, 161, 900])
                assert outbound.put_audio(piece, number)
                audio[number] += piece
            if chance.random() < 0.05:
                pause.wait(chance.random() * 0.002)

    pause = threading.Event()
    threads = [threading.Thread(target=produce, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    async with asyncio.timeout(30):  # nobody puts anything any more: what is stuck now is stuck for ever
        while outbound.backlog_bytes or outbound._items:  # noqa: ASYNC110 - it must drain untouched
            await asyncio.sleep(0.002)
    sent = dict.fromkeys(range(6), b"")
    for item in wire.got:
        if isinstance(item, OutboundAudio):
            assert item.utterance is not None
            sent[item.utterance] += item.payload
    assert sent == audio
    passed = [item.name for item in wire.got if isinstance(item, OutboundMark)]
    assert sorted(passed) == sorted(sum(marks.values(), []))
    for number, names in marks.items():
        assert [name for name in passed if name.startswith(f"{number}-")] == names


async def test_single_small_pieces_from_a_thread_always_leave(impatient_threads: None) -> None:
    """No mark behind them, each put when the last was just taken: the wake-up that could get lost, 300 times."""
    outbound = OutboundStream(lead_seconds=1e9)
    outbound.loop = asyncio.get_running_loop()
    seen = threading.Semaphore(0)
    stuck: list[int] = []
    got: list[OutboundItem] = []

    def produce() -> None:
        for step in range(300):
            outbound.put_audio(b"\x55" * 160)
            if not seen.acquire(timeout=30):
                stuck.append(step)
                return

    def send(item: OutboundItem) -> bool:
        got.append(item)
        seen.release()
        return True

    outbound.carry(send)
    await asyncio.to_thread(produce)
    assert not stuck and len(got) == 300


async def test_clears_from_threads_never_let_older_audio_follow(impatient_threads: None) -> None:
    """Whoever clears and then puts is never followed by what was there before; the stream never stalls after it."""
    outbound = OutboundStream(lead_seconds=1e9)
    outbound.loop = asyncio.get_running_loop()
    wire = Wire(outbound, 5, 0.2)
    stop = threading.Event()

    def talk(number: int) -> None:
        while not stop.is_set():
            epoch = outbound.epoch
            for _ in range(5):
                outbound.put_audio(b"\x55" * 160, epoch, epoch)  # the utterance is the epoch it belongs to
            outbound.put_mark("m", epoch)

    def interrupt() -> None:
        for _ in range(100):
            outbound.clear()
            pause.wait(0.0005)
        stop.set()

    pause = threading.Event()
    threads = [threading.Thread(target=talk, args=(n,)) for n in range(3)] + [threading.Thread(target=interrupt)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    async with asyncio.timeout(30):
        while outbound._items:  # noqa: ASYNC110 - it must drain untouched
            await asyncio.sleep(0.002)
    epochs = [item.utterance for item in wire.got if isinstance(item, OutboundAudio) and item.utterance is not None]
    assert epochs == sorted(epochs)
    last_clear = max(n for n, item in enumerate(wire.got) if isinstance(item, OutboundClear))
    after = {item.utterance for item in wire.got[last_clear:] if isinstance(item, OutboundAudio)}
    assert after <= {outbound.epoch}


async def test_what_slips_out_before_a_clear_is_not_counted_as_being_played() -> None:
    """A message was under way when the clear came: the carrier drops it, and so does the account of what is heard."""
    outbound = OutboundStream()
    outbound.loop = asyncio.get_running_loop()
    wire = Wire(outbound, blocks=1.0)
    outbound.put_audio(b"\x55" * 800, 1)
    mark = outbound.put_mark("end")
    assert wire.sending and wire.got == [OutboundAudio(b"\x55" * 800, 1)]
    outbound.clear()
    assert mark.outcome is MarkOutcome.CLEARED
    wire.sent()
    assert wire.got[1:] == [OutboundClear()]
    assert outbound.unplayed_seconds() == 0.0
    await asyncio.sleep(0.05)
    assert outbound.finish(1).heard < 80  # 10 ms
    outbound.put_audio(b"\x55" * 800, 2)
    await asyncio.sleep(0.05)
    assert wire.got[2:] == [OutboundAudio(b"\x55" * 800, 2)]
    assert outbound.playout(2).heard >= 320


def test_a_stream_used_in_one_loop_goes_on_in_the_next() -> None:
    """A session of a 0.1 program outlives its server: a timer and a wake-up of the old loop must not stall the new."""
    outbound = OutboundStream(lead_seconds=0.1)

    async def first() -> None:
        outbound.loop = asyncio.get_running_loop()
        Wire(outbound)
        outbound.put_audio(b"\x55" * 8000)
        assert outbound._timer is not None

    async def second() -> int:
        outbound.loop = asyncio.get_running_loop()
        wire = Wire(outbound)
        outbound.put_audio(b"\x55" * 4000)
        async with asyncio.timeout(30):
            while outbound.backlog_bytes:  # noqa: ASYNC110 - it must drain untouched
                await asyncio.sleep(0.002)
        return sum(len(item.payload) for item in wire.got if isinstance(item, OutboundAudio))

    asyncio.run(first())
    outbound.carry(None)
    outbound.abandon(MarkOutcome.RESET)
    assert asyncio.run(second()) == 4000


async def test_a_frame_leaves_within_the_call_that_puts_it_unless_something_is_before_it() -> None:
    """On the loop, with nothing waiting, a frame needs no turn of the loop; behind older audio it waits its turn."""
    outbound = OutboundStream(lead_seconds=1e9)
    outbound.loop = asyncio.get_running_loop()
    wire = Wire(outbound)
    outbound.put_audio(b"1" * 160)
    assert wire.got == [OutboundAudio(b"1" * 160, None)]
    await asyncio.to_thread(outbound.put_audio, b"2" * 160)  # arrives on the loop when the loop turns
    await asyncio.to_thread(outbound.put_audio, b"3" * 160)
    wire.blocks = 1.0
    outbound.put_audio(b"4" * 160)
    outbound.put_audio(b"5" * 160)
    async with asyncio.timeout(30):
        while outbound.backlog_bytes:  # noqa: ASYNC110 - it must drain untouched
            await asyncio.sleep(0.002)
    sent = b"".join(item.payload for item in wire.got if isinstance(item, OutboundAudio))
    assert sent == b"".join(digit * 160 for digit in (b"1", b"2", b"3", b"4", b"5"))
