"""Recordings: what ends up in the file, and what does not get in the way of a call."""

import logging
import subprocess
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from voice_runtime import recording
from voice_runtime.audio.frames import SILENCE_FRAME
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw
from voice_runtime.audio.mixing import mix_frames
from voice_runtime.audio.wav import WavWriter, WrittenEncoding, read_wav
from voice_runtime.clock import ManualClock
from voice_runtime.recording import AudioMixer, RecordingFormat

MS = 8
SILENCE = b"\xff"


class FakePlayer:
    """ffplay, as far as it is used: a pipe that can break or block, and a process that can refuse to end."""

    def __init__(self, *, breaks: bool = False, blocks: bool = False, stubborn: bool = False) -> None:
        self.stdin = self
        self.frames: list[bytes] = []
        self.calls: list[str] = []
        self.played = threading.Event()
        self.ended = threading.Event()
        self.breaks, self.blocks, self.stubborn = breaks, blocks, stubborn

    def write(self, frame: bytes) -> None:
        self.played.set()
        if self.blocks:
            assert self.ended.wait(30)
        if self.breaks or self.blocks:
            raise BrokenPipeError
        self.frames.append(frame)

    def flush(self) -> None: ...

    def close(self) -> None:
        raise BrokenPipeError

    def terminate(self) -> None:
        self.calls.append("terminate")
        if not self.stubborn:
            self.ended.set()

    def kill(self) -> None:
        self.calls.append("kill")
        self.ended.set()

    def wait(self, timeout: float | None = None) -> int:
        self.calls.append(f"wait {timeout}")
        if not self.ended.is_set():
            raise subprocess.TimeoutExpired("ffplay", timeout or 0)
        return 0


def ffplay(player: FakePlayer | type[Exception]) -> Any:
    return patch("subprocess.Popen", side_effect=player if isinstance(player, type) else [player])


def joined(mixer: AudioMixer) -> None:
    assert mixer._thread is not None
    mixer._thread.join(30)
    assert not mixer._thread.is_alive()


def record(path: Path, clock: ManualClock, **options: Any) -> AudioMixer:
    mixer = AudioMixer(path, monitor=False, clock=clock.monotonic, **options)
    mixer.start()
    return mixer


