"""Recording a call to a WAV file, and listening in through ffplay.

The shell around `voice_runtime.audio.timeline`: it owns the thread, the file and the player, and decides nothing about
where audio lies. Writing from the event loop takes a lock for microseconds and never touches the disk.
"""

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Literal

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import SILENCE_BYTE, Framer
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw
from voice_runtime.audio.mixing import mix_pcm16
from voice_runtime.audio.timeline import CallTimeline
from voice_runtime.audio.wav import WavWriter, WrittenEncoding

__all__ = ["AudioMixer", "RecordingFormat"]

RecordingFormat = Literal["stereo", "mono"]

log = logging.getLogger(__name__)

_FFPLAY: Final = "ffplay -nodisp -loglevel quiet -probesize 32 -fflags nobuffer -f mulaw -sample_rate 8000 -".split()
_RECORD_PERIOD: Final = 0.5  # seconds between two writes to the disk; with the hold, what a crash can cost
_RECORD_HOLD: Final = 1.0
_MONITOR_PERIOD: Final = 0.02
_STOP_TIMEOUT: Final = 2.0


class AudioMixer:
    """Records one call, plays it on this machine's loudspeaker, or both.

    `record_path`: a WAV file, replaced if it exists. The default is `format="stereo"`, the caller left and the agent
    right, both on the time line of the call; `format="mono"` is the mix that 0.1 wrote. `encoding` is mu-law, half the
    size and what the carrier plays, or PCM16, which every program reads.

    `monitor`: None listens in when `ffplay` is installed, and logs one warning when it is not; True insists, False
    does not try. Without a `record_path` there is nothing but monitoring, so None insists too.

    The agent's audio is recorded when the caller hears it, not when it was sent: a burst of any length is laid down
    from its start. Tell it about barge-in with `clear_agent`. At most `max_backlog` seconds per channel wait to be
    written, for the disk or for their time; what comes on top is dropped and counted in `dropped_bytes`.

    One thread per recording, from `start` to `shutdown`. All methods may be called from any thread.
    """

    def __init__(
        self,
        record_path: str | Path | None = None,
        monitor: bool | None = None,
        *,
        format: RecordingFormat = "stereo",
        encoding: WrittenEncoding = "ulaw",
        clock: Callable[[], float] = time.monotonic,
        max_backlog: float = 600.0,
    ) -> None:
        """Raises ValueError when there is nothing to do: no path, and `monitor=False`."""
        if record_path is None and monitor is False:
            raise ValueError("AudioMixer needs a record_path, or monitor=True")
        self.error: Exception | None = None
        """What stopped the recording, such as a full disk; None while all is well. The call goes on."""
        self._path = record_path
        self._monitor = monitor
        self._format: RecordingFormat = format
        self._encoding: WrittenEncoding = encoding
        self._clock = clock
        self._max_backlog = max_backlog
        self._lock = threading.Lock()  # around the time line
        self._timeline: CallTimeline | None = None
        self._silenced = False
        self._running = False
        self._stop = threading.Event()
        self._ended_at: float | None = None
        self._thread: threading.Thread | None = None
        self._player: subprocess.Popen[bytes] | None = None
        self._listener: IO[bytes] | None = None
        self._framer = Framer()
        self._writer: WavWriter | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin at the present time. The file is opened in the recorder's thread: a failure is logged, and in `error`.

        Raises RuntimeError when it was started before, or when monitoring is a must and `ffplay` is not installed.
        """
        if self._thread is not None:
            raise RuntimeError("this AudioMixer was already started")
        if self._monitor is not False:
            self._player = self._start_player()
        if self._player is not None:
            self._listener = self._player.stdin
        hold = _RECORD_HOLD if self._player is None else 0.0
        with self._lock:
            self._timeline = CallTimeline(self._clock(), hold=hold, max_backlog=self._max_backlog)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="voice-runtime-recorder", daemon=True)
        self._thread.start()

    def shutdown(self, *, play_out: bool = False) -> None:
        """End the recording now and finalise the file. Blocks until it is on disk: from the event loop, use a thread.

        Audio of the agent that the caller has not heard by now is left out; `play_out=True` keeps it, as if the call
        had gone on until it was played. Again, or before `start`, does nothing.
        """
        if self._thread is None or self._stop.is_set():
            return
        with self._lock:
            self._running = False
            self._ended_at = self._clock()
            if self._timeline is not None and not play_out:
                self._timeline.clear_agent(self._ended_at)
        self._stop.set()
        self._thread.join(_STOP_TIMEOUT)
        if self._player is not None:
            self._end_player(self._player)
            self._thread.join(_STOP_TIMEOUT)  # a player that does not read has been holding it up
        if self._thread.is_alive():
            log.warning("the recording %s is still being written: the disk is slow", self._path)

    # -- audio --------------------------------------------------------------------------------------------------------

    def write_caller(self, data: bytes) -> None:
        """mu-law audio from the caller has arrived. Ignored when not running."""
        with self._lock:
            if self._timeline is not None and self._running:
                self._timeline.caller(self._audible(data), self._clock())

    def write_agent(self, data: bytes) -> None:
        """mu-law audio was sent to the caller, to be played after what was sent before. Ignored when not running."""
        with self._lock:
            if self._timeline is not None and self._running:
                self._timeline.agent(self._audible(data), self._clock())

    def clear_agent(self) -> None:
        """Barge-in: the audio of the agent that was not yet played will not be."""
        with self._lock:
            if self._timeline is not None:
                self._timeline.clear_agent(self._clock())

    def pause(self) -> None:
        """Record silence instead of what is said from now on, for instance while a card number is read out."""
        self._silenced = True

    def resume(self) -> None:
        """Record what is said again."""
        self._silenced = False

    @property
    def dropped_bytes(self) -> int:
        """Bytes of audio that were dropped because the backlog was full."""
        with self._lock:
            return 0 if self._timeline is None else self._timeline.dropped_caller + self._timeline.dropped_agent

    def _audible(self, data: bytes) -> bytes:
        return bytes([SILENCE_BYTE]) * len(data) if self._silenced else data

    # -- the player ---------------------------------------------------------------------------------------------------

    def _start_player(self) -> "subprocess.Popen[bytes] | None":
        try:
            return subprocess.Popen(
                _FFPLAY, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except FileNotFoundError as error:
            if self._path is None or self._monitor:
                raise RuntimeError("ffplay was not found on PATH: install ffmpeg to listen in on calls") from error
            log.warning("recording %s without monitoring: ffplay was not found on PATH", self._path)
            return None

    def _end_player(self, player: "subprocess.Popen[bytes]") -> None:
        player.terminate()
        try:
            player.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            player.kill()
            player.wait()
        if player.stdin is not None:
            with contextlib.suppress(OSError):  # what was left in its buffer has nowhere to go
                player.stdin.close()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        period = _RECORD_PERIOD if self._listener is None else _MONITOR_PERIOD
        try:
            self._open()
            while self._running and not self._stop.wait(period):
                self._drain(final=False)
            self._drain(final=True)
            self._close()
        finally:
            self._running = False

    def _drain(self, *, final: bool) -> None:
        """Write and play what is due; at the end, everything."""
        while self._writer is not None or self._listener is not None:
            with self._lock:
                assert self._timeline is not None
                now = self._clock() if self._ended_at is None else self._ended_at
                caller, agent = self._timeline.finish(now) if final else self._timeline.render(now)
            if not caller:
                return
            self._write(caller, agent)
            self._play(caller, agent)
        with self._lock:
            self._running = False  # nobody reads: take no more audio in, and let go of what is there
            self._timeline = None

    def _open(self) -> None:
        if self._path is None:
            return
        try:
            channels = 2 if self._format == "stereo" else 1
            self._writer = WavWriter(self._path, channels=channels, encoding=self._encoding)
        except OSError as error:
            self._failed(error)

    def _write(self, caller: bytes, agent: bytes) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(_interleave(caller, agent, self._format, self._encoding))
            self._writer.flush()
        except OSError as error:
            self._failed(error)

    def _play(self, caller: bytes, agent: bytes) -> None:
        if self._listener is None:
            return
        try:
            for frame in self._framer.push(_interleave(caller, agent, "mono", "ulaw")):
                self._listener.write(frame)
            self._listener.flush()
        except OSError:
            log.warning("monitoring stopped: ffplay has ended")
            self._listener = None

    def _close(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        log.error("the recording %s stopped: %s", self._path, error)
        self.error = error
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):  # it is broken already; this closes the file all the same
                writer.close()


def _interleave(caller: bytes, agent: bytes, format: RecordingFormat, encoding: WrittenEncoding) -> bytes:
    """Two mu-law channels of equal length as the samples of a file."""
    if format == "stereo" and encoding == "ulaw":
        both = bytearray(2 * len(caller))
        both[0::2] = caller
        both[1::2] = agent
        return bytes(both)
    left, right = decode_ulaw(caller), decode_ulaw(agent)
    if format == "stereo":
        return audioop.add(audioop.tostereo(left, 2, 1, 0), audioop.tostereo(right, 2, 0, 1), 2)
    mixed = mix_pcm16(left, right)
    return mixed if encoding == "pcm16" else encode_ulaw(mixed)
