"""The timeline of a recorded call: what the caller said and what the caller heard, on one clock.

Audio comes in when it happens to arrive, in bursts and with jitter, and goes out as two channels of equal length with
every sample at its own time. Pure: time comes in as `now`, in seconds of any monotonic clock.
"""

from collections import deque
from itertools import islice
from typing import Final

from voice_runtime.audio.frames import FRAME_BYTES, SAMPLE_RATE, SILENCE_BYTE

__all__ = ["MAX_RENDER", "CallTimeline"]

MAX_RENDER: Final = 10 * SAMPLE_RATE
"""The most samples that one `render` returns: 10 s. Ask again until it returns nothing."""

_SILENCE: Final = bytes([SILENCE_BYTE])
_TOLERANCE: Final = SAMPLE_RATE // 10  # 100 ms: a lag of the caller's audio below this is jitter, above it a gap
_MERGE: Final = SAMPLE_RATE // 100  # chunks that arrive within 10 ms came together
_LOOKAHEAD: Final = 100  # chunks


class _Chunk:
    """mu-law audio and a sample position: where it starts (agent), or the moment it arrived, its end (caller)."""

    __slots__ = ("data", "position")

    def __init__(self, position: int, data: bytes) -> None:
        self.position = position
        self.data = bytearray(data)


class CallTimeline:
    """Two mu-law channels at 8000 Hz.

    The caller's audio was spoken just before it arrived, so a chunk ends at its arrival. Frames follow one another
    without a seam as long as they are late by less than 100 ms. If they are later, the next frames tell which it was:
    when they come in a burst and catch up, the network or this process had stalled, and nothing was missing; when they
    stay late, there was a gap, and it is recorded as one.

    The agent's audio is laid where the carrier will play it: a burst starts now, or after what is already queued.

    `hold` is how many seconds `render` stays behind the clock, so that those next frames are there to be asked.
    """

    def __init__(self, start: float, *, hold: float = 1.0, max_backlog: float = 600.0) -> None:
        """`start` is the time of the first sample; `max_backlog` the seconds per channel that are kept unrendered."""
        self._start = start
        self._hold = round(hold * SAMPLE_RATE)
        self._max_backlog = round(max_backlog * SAMPLE_RATE)
        self._rendered = 0
        self._caller: deque[_Chunk] = deque()
        self._caller_bytes = 0
        self._seam = False  # the caller's channel was just silent: the next chunk need not follow on seamlessly
        self._agent: deque[_Chunk] = deque()
        self._agent_bytes = 0
        self._agent_end = 0
        self.dropped_caller = 0
        """Bytes that did not fit in the backlog; the newest are dropped, never what is already laid down."""
        self.dropped_agent = 0

    @property
    def rendered(self) -> int:
        """Samples rendered so far."""
        return self._rendered

    def caller(self, data: bytes, now: float) -> None:
        """mu-law audio from the caller arrived."""
        kept = data[: max(0, self._max_backlog - self._caller_bytes)]
        self.dropped_caller += len(data) - len(kept)
        if not kept:
            return
        self._caller_bytes += len(kept)
        arrival = self._position(now)
        if self._caller and arrival - self._caller[-1].position < _MERGE:
            self._caller[-1].data += kept
        else:
            self._caller.append(_Chunk(arrival, kept))

    def agent(self, data: bytes, now: float) -> None:
        """mu-law audio was sent to the caller, who hears it when everything sent before has been played."""
        kept = data[: max(0, self._max_backlog - self._agent_bytes)]
        self.dropped_agent += len(data) - len(kept)
        if not kept:
            return
        self._agent_bytes += len(kept)
        start = max(self._agent_end, self._rendered)
        if self._position(now) - start > FRAME_BYTES:  # a frame that is late by less than its length is jitter
            start = self._position(now)
        if self._agent and start == self._agent_end:
            self._agent[-1].data += kept
        else:
            self._agent.append(_Chunk(start, kept))
        self._agent_end = start + len(kept)

    def clear_agent(self, now: float) -> None:
        """The carrier dropped what it had not played: audio that lies after `now` was not heard."""
        end = max(self._position(now), self._rendered)
        while self._agent and self._agent[-1].position >= end:
            self._agent_bytes -= len(self._agent.pop().data)
        if self._agent:
            last = self._agent[-1]
            self._agent_bytes -= max(0, last.position + len(last.data) - end)
            del last.data[end - last.position :]
        self._agent_end = min(self._agent_end, end)

    def render(self, now: float) -> tuple[bytes, bytes]:
        """The next samples up to `now` less the hold: caller and agent, equally long, at most MAX_RENDER."""
        return self._render(self._position(now) - self._hold)

    def finish(self, now: float) -> tuple[bytes, bytes]:
        """Like `render`, but up to `now` and beyond it as far as there is audio. `clear_agent` first, if unheard."""
        return self._render(max(self._position(now), self._rendered + self._caller_bytes, self._agent_end))

    def _position(self, now: float) -> int:
        return max(0, round((now - self._start) * SAMPLE_RATE))

    def _render(self, target: int) -> tuple[bytes, bytes]:
        target = min(target, self._rendered + MAX_RENDER)
        if target <= self._rendered:
            return b"", b""
        left, right = self._render_caller(target), self._render_agent(target)
        self._rendered = target
        return left, right

    def _render_caller(self, target: int) -> bytes:
        out = bytearray()
        wanted = target - self._rendered
        while len(out) < wanted:
            room = wanted - len(out)
            gap = min(self._gap(self._rendered + len(out)), room) if self._caller else room
            self._seam = gap > 0
            if gap:
                out += _SILENCE * gap
                continue
            chunk = self._caller[0]
            taken = chunk.data[:room]
            out += taken
            self._caller_bytes -= len(taken)
            del chunk.data[:room]
            if not chunk.data:
                self._caller.popleft()
        return bytes(out)

    def _gap(self, position: int) -> int:
        """Samples of silence before the caller's next chunk, if that would be played from `position`."""
        lag = end = position
        for index, chunk in enumerate(islice(self._caller, _LOOKAHEAD)):
            end += len(chunk.data)
            lag = chunk.position - end if index == 0 else min(lag, chunk.position - end)
            if lag <= 0:
                return 0
        return lag if self._seam or lag > _TOLERANCE else 0

    def _render_agent(self, target: int) -> bytes:
        out = bytearray()
        while self._agent and self._agent[0].position < target:
            chunk = self._agent[0]
            out += _SILENCE * (chunk.position - self._rendered - len(out))
            room = target - chunk.position
            taken = chunk.data[:room]
            out += taken
            self._agent_bytes -= len(taken)
            del chunk.data[:room]
            chunk.position += len(taken)
            if not chunk.data:
                self._agent.popleft()
        return bytes(out.ljust(target - self._rendered, _SILENCE))