def test_caller_left_agent_right_on_one_clock(tmp_path: Path) -> None:
    """A burst of twenty seconds is recorded whole, from the moment it is heard, beside what the caller says."""
    clock = ManualClock(1000.0)
    mixer = record(tmp_path / "call.wav", clock)
    burst = bytes(i // 160 % 200 for i in range(20 * 8000))
    for i in range(0, len(burst), 3000):
        mixer.write_agent(burst[i : i + 3000])
    clock.advance(1.0)
    mixer.write_caller(b"a" * 20 * MS)
    clock.advance(20.0)
    mixer.shutdown()
    wav = read_wav(tmp_path / "call.wav")
    assert (wav.rate, wav.channels, wav.encoding, wav.duration) == (8000, 2, "ulaw", 21.0)
    assert wav.channel(0) == SILENCE * 980 * MS + b"a" * 20 * MS + SILENCE * 20_000 * MS
    assert wav.channel(1) == burst + SILENCE * 1000 * MS


def test_what_was_cut_off_is_not_in_it(tmp_path: Path) -> None:
    """Barge-in ends a burst, and so does the end of the call."""
    clock = ManualClock()
    mixer = record(tmp_path / "call.wav", clock)
    mixer.write_agent(b"a" * 1000 * MS)
    clock.advance(0.1)
    mixer.clear_agent()
    mixer.write_agent(b"b" * 1000 * MS)
    clock.advance(0.1)
    mixer.shutdown()
    assert read_wav(tmp_path / "call.wav").channel(1) == b"a" * 100 * MS + b"b" * 100 * MS


def test_play_out_keeps_what_was_still_to_come(tmp_path: Path) -> None:
    """On request the recording goes on to the end of what was sent."""
    mixer = record(tmp_path / "call.wav", ManualClock())
    mixer.write_agent(b"a" * 1000 * MS)
    mixer.shutdown(play_out=True)
    assert read_wav(tmp_path / "call.wav").channel(1) == b"a" * 1000 * MS


@pytest.mark.parametrize(
    ("format", "encoding"), [("stereo", "ulaw"), ("stereo", "pcm16"), ("mono", "ulaw"), ("mono", "pcm16")]
)
def test_formats(tmp_path: Path, format: RecordingFormat, encoding: WrittenEncoding) -> None:
    """Two channels or the mix of 0.1, in mu-law or PCM16."""
    clock = ManualClock()
    mixer = record(tmp_path / "call.wav", clock, format=format, encoding=encoding)
    caller, agent = b"\x10" * 160, b"\x93" * 160
    mixer.write_agent(agent)
    clock.advance(0.02)
    mixer.write_caller(caller)
    mixer.shutdown()
    wav = read_wav(tmp_path / "call.wav")
    assert (wav.encoding, wav.channels) == (encoding, 2 if format == "stereo" else 1)
    channels = [encode_ulaw(wav.channel(i)) if encoding == "pcm16" else wav.channel(i) for i in range(wav.channels)]
    assert channels == ([caller, agent] if format == "stereo" else [mix_frames(caller, agent)])
    assert len(wav.pcm16()) == len(decode_ulaw(caller)) * wav.channels


def test_a_pause_is_silent_and_as_long(tmp_path: Path) -> None:
    """A card number that is read out is not in the file, and nothing after it moves."""
    clock = ManualClock()
    mixer = record(tmp_path / "call.wav", clock)
    for byte in b"abc":
        mixer.write_agent(bytes([byte]) * 160)
        clock.advance(0.02)
        mixer.write_caller(bytes([byte]) * 160)
        mixer.resume() if byte == ord("b") else mixer.pause()
    mixer.shutdown()
    expected = b"a" * 160 + SILENCE * 160 + b"c" * 160
    wav = read_wav(tmp_path / "call.wav")
    assert [wav.channel(0), wav.channel(1)] == [expected, expected]


def test_audio_outside_its_life_is_ignored(tmp_path: Path) -> None:
    """Before the start and after the end; ending twice, or what never began, is nothing; starting twice is an error."""
    clock = ManualClock()
    mixer = AudioMixer(tmp_path / "call.wav", monitor=False, clock=clock.monotonic)
    mixer.write_caller(b"early")
    mixer.write_agent(b"early")
    mixer.clear_agent()
    mixer.shutdown()
    assert mixer.dropped_bytes == 0
    mixer.start()
    with pytest.raises(RuntimeError, match="already started"):
        mixer.start()
    mixer.shutdown()
    mixer.write_caller(b"late")
    mixer.write_agent(b"late")
    mixer.shutdown()
    assert read_wav(tmp_path / "call.wav").data == b""


def test_a_full_backlog_is_counted(tmp_path: Path) -> None:
    """Ten minutes by default; what comes on top is dropped, and the count says so."""
    mixer = record(tmp_path / "call.wav", ManualClock(), max_backlog=1.0)
    mixer.write_agent(bytes(10_000))
    assert mixer.dropped_bytes == 2000
    mixer.shutdown(play_out=True)
    assert read_wav(tmp_path / "call.wav").channel(1) == bytes(8000)


def test_a_file_that_cannot_be_opened_costs_the_recording_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The call goes on, the log says so once, and `error` holds the reason."""
    mixer = record(tmp_path / "no such directory" / "call.wav", ManualClock())
    mixer.write_caller(b"a" * 160)
    mixer.shutdown()
    assert isinstance(mixer.error, FileNotFoundError)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("method", ["write", "flush", "close"])
def test_a_full_disk_costs_the_recording_only(tmp_path: Path, method: str) -> None:
    """Whichever step fails first: no thread is left, and no audio is kept."""
    clock = ManualClock()
    original = getattr(WavWriter, method)

    def full(writer: WavWriter, *args: Any) -> None:
        original(writer, *args)
        raise OSError(28, "No space left on device")

    with patch.object(WavWriter, method, full):
        mixer = record(tmp_path / "call.wav", clock)
        clock.advance(20.0)
        mixer.shutdown()
    joined(mixer)
    assert mixer.error is not None
    assert mixer.dropped_bytes == 0


def test_the_file_grows_while_the_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said more than a second ago is on disk, readable, before the call has ended."""
    monkeypatch.setattr(recording, "_RECORD_PERIOD", 0.001)
    clock = ManualClock()
    flushed = threading.Event()
    original = WavWriter.flush

    def flush(writer: WavWriter) -> None:
        original(writer)
        flushed.set()

    monkeypatch.setattr(WavWriter, "flush", flush)
    mixer = record(tmp_path / "call.wav", clock)
    clock.advance(1.5)
    assert flushed.wait(30)
    assert read_wav(tmp_path / "call.wav").duration == 0.5
    mixer.shutdown()
    assert read_wav(tmp_path / "call.wav").duration == 1.5


def test_a_blocked_disk_blocks_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Writing goes on into memory; the end waits two seconds, says so, and leaves the rest to the thread."""
    monkeypatch.setattr(recording, "_STOP_TIMEOUT", 0.01)
    monkeypatch.setattr(recording, "_RECORD_PERIOD", 0.001)
    clock = ManualClock()
    blocked, free = threading.Event(), threading.Event()
    original = WavWriter.write

    def write(writer: WavWriter, data: bytes) -> None:
        blocked.set()
        assert free.wait(30)
        original(writer, data)

    monkeypatch.setattr(WavWriter, "write", write)
    mixer = record(tmp_path / "call.wav", clock)
    clock.advance(1.5)
    assert blocked.wait(30)
    mixer.write_caller(b"a" * 160)
    mixer.shutdown()
    assert "still being written" in caplog.text
    free.set()
    joined(mixer)
    assert read_wav(tmp_path / "call.wav").channel(0)[-160:] == b"a" * 160


def test_five_hundred_recordings_leave_no_thread(tmp_path: Path) -> None:
    """Every recorder thread ends with its call."""
    clock = ManualClock()
    before = threading.active_count()
    mixers = [record(tmp_path / f"{i}.wav", clock) for i in range(500)]
    clock.advance(0.02)
    for mixer in mixers:
        mixer.shutdown()
    assert threading.active_count() == before
    assert all(read_wav(tmp_path / f"{i}.wav").duration == 0.02 for i in range(500))


# -- listening in -----------------------------------------------------------------------------------------------------


def test_without_ffplay_there_is_still_a_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, and the file is written."""
    with ffplay(FileNotFoundError):
        mixer = AudioMixer(tmp_path / "call.wav")
        mixer.start()
    mixer.shutdown()
    assert read_wav(tmp_path / "call.wav").channels == 2
    assert [(r.levelname, "without monitoring" in r.message) for r in caplog.records] == [("WARNING", True)]


def test_listening_in_needs_ffplay(tmp_path: Path) -> None:
    """When there is nothing else to do, or it was asked for; to do nothing at all is an error at once."""
    for mixer in (AudioMixer(), AudioMixer(tmp_path / "call.wav", monitor=True)):
        with ffplay(FileNotFoundError), pytest.raises(RuntimeError, match="ffplay was not found"):
            mixer.start()
        mixer.shutdown()
    with pytest.raises(ValueError, match="record_path"):
        AudioMixer(monitor=False)


def test_the_listener_hears_both_sides_mixed(tmp_path: Path) -> None:
    """In frames of 20 ms, silence where nobody speaks; the player is ended with the call."""
    clock = ManualClock()
    player = FakePlayer()
    with ffplay(player) as popen:
        mixer = AudioMixer(tmp_path / "call.wav", clock=clock.monotonic)
        mixer.start()
    assert popen.call_args[0][0][0] == "ffplay"
    clock.advance(0.02)
    assert player.played.wait(30)
    mixer.write_agent(b"\x93" * 160)
    clock.advance(0.02)
    mixer.write_caller(b"\x10" * 160)
    mixer.shutdown()
    assert player.frames == [SILENCE_FRAME, mix_frames(b"\x10" * 160, b"\x93" * 160)]
    assert player.calls == ["terminate", "wait 2.0"]
    assert read_wav(tmp_path / "call.wav").channel(1) == SILENCE_FRAME + b"\x93" * 160


def test_a_listener_who_leaves_ends_the_monitoring_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A closed player stops a mixer that only monitors, and not one that records."""
    clock = ManualClock()
    with ffplay(FakePlayer(breaks=True)):
        monitor = AudioMixer(clock=clock.monotonic)
        monitor.start()
    clock.advance(0.02)
    joined(monitor)
    monitor.write_caller(b"a" * 160)
    monitor.shutdown()

    player = FakePlayer(breaks=True)
    with ffplay(player):
        mixer = AudioMixer(tmp_path / "call.wav", clock=clock.monotonic)
        mixer.start()
    clock.advance(0.02)
    assert player.played.wait(30)
    clock.advance(0.02)
    mixer.shutdown()
    assert read_wav(tmp_path / "call.wav").duration == 0.04
    assert caplog.text.count("ffplay has ended") == 2


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_player_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool) -> None:
    """Terminated, killed when that does not help; the recording is finalised all the same."""
    monkeypatch.setattr(recording, "_STOP_TIMEOUT", 0.05)
    clock = ManualClock()
    player = FakePlayer(blocks=True, stubborn=stubborn)
    with ffplay(player):
        mixer = AudioMixer(tmp_path / "call.wav", monitor=True, clock=clock.monotonic)
        mixer.start()
    clock.advance(0.02)
    assert player.played.wait(30)
    clock.advance(0.02)
    mixer.shutdown()
    joined(mixer)
    assert player.calls == ["terminate", "wait 0.05", *(["kill", "wait None"] if stubborn else [])]
    assert read_wav(tmp_path / "call.wav").duration == 0.04


def test_the_log_is_named_after_the_module() -> None:
    """So that an operator can turn it up or down."""
    assert recording.log is logging.getLogger("voice_runtime.recording")
