"""The ordered outbound stream: what leaves, in which order, and what never does."""

from __future__ import annotations

import asyncio
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.clock import ManualClock
from voice_runtime.events import MarkOutcome
from voice_runtime.session.outbound import MESSAGE_BYTES, OutboundStream
from voice_runtime.session.outbound_queue import OutboundQueue
from voice_runtime.transport import OutboundAudio, OutboundClear, OutboundItem, OutboundMark

FRAME = b"\x55" * 160


async def stream(**options: object) -> OutboundStream:
    made = OutboundStream(**options)  # type: ignore[arg-type]
    made.loop = asyncio.get_running_loop()
    return made


async def everything_due(outbound: OutboundStream) -> list[OutboundItem]:
    """What the wire is handed right now."""
    items: list[OutboundItem] = []
    outbound.carry(lambda item: items.append(item) is None)
    await asyncio.sleep(0.05)
    outbound.carry(None)
    return items


async def test_audio_and_marks_leave_in_the_order_they_were_put() -> None:
    """A mark never overtakes the audio before it."""
    outbound = await stream()
    outbound.put_audio(b"a" * 160, 1)
    first = outbound.put_mark("one")
    outbound.put_audio(b"b" * 160, 2)
    second = outbound.put_mark("two")
    assert await everything_due(outbound) == [
        OutboundAudio(b"a" * 160, 1),
        OutboundMark(first.wire_name),
        OutboundAudio(b"b" * 160, 2),
        OutboundMark(second.wire_name),
    ]


async def test_clear_drops_what_waits_and_turns_late_audio_away() -> None:
    """After a clear no older audio leaves, not even a chunk its maker hands over afterwards."""
    outbound = await stream()
    epoch = outbound.epoch
    outbound.put_audio(FRAME * 50, 1, epoch)
    mark = outbound.put_mark("end", epoch)
    outbound.clear()
    assert mark.outcome is MarkOutcome.CLEARED
    assert outbound.put_audio(FRAME, 1, epoch) is False
    assert outbound.put_mark("late", epoch).outcome is MarkOutcome.CLEARED
    assert outbound.put_audio(b"n" * 160, 2, outbound.epoch)
    assert await everything_due(outbound) == [OutboundClear(), OutboundAudio(b"n" * 160, 2)]
    assert outbound.late_bytes == 160


async def test_audio_is_sent_ahead_but_only_so_far() -> None:
    """Thirty seconds of speech leave no faster than a lead of one second ahead of their playing."""
    clock = ManualClock()
    outbound = await stream(lead_seconds=1.0, clock=clock)
    outbound.put_audio(FRAME * 1500, 1)
    first = sum(len(item.payload) for item in await everything_due(outbound) if isinstance(item, OutboundAudio))
    clock.advance(5.0)
    later = sum(len(item.payload) for item in await everything_due(outbound) if isinstance(item, OutboundAudio))
    assert 8000 <= first <= 8000 + MESSAGE_BYTES
    # The carrier ran dry four seconds ago: it gets a full lead again, and the gap was ours to have avoided.
    assert 8000 <= later <= 8000 + MESSAGE_BYTES


async def test_small_pieces_travel_together_and_large_ones_are_cut_at_frames() -> None:
    """Messages are at most 100 ms, cut at whole frames, whatever the size of what was put."""
    outbound = await stream(lead_seconds=60.0)
    for size in (7, 153, 65536, 1, 0, 799):
        outbound.put_audio(b"\x11" * size, 1)
    sizes = [len(item.payload) for item in await everything_due(outbound) if isinstance(item, OutboundAudio)]
    assert sum(sizes) == 7 + 153 + 65536 + 1 + 799
    assert set(sizes[:-1]) == {MESSAGE_BYTES} and sizes[-1] <= MESSAGE_BYTES


async def test_less_than_a_frame_waits_a_moment_for_the_rest_but_never_for_ever() -> None:
    """Seven bytes alone are held for 20 ms; a mark behind them sends them off at once."""
    outbound = await stream()
    outbound.put_audio(b"x" * 7, 1)
    outbound.put_mark("end")
    sent: list[OutboundItem] = []
    outbound.carry(lambda item: sent.append(item) is None)
    assert sent[0] == OutboundAudio(b"x" * 7, 1)


