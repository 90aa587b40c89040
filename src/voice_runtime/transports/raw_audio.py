"""The audio of a raw-audio client, in its own format, to and from the mu-law of the call."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from voice_runtime import audio  # whose resamplers bring numpy: they are imported when a client needs them
from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.wire.raw import Encoding

if TYPE_CHECKING:
    from voice_runtime.audio import LiveResampler, Resampler

__all__ = ["FromClient", "ToClient", "wav_of"]


class FromClient:
    """What the client says, piece by piece, as mu-law: at once, but for the 2 ms of the filter."""

    def __init__(self, encoding: Encoding, rate: int) -> None:
        self._ulaw = encoding == "mulaw"
        self._resampler: LiveResampler | None = None
        if not self._ulaw or rate != SAMPLE_RATE:
            self._resampler = audio.LiveResampler(rate)

    def process(self, data: bytes) -> bytes:
        if self._resampler is None:
            return data
        return audio.encode_ulaw(self._resampler.process(audio.decode_ulaw(data) if self._ulaw else data))


class ToClient:
    """What the agent says, in the client's format. The resampler holds up to 0.1 s back, until `flush`."""

    def __init__(self, encoding: Encoding, rate: int) -> None:
        self._ulaw = encoding == "mulaw"
        self._resampler: Resampler | None = None
        if rate != SAMPLE_RATE:
            self._resampler = audio.Resampler(SAMPLE_RATE, rate)

    def process(self, ulaw: bytes) -> bytes:
        if self._resampler is None:
            return ulaw if self._ulaw else audio.decode_ulaw(ulaw)
        return self._encoded(self._resampler.process(audio.decode_ulaw(ulaw)))

    def flush(self) -> bytes:
        """What was held back: an utterance is over."""
        return b"" if self._resampler is None else self._encoded(self._resampler.flush())

    def clear(self) -> None:
        """What was held back is not to be heard."""
        if self._resampler is not None:
            self._resampler.reset()

    def _encoded(self, pcm16: bytes) -> bytes:
        return audio.encode_ulaw(pcm16) if self._ulaw else pcm16


def wav_of(ulaw: bytes, rate: int) -> bytes:
    """A PCM16 WAV file of that rate with this audio."""
    to_client = ToClient("pcm_s16le", rate)
    file = io.BytesIO()
    with audio.WavWriter(file, rate=rate, encoding="pcm16") as wav:
        wav.write(to_client.process(ulaw) + to_client.flush())
    return file.getvalue()
