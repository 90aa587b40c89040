"""The timeline of a recording, as transcripts: what arrived when, and what was laid where."""

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio.timeline import MAX_RENDER, CallTimeline

FRAME = 160
MS = 8
SILENCE = b"\xff"


def finished(timeline: CallTimeline, now: float) -> tuple[bytes, bytes]:
    left, right = b"", b""
    while (piece := timeline.finish(now))[0]:
        assert len(piece[0]) == len(piece[1]) <= MAX_RENDER
        left, right = left + piece[0], right + piece[1]
    return left, right


def runs(channel: bytes) -> list[tuple[float, float, int]]:
    """The stretches that are not silent: (start ms, end ms, byte)."""
    out: list[tuple[float, float, int]] = []
    for i, byte in enumerate(channel):
        if byte == 0xFF:
            continue
        if out and out[-1][1] == i / MS and out[-1][2] == byte:
            out[-1] = (out[-1][0], (i + 1) / MS, byte)
        else:
            out.append((i / MS, (i + 1) / MS, byte))
    return out


def test_a_burst_is_laid_down_from_its_start() -> None:
    """Twenty seconds of speech that were sent at once are all there, in order, when they are played."""
    timeline = CallTimeline(100.0)
    burst = bytes(i // FRAME % 200 for i in range(20 * 8000))
    for i in range(0, len(burst), 1000):
        timeline.agent(burst[i : i + 1000], 100.05)
    left, right = finished(timeline, 121.0)
    assert right == SILENCE * (50 * MS) + burst + SILENCE * (950 * MS)
    assert left == SILENCE * len(right)


def test_the_agent_speaks_now_or_after_what_is_queued() -> None:
    """A second burst follows the first; one after a pause starts at its own time; a late frame leaves no hole."""
    timeline = CallTimeline(0.0)
    timeline.agent(b"a" * 100 * MS, 0.5)
    timeline.agent(b"b" * 100 * MS, 0.52)
    timeline.agent(b"c" * 20 * MS, 2.0)
    timeline.agent(b"d" * 20 * MS, 2.035)
    assert runs(finished(timeline, 3.0)[1]) == [
        (500, 600, ord("a")),
        (600, 700, ord("b")),
        (2000, 2020, ord("c")),
        (2020, 2040, ord("d")),
    ]


def test_barge_in_drops_what_was_not_played() -> None:
    """The burst ends at the clear, later bursts are dropped whole, and the next words start at their own time."""
    timeline = CallTimeline(0.0, hold=0.0)
    timeline.agent(b"a" * 400 * MS, 0.0)
    right = timeline.render(0.1)[1]
    timeline.agent(b"a" * 600 * MS, 0.1)
    timeline.agent(b"b" * 100 * MS, 2.0)
    timeline.clear_agent(0.5)
    timeline.agent(b"c" * 100 * MS, 0.6)
    timeline.clear_agent(0.9)
    right += finished(timeline, 1.0)[1]
    assert runs(right) == [(0, 500, ord("a")), (600, 700, ord("c"))]


def test_a_clear_with_nothing_queued_is_nothing() -> None:
    """Barge-in on silence."""
    timeline = CallTimeline(0.0)
    timeline.clear_agent(0.5)
    assert finished(timeline, 0.01) == (SILENCE * 80, SILENCE * 80)


def test_the_caller_is_recorded_when_it_spoke() -> None:
    """A chunk ends at its arrival, and a gap of half a second is half a second."""
    timeline = CallTimeline(0.0)
    timeline.caller(b"a" * FRAME, 0.02)
    timeline.caller(b"b" * FRAME, 0.54)
    assert runs(finished(timeline, 1.0)[0]) == [(0, 20, ord("a")), (520, 540, ord("b"))]


def test_jitter_leaves_no_seam() -> None:
    """Frames that are late by less than 100 ms follow one another; nothing is cut and nothing is put between."""
    timeline = CallTimeline(0.0)
    for i in range(100):
        timeline.caller(b"a" * FRAME, 0.02 * (i + 1) + (i * 37 % 90) / 1000)
    assert runs(finished(timeline, 3.0)[0]) == [(0, 2000, ord("a"))]


def test_a_stall_is_not_a_gap() -> None:
    """When the frames of half a second come at once and catch up, they are laid where they were spoken."""
    timeline = CallTimeline(0.0)
    left = b""
    for i in range(200):
        spoken = 0.02 * (i + 1)
        arrived = 1.5 if 1.0 < spoken < 1.5 else spoken
        timeline.caller(bytes([i]) * FRAME, arrived)
        left += timeline.render(arrived)[0]
    left += finished(timeline, 4.0)[0]
    assert left == b"".join(bytes([i]) * FRAME for i in range(200))


def test_without_a_hold_a_listener_hears_at_once() -> None:
    """`hold=0` renders up to now; a frame that comes after its time was rendered is heard late, not lost."""
    timeline = CallTimeline(0.0, hold=0.0)
    assert timeline.render(0.02) == (SILENCE * FRAME, SILENCE * FRAME)
    timeline.caller(b"a" * FRAME, 0.02)
    timeline.agent(b"b" * FRAME, 0.015)
    assert timeline.render(0.04) == (b"a" * FRAME, b"b" * FRAME)
    assert timeline.render(0.04) == (b"", b"")
    assert timeline.rendered == 2 * FRAME


def test_a_full_backlog_drops_the_newest_and_counts() -> None:
    """What is laid down stays; what does not fit is counted per channel; rendering makes room."""
    timeline = CallTimeline(0.0, max_backlog=0.1, hold=0.0)
    timeline.agent(b"a" * 1000, 0.0)
    timeline.agent(b"b" * 1000, 0.0)
    timeline.caller(b"c" * 1000, 0.0)
    timeline.caller(b"d" * 1000, 0.0)
    assert (timeline.dropped_caller, timeline.dropped_agent) == (1200, 1200)
    assert timeline.render(0.1) == (b"c" * 800, b"a" * 800)
    timeline.agent(b"e" * 8, 0.1)
    assert timeline.render(0.101) == (SILENCE * 8, b"e" * 8)


def test_a_long_silence_is_rendered_in_pieces() -> None:
    """However long nobody asked, one answer is ten seconds at most; a time before the start is the start."""
    timeline = CallTimeline(50.0)
    assert timeline.render(49.0) == (b"", b"")
    assert len(timeline.render(150.0)[0]) == MAX_RENDER
    assert len(finished(timeline, 150.0)[0]) == 100 * 8000 - MAX_RENDER


events = st.lists(
    st.tuples(st.sampled_from(["caller", "agent", "clear", "render"]), st.integers(0, 900), st.floats(0, 0.4)),
    max_size=40,
)


@given(events, st.sampled_from([0.0, 0.1, 1.0]))
def test_the_caller_is_whole_and_the_channels_are_equal(script: list[tuple[str, int, float]], hold: float) -> None:
    """Whatever happens: every byte of the caller in order, the channels equally long, no agent audio left behind."""
    timeline = CallTimeline(0.0, hold=hold)
    now, said, left, right, sent = 0.0, b"", b"", b"", 0
    for count, (what, n, wait) in enumerate(script):
        now += wait
        data = bytes([count]) * n
        match what:
            case "caller":
                said += data
                timeline.caller(data, now)
            case "agent":
                sent += n
                timeline.agent(data, now)
            case "clear":
                timeline.clear_agent(now)
            case _:
                piece = timeline.render(now)
                left, right = left + piece[0], right + piece[1]
    rest = finished(timeline, now)
    left, right = left + rest[0], right + rest[1]
    assert left.replace(SILENCE, b"") == said
    assert len(left) == len(right)
    assert len(right.replace(SILENCE, b"")) <= sent
    if all(what != "clear" for what, _, _ in script):
        assert len(right.replace(SILENCE, b"")) == sent