async def test_marks_say_what_became_of_them() -> None:
    """Played, cleared, disconnected, reset and timed out are different things."""
    outbound = await stream()
    played, cleared, lost, late = (outbound.put_mark(name) for name in ("p", "c", "l", "t"))
    outbound.mark_echoed(played.wire_name)
    assert await played.wait(1) is MarkOutcome.PLAYED
    assert await late.wait(0.0) is MarkOutcome.TIMED_OUT
    outbound.clear()
    assert await cleared.wait(1) is MarkOutcome.CLEARED
    assert outbound.mark_echoed(lost.wire_name) is False  # the carrier echoes cleared marks too: that is no proof
    assert await lost.wait(1) is MarkOutcome.CLEARED
    dead, reset = outbound.put_mark("d"), None
    outbound.abandon(MarkOutcome.DISCONNECTED)
    assert await dead.wait(1) is MarkOutcome.DISCONNECTED
    reset = outbound.put_mark("r")
    outbound.abandon(MarkOutcome.RESET)
    assert await reset.wait(1) is MarkOutcome.RESET


async def test_a_full_backlog_refuses_and_counts() -> None:
    """Nothing here grows without bound; what does not fit is counted."""
    outbound = await stream(limit_bytes=1600)
    assert outbound.put_audio(FRAME * 10)
    assert not outbound.put_audio(FRAME)
    assert outbound.dropped_bytes == 160 and OutboundQueue(outbound).full()


async def test_a_transport_of_0_1_gets_each_mark_after_its_audio() -> None:
    """Taking audio with get() and marks with next_mark() keeps their order, and chunks come out as they were put."""
    outbound = await stream()
    outbound.put_audio(b"a" * 7)
    mark = outbound.put_mark("one")
    outbound.put_audio(b"b" * 3)
    queue = OutboundQueue(outbound)
    waiting = asyncio.create_task(queue.next_mark())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await queue.get() == b"a" * 7
    assert await queue.get() == b"b" * 3
    assert await waiting == mark.wire_name


async def test_audio_put_from_many_threads_arrives_whole_and_in_each_threads_order() -> None:
    """Four threads, two thousand chunks: none lost, none out of its thread's order."""
    outbound = await stream(lead_seconds=1e9)
    threads = [
        threading.Thread(target=lambda n=n: [outbound.put_audio(bytes([n, i]), n) for i in range(250)])  # type: ignore[misc]
        for n in range(4)
    ]
    got: dict[int, bytes] = dict.fromkeys(range(4), b"")

    def wire(item: OutboundItem) -> bool:
        assert isinstance(item, OutboundAudio) and item.utterance is not None
        got[item.utterance] += item.payload
        return True

    outbound.carry(wire)
    for thread in threads:
        thread.start()
    async with asyncio.timeout(30):
        while sum(map(len, got.values())) < 4 * 500:  # noqa: ASYNC110 - it must drain untouched
            await asyncio.sleep(0.002)
    for thread in threads:
        thread.join()
    for n, audio in got.items():
        assert audio == b"".join(bytes([n, i]) for i in range(250))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=2000), st.sampled_from(["mark", "clear"])), max_size=40))
def test_whatever_is_put_leaves_in_order_since_the_last_clear(puts: list[bytes | str]) -> None:
    """What is taken is exactly what was put after the last clear, byte for byte, marks in their places."""

    async def transcript() -> None:
        outbound = await stream(lead_seconds=1e9)
        expected: list[bytes | str] = []
        for put in puts:
            if put == "clear":
                outbound.clear()
                expected = ["clear"]
            elif put == "mark":
                expected.append(outbound.put_mark("m").wire_name)
            elif isinstance(put, bytes):
                outbound.put_audio(put)
                expected += [bytes([octet]) for octet in put]
        taken: list[bytes | str] = []

        def wire(item: OutboundItem) -> bool:
            match item:
                case OutboundAudio(payload, _):
                    taken.extend(bytes([octet]) for octet in payload)
                case OutboundMark(name):
                    taken.append(name)
                case OutboundClear():
                    taken.append("clear")
            return True

        outbound.carry(wire)
        async with asyncio.timeout(30):
            while len(taken) < len(expected):  # noqa: ASYNC110 - it must drain untouched
                await asyncio.sleep(0.002)
        assert taken == expected

    asyncio.run(transcript())
