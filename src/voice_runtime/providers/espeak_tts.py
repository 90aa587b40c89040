"""Offline speech synthesis: eSpeak NG, in this process, by ctypes.

eSpeak NG is GPL-3.0-or-later and is loaded into the process: that is why it is an extra (docs/providers.md).

The C library keeps all of its state in globals, and some of it is never reset (flutter, the phase of the wave): the
same sentence never sounds the same twice. So each piece of text gets a library as new: loaded, asked, unloaded, about
3 ms in all and under one lock for the process. That lock is the one module singleton here, because the library is one.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from typing import Any

import espeakng_loader
import numpy as np

from voice_runtime.audio.g711 import encode_ulaw
from voice_runtime.audio.resample import Resampler
from voice_runtime.errors import TtsError
from voice_runtime.providers.blocking import speak_blocking
from voice_runtime.tts import SpeechSink

if sys.platform == "win32":
    from _ctypes import FreeLibrary as _unload
else:
    from _ctypes import dlclose as _unload

__all__ = ["EspeakTTS"]

log = logging.getLogger(__name__)

PROVIDER = "espeak"
PIECE_CHARACTERS = 200  # a piece is one run of the library: some 12 s of speech, made in about 10 ms
CHUNK_BYTES = 1600  # 0.2 s: what a listener who hangs up wastes
LEVEL_DBFS, PEAK_DBFS = -18.0, -3.0
LEAD_MS, TAIL_MS = 20, 250  # silence left around a piece

_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH = 1, 3
_OK = 0
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_library_lock = threading.Lock()


class EspeakTTS:
    """One voice. `voice` is a language or voice name of eSpeak NG ("en-us", "fi", "en-us+f3"), `pitch` 0 to 99.

    Speech comes at about -18 dBFS with peaks of at most -3 dBFS; `volume` scales that. The same text gives the same
    bytes. Control characters are spaces; mark-up is read out, not obeyed.
    """

    def __init__(self, *, voice: str = "en-us", rate_wpm: int = 165, pitch: int = 50, volume: float = 1.0) -> None:
        self.on_error: Callable[[str], None] | None = None
        self._voice, self._rate_wpm, self._pitch, self._volume = voice, rate_wpm, pitch, volume

    @property
    def sound_key(self) -> Hashable:
        return ("espeak", self._voice, self._rate_wpm, self._pitch, self._volume)

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        """0.1's blocking speech; see `TtsProvider`."""
        return speak_blocking(text, session, stop_event, self._chunks, self._fail)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """The audio, piece by piece; see `StreamingTts`. No work is done ahead of what was asked for."""
        cancelled = threading.Event()
        try:
            for piece in _pieces(text):
                audio = await asyncio.to_thread(self._say, piece, cancelled)
                for start in range(0, len(audio), CHUNK_BYTES):
                    yield audio[start : start + CHUNK_BYTES]
        finally:
            cancelled.set()  # a thread that still works on a piece ends at its next 60 ms of audio

    def _chunks(self, text: str) -> Iterator[bytes]:
        for piece in _pieces(text):
            audio = self._say(piece, threading.Event())
            for start in range(0, len(audio), CHUNK_BYTES):
                yield audio[start : start + CHUNK_BYTES]

    def _fail(self, error: Exception) -> str:
        text = f"espeak_tts_failed: {error}"
        log.warning("%s", text)
        if self.on_error is not None:
            self.on_error(text)
        return text

    def _say(self, piece: str, cancelled: threading.Event) -> bytes:
        """One piece as mu-law."""
        pcm, rate = self._run_library(piece, cancelled)
        resampler = Resampler(rate, 8000)
        return encode_ulaw(_levelled(resampler.process(pcm) + resampler.flush(), self._volume))

    def _run_library(self, piece: str, cancelled: threading.Event) -> tuple[bytes, int]:
        made: list[bytes] = []

        def take(samples: Any, count: int, events: object) -> int:
            if samples and count > 0:
                made.append(ctypes.string_at(samples, count * 2))
            return int(cancelled.is_set())  # 1: stop here

        callback = _Callback(take)  # kept alive until the library is gone
        with _library_lock:
            if cancelled.is_set():
                return b"", 8000
            try:
                library = ctypes.CDLL(espeakng_loader.get_library_path())
            except OSError as error:
                raise TtsError(PROVIDER, "load_failed", str(error)) from error
            try:
                rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), _DONT_EXIT)
                if rate <= 0:
                    raise TtsError(PROVIDER, "load_failed", "the library does not initialise")
                library.espeak_SetSynthCallback(callback)
                self._choose_voice(library)
                data = piece.encode("utf-8", "replace")
                size = ctypes.c_size_t(len(data) + 1)
                if library.espeak_Synth(data, size, 0, 1, 0, _UTF8, None, None) != _OK:
                    raise TtsError(PROVIDER, "synthesis_failed", f"{len(data)} bytes of text")
            finally:
                library.espeak_Terminate()
                _unload(library._handle)
        return b"".join(made), rate

    def _choose_voice(self, library: Any) -> None:
        if library.espeak_SetVoiceByName(self._voice.encode()) != _OK:
            raise TtsError(PROVIDER, "bad_request", f"no voice {self._voice!r}", remedy="See `espeak-ng --voices`.")
        library.espeak_SetParameter(_RATE, int(self._rate_wpm), 0)
        library.espeak_SetParameter(_PITCH, int(self._pitch), 0)


def _pieces(text: str) -> Iterator[str]:
    """Text in pieces of at most 200 characters, cut at the end of a sentence, else at a space, else anywhere.

    The first piece is the first sentence: what comes first should come at once.
    """
    # Spaces for control characters, and for halves of surrogate pairs, which cannot be encoded.
    rest = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", text).split())
    first = True
    while rest:
        window = rest[:PIECE_CHARACTERS]
        ends = [match.end() for match in re.finditer(r"[.!?…:;](?= )|[.!?…:;]$", window)]
        if ends and (first or len(rest) > PIECE_CHARACTERS):
            cut = ends[0] if first else ends[-1]
        elif len(rest) <= PIECE_CHARACTERS:
            cut = len(rest)
        else:
            cut = window.rfind(" ") if " " in window else PIECE_CHARACTERS
        piece, rest, first = rest[:cut], rest[cut:].lstrip(), False
        yield piece


def _levelled(pcm: bytes, volume: float) -> bytes:
    """PCM16 at 8 kHz at the telephone's level, with just so much silence around it."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    frames = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    power = np.square(frames).mean(axis=1) if len(frames) else np.zeros(1)
    loud = np.flatnonzero(power > 10 ** (-50 / 10))
    if not len(loud):
        return b""
    speech = power[power > power.max() / 400]  # within 26 dB of the loudest 10 ms: pauses do not count
    gain = min(10 ** (LEVEL_DBFS / 20) / np.sqrt(speech.mean()), 10 ** (PEAK_DBFS / 20) / np.abs(samples).max())
    start = max(0, int(loud[0]) * 80 - LEAD_MS * 8)
    end = (int(loud[-1]) + 1) * 80 + TAIL_MS * 8
    scaled = np.rint(samples[start:end] * (gain * volume * 32767))
    return bytes(scaled.clip(-32768, 32767).astype("<i2").tobytes())
