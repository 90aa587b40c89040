"""WAV files, there and back, whole and damaged."""

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.audio.g711 import decode_alaw, decode_ulaw, encode_ulaw
from voice_runtime.audio.tones import beep, silence
from voice_runtime.audio.wav import Encoding, Wav, WavWriter, WrittenEncoding, read_wav, to_ulaw_8k
from voice_runtime.errors import AudioFormatError


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)


def fmt(tag: int, channels: int, rate: int, bits: int, extra: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@given(st.sampled_from(["ulaw", "pcm16"]), st.sampled_from([1, 2]), st.lists(st.binary(max_size=50)))
def test_what_is_written_is_read(encoding: WrittenEncoding, channels: int, pieces: list[bytes]) -> None:
    """Any whole samples, in any pieces, come back."""
    file = io.BytesIO()
    pieces = [piece * 4 for piece in pieces]
    with WavWriter(file, channels=channels, encoding=encoding, rate=16000) as writer:
        for piece in pieces:
            writer.write(piece)
    assert read_wav(file.getvalue()) == Wav(16000, channels, encoding, b"".join(pieces))
    assert writer.data_bytes == len(b"".join(pieces))
    assert len(file.getvalue()) % 2 == 0


def test_other_programs_read_it(tmp_path: Path) -> None:
    """The standard library agrees on a PCM16 stereo file."""
    with WavWriter(tmp_path / "a.wav", channels=2, encoding="pcm16") as writer:
        writer.write(b"abcdefgh")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 2)
        assert file.readframes(9) == b"abcdefgh"


def test_a_killed_writer_leaves_a_readable_file(tmp_path: Path) -> None:
    """After each flush the file on disk is whole, and what came after its header is read when that says nothing."""
    path = tmp_path / "a.wav"
    writer = WavWriter(str(path))
    writer.write(b"abc")
    writer.flush()
    assert read_wav(path).data == b"abc"
    writer.write(b"def")
    assert read_wav(path).data == b"abc"
    writer.close()
    writer.close()
    assert read_wav(str(path)).data == b"abcdef"
    never_flushed = bytearray(path.read_bytes())
    never_flushed[42:46] = bytes(4)
    assert read_wav(bytes(never_flushed)).data == b"abcdef"


def test_a_pipe_gets_a_file_of_unknown_length() -> None:
    """A target that cannot seek is written once, from front to back."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    writer = WavWriter(pipe)
    writer.write(b"abcd")
    writer.close()
    assert read_wav(pipe.getvalue()).data == b"abcd"
    assert not pipe.closed


def test_a_writer_refuses_what_it_cannot_write() -> None:
    """Half a block, three channels, a closed file."""
    writer = WavWriter(io.BytesIO(), channels=2)
    with pytest.raises(AudioFormatError, match="2-byte blocks"):
        writer.write(b"a")
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"ab")
    with pytest.raises(AudioFormatError, match="not 3"):
        WavWriter(io.BytesIO(), channels=3)


def test_the_header_of_a_mu_law_file_is_that_of_0_1() -> None:
    """46 bytes, format tag 7; audio of odd length is padded, and its size says what it is without."""
    file = io.BytesIO()
    WavWriter(file).close()
    assert len(file.getvalue()) == 46
    with WavWriter(odd := io.BytesIO()) as writer:
        writer.write(b"abc")
    assert odd.getvalue()[-8:] == struct.pack("<I", 3) + b"abc\0"
    assert struct.unpack_from("<H", file.getvalue(), 20) == (7,)


def test_chunks_that_say_nothing_about_the_audio_are_skipped() -> None:
    """Also those of odd length, which are padded; half a sample at the end is cut."""
    extensible = fmt(0xFFFE, 1, 8000, 16, struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14))
    content = riff(chunk(b"LIST", b"odd"), extensible, chunk(b"data", b"abcde"))
    assert read_wav(content) == Wav(8000, 1, "pcm16", b"abcd")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a WAV file"),
        (b"ID3" + bytes(60), "not a WAV file"),
        (riff(fmt(1, 1, 8000, 16)), "no data chunk"),
        (riff(chunk(b"data", b"ab")), "no format chunk"),
        (riff(chunk(b"fmt ", b"short"), chunk(b"data", b"ab")), "no format chunk"),
        (riff(fmt(1, 1, 8000, 24), chunk(b"data", b"ab")), "format 1 with 24 bits"),
        (riff(fmt(0xFFFE, 1, 8000, 16), chunk(b"data", b"ab")), "format 65534"),
        (riff(fmt(7, 3, 8000, 8), chunk(b"data", b"abc")), "3 channels"),
        (riff(fmt(7, 1, 0, 8), chunk(b"data", b"abc")), "at 0 Hz"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, message: str) -> None:
    """Each kind of wrong file gets its own sentence."""
    with pytest.raises(AudioFormatError, match=message):
        read_wav(content)


@given(st.binary(max_size=80))
def test_garbage_is_an_audio_format_error_or_audio(garbage: bytes) -> None:
    """No input makes the reader fail in another way."""
    for content in (garbage, b"RIFF\0\0\0\0WAVE" + garbage, riff(fmt(7, 1, 8000, 8)) + garbage):
        try:
            assert read_wav(content).rate > 0
        except AudioFormatError:
            pass


@pytest.mark.parametrize("encoding", ["ulaw", "alaw", "pcm16"])
def test_channels_and_duration(encoding: Encoding) -> None:
    """Left is channel 0; time counts samples of both."""
    width = 2 if encoding == "pcm16" else 1
    left, right = (bytes([byte]) * width for byte in (1, 2))
    wav = Wav(8000, 2, encoding, (left + right) * 8000)
    assert wav.channel(0) == left * 8000
    assert wav.channel(1) == right * 8000
    assert wav.duration == 1.0
    assert Wav(8000, 1, encoding, left).channel(0) == left
    with pytest.raises(IndexError):
        wav.channel(2)


def test_everything_readable_becomes_telephone_audio() -> None:
    """Law, channels and rate are converted; what is right already is not touched."""
    sound = beep(ms=200) + silence(50)
    assert to_ulaw_8k(Wav(8000, 1, "ulaw", sound)) is sound
    assert to_ulaw_8k(Wav(8000, 1, "pcm16", decode_ulaw(sound))) == sound
    assert to_ulaw_8k(Wav(8000, 2, "ulaw", bytes(b for s in sound for b in (s, s)))) == sound
    alaw = bytes(range(256))
    assert to_ulaw_8k(Wav(8000, 1, "alaw", alaw)) == encode_ulaw(decode_alaw(alaw))
    assert len(to_ulaw_8k(Wav(16000, 1, "pcm16", bytes(32000)))) == 8000
