"""WAV files: read PCM16, mu-law and A-law; write PCM16 and mu-law as a stream that survives a crash."""

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self

from voice_runtime.audio._audioop import audioop
from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.g711 import decode_alaw, decode_ulaw, encode_ulaw
from voice_runtime.errors import AudioFormatError

__all__ = ["Encoding", "Wav", "WavWriter", "WrittenEncoding", "read_wav", "to_ulaw_8k"]

Encoding = Literal["pcm16", "ulaw", "alaw"]
WrittenEncoding = Literal["pcm16", "ulaw"]

_EXTENSIBLE: Final = 0xFFFE
_READABLE: Final[dict[tuple[int, int], Encoding]] = {(1, 16): "pcm16", (6, 8): "alaw", (7, 8): "ulaw"}
_TAGS: Final[dict[WrittenEncoding, tuple[int, int]]] = {"pcm16": (1, 2), "ulaw": (7, 1)}
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Wav:
    """The audio of a WAV file: `data` is interleaved samples, two bytes each for pcm16, else one."""

    rate: int
    channels: int
    encoding: Encoding
    data: bytes

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.data) / (self.rate * self.channels * _sample_bytes(self.encoding))

    def channel(self, index: int) -> bytes:
        """The samples of one channel (0 is left), in the encoding of the file. Raises IndexError past the last one."""
        if not 0 <= index < self.channels:
            raise IndexError(f"channel {index} of {self.channels}")
        if self.channels == 1:
            return self.data
        if _sample_bytes(self.encoding) == 1:
            return self.data[index :: self.channels]
        return audioop.tomono(self.data, 2, float(index == 0), float(index == 1))

    def pcm16(self) -> bytes:
        """The samples as PCM16, channels still interleaved."""
        match self.encoding:
            case "pcm16":
                return self.data
            case "ulaw":
                return decode_ulaw(self.data)
            case "alaw":
                return decode_alaw(self.data)


def read_wav(source: str | Path | bytes) -> Wav:
    """Read a WAV file from a path, or from the bytes of one: mono or stereo, any rate, PCM16, mu-law or A-law.

    A file whose header is behind its data (its writer was killed) is read to its end. Raises AudioFormatError when it
    is not a WAV file or holds another kind of audio, OSError when the path cannot be read.
    """
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise AudioFormatError("not a WAV file: it does not start with RIFF....WAVE")
    fmt = b""
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        body = content[position + 8 : position + 8 + size]
        if name == b"fmt ":
            fmt = body
        elif name == b"data":
            return _audio(fmt, content[position + 8 :] if size in (0, _UNKNOWN_SIZE) else body)
        position += 8 + size + size % 2
    raise AudioFormatError("the WAV file has no data chunk")


def _audio(fmt: bytes, data: bytes) -> Wav:
    if len(fmt) < 16:
        raise AudioFormatError("the WAV file has no format chunk before its data")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)  # the sub-format GUID starts with the plain tag
    encoding = _READABLE.get((tag, bits))
    if encoding is None:
        raise AudioFormatError(f"cannot read WAV format {tag} with {bits} bits: PCM16, mu-law or A-law is needed")
    if channels not in (1, 2) or rate == 0:
        raise AudioFormatError(f"cannot read a WAV file with {channels} channels at {rate} Hz")
    block = channels * _sample_bytes(encoding)
    return Wav(rate, channels, encoding, data[: len(data) // block * block])


def to_ulaw_8k(wav: Wav) -> bytes:
    """Convert to mu-law, 8000 Hz, mono: what the phone plays. Stereo is averaged."""
    if wav.encoding == "ulaw" and wav.rate == SAMPLE_RATE and wav.channels == 1:
        return wav.data
    pcm16 = wav.pcm16()
    if wav.channels == 2:
        pcm16 = audioop.tomono(pcm16, 2, 0.5, 0.5)
    if wav.rate != SAMPLE_RATE:
        # Here, because it brings numpy and soxr: writing a recording, or playing an 8 kHz prompt, needs neither.
        from voice_runtime.audio.resample import Resampler

        resampler = Resampler(wav.rate, SAMPLE_RATE)
        pcm16 = resampler.process(pcm16) + resampler.flush()
    return encode_ulaw(pcm16)


def _sample_bytes(encoding: Encoding) -> int:
    return 2 if encoding == "pcm16" else 1


class WavWriter:
    """Writes a WAV file as a stream: `write` appends, `flush` makes what was written so far a readable file.

    A mu-law file has the 46-byte header of 0.1 (no `fact` chunk), a PCM16 file the usual 44 bytes. A file object is
    written from where it stands and left open at `close`; one that cannot seek gets "unknown" as its sizes.
    """

    def __init__(
        self,
        target: str | Path | BinaryIO,
        *,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        encoding: WrittenEncoding = "ulaw",
    ) -> None:
        """Open `target`, replacing a file that is there, and write the header. Raises OSError when that fails."""
        if channels not in (1, 2):
            raise AudioFormatError(f"a WAV file is written with 1 or 2 channels, not {channels}")
        tag, width = _TAGS[encoding]
        self._block = channels * width
        fields = struct.pack("<HHIIHH", tag, channels, rate, rate * self._block, self._block, 8 * width)
        self._fmt = fields if encoding == "pcm16" else fields + b"\0\0"
        self._owned = isinstance(target, (str, Path))
        self._file: BinaryIO = Path(target).open("wb") if isinstance(target, (str, Path)) else target
        self._seekable = self._file.seekable()
        self._start = self._file.tell() if self._seekable else 0
        self._written = 0
        self._closed = False
        self._file.write(self._header(0 if self._seekable else _UNKNOWN_SIZE))

    @property
    def data_bytes(self) -> int:
        """Bytes of audio written so far."""
        return self._written

    def write(self, data: bytes) -> None:
        """Append interleaved samples. Raises AudioFormatError unless they are whole, ValueError after `close`."""
        if self._closed:
            raise ValueError("write to a closed WAV file")
        if len(data) % self._block:
            raise AudioFormatError(f"{len(data)} bytes are not a whole number of {self._block}-byte blocks")
        self._file.write(data)
        self._written += len(data)

    def flush(self) -> None:
        """Bring the header up to date and hand everything to the operating system."""
        if self._seekable:
            end = self._file.tell()
            self._file.seek(self._start)
            self._file.write(self._header(self._written))
            self._file.seek(end)
        self._file.flush()

    def close(self) -> None:
        """Finalise the header, and close the file if it was opened here. Again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._written % 2:
                self._file.write(b"\0")  # RIFF: chunks are padded to an even length, which their size does not count
            self.flush()
        finally:
            if self._owned:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _header(self, size: int) -> bytes:
        riff = min(4 + 8 + len(self._fmt) + 8 + size + size % 2, _UNKNOWN_SIZE)
        return b"".join(
            (
                struct.pack("<4sI4s", b"RIFF", riff, b"WAVE"),
                struct.pack("<4sI", b"fmt ", len(self._fmt)),
                self._fmt,
                struct.pack("<4sI", b"data", min(size, _UNKNOWN_SIZE)),
            )
        )
