"""Speech that spells its own text: what a double says, a double can read, through the real media path.

Every character is one short tone pair, as every key is in DTMF, at other frequencies. Mocks and simulated people speak
this way, so that a test knows what reached an ear and not only what was sent: word by word, when, and whether the
word was whole. Read back after any chunking, G.711, 20 dB of attenuation, noise 20 dB below it, a lost frame.

Case is not spelled: texts come back as `spellable` makes them. A character that repeats the one before is a symbol of
its own, as in the selective calling of radio telephones (ZVEI, CCIR), so a hole in a tone is never two characters. An
utterance begins with a symbol and every word ends with one: a word that was cut off is known to be.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.g711 import decode_ulaw, encode_ulaw

__all__ = ["CHARACTERS_PER_SECOND", "SpelledWord", "SpellingReader", "read_spelling", "spell", "spellable"]

CHARACTERS_PER_SECOND: Final = 15.0
"""The speed of unhurried speech."""

_BEGIN, _END, _AGAIN = "\x02", "\x03", "\x1a"  # begins an utterance; ends a word; the character before, once more
_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'-:;+@/&%#*$€"
_SYMBOLS: Final = _CHARACTERS + _BEGIN + _END + _AGAIN

# Away from the tones of DTMF (697 to 1633 Hz) and 100 Hz apart: what a Hann window of 20 ms tells apart without error.
_LOWS: Final = (300, 400, 500, 600)
_HIGHS: Final = tuple(range(1800, 3200, 100))
_PAIRS: Final = [(low, high) for low in range(len(_LOWS)) for high in range(len(_HIGHS))]
_PAIR_OF: Final = dict(zip(_SYMBOLS, _PAIRS, strict=True))
_SYMBOL_OF: Final = {low * len(_HIGHS) + high: symbol for symbol, (low, high) in _PAIR_OF.items()}

_SLOWEST, _FASTEST = 8.0, 20.0
_AMPLITUDE: Final = 0.19  # of each tone: -14.4 dBFS together
_PAUSE: Final = 130  # samples between two tones: 16 ms
_TAIL: Final = 0.01  # of the amplitude is left in the pause: quiet, and not the digital silence of missing audio
_RAMP: Final = 32  # samples

_ALIASES: Final = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "ø": "o", "æ": "ae", "œ": "oe"}
    | {"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


# -- saying --------------------------------------------------------------------------------------------------------


def spellable(text: str) -> str:
    """`text` as it comes back: lower case, without accents, words one space apart.

    A letter or digit that cannot be spelled is a question mark, any other sign is left out.
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold().translate(_ALIASES)
    return " ".join("".join(map(_as_spelled, plain)).split())


def _as_spelled(character: str) -> str:
    if character in _CHARACTERS or character.isspace():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return "?" if character.isalnum() else ""


def spell(text: str, characters_per_second: float = CHARACTERS_PER_SECOND) -> bytes:
    """Mu-law speech of `text`, about -15 dBFS; nothing when nothing in it can be spelled.

    Raises ValueError when `characters_per_second` is not from 8 to 20. The space after a word counts as a character.
    """
    if not _SLOWEST <= characters_per_second <= _FASTEST:
        raise ValueError(f"characters_per_second must be from {_SLOWEST:g} to {_FASTEST:g}")
    words = spellable(text).split()
    if not words:
        return b""
    size = round(SAMPLE_RATE / characters_per_second)
    spoken, before = [], ""
    for symbol in _BEGIN + "".join(word + _END for word in words):
        before = _AGAIN if symbol == before else symbol
        spoken.append(_tones(before, size))
    return b"".join(spoken)


@lru_cache(maxsize=1024)
def _tones(symbol: str, size: int) -> bytes:
    low, high = _PAIR_OF[symbol]
    steps = [2 * math.pi * hz / SAMPLE_RATE for hz in (_LOWS[low], _HIGHS[high])]
    sounding = size - _PAUSE
    samples = array("h")
    for i in range(size):
        edge = max(0.0, min(1.0, (i + 1) / _RAMP, (sounding - i) / _RAMP))
        level = 32767 * _AMPLITUDE * max(edge, _TAIL)
        samples.append(round(level * sum(math.sin(step * (i + 0.5)) for step in steps)))
    return encode_ulaw(samples.tobytes())


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """`start_s`, `end_s`: seconds of the audio, to about 10 ms. Not `whole`: cut off before its end."""

    text: str
    start_s: float
    end_s: float
    whole: bool


_WINDOW, _HOP = 160, 40  # samples
_FIRST, _LAST = (
    _WINDOW // 3,
    _WINDOW * 2 // 3,
)  # where a sound begins in the first window that has it, and ends in the last
_MAX_WINDOWS: Final = 1000
_BATCH: Final = _WINDOW + (_MAX_WINDOWS - 1) * _HOP
_LINEAR: Final = np.frombuffer(decode_ulaw(bytes(range(256))), dtype="<i2").astype(np.float32) / np.float32(32768)
_HANN: Final = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_TONES: Final = np.array([*_LOWS, *_HIGHS])
_ANGLES: Final = 2 * np.pi * np.outer(np.arange(_WINDOW), _TONES) / SAMPLE_RATE
_FILTERS: Final = np.hstack([np.cos(_ANGLES), np.sin(_ANGLES)]).astype(np.float32)
_SHARE: Final = float(2 * (_HANN**2).sum() / _HANN.sum() ** 2)  # a filter's power to a share of the window's energy
_MIN_SHARE: Final = 0.7  # of the energy is in the two tones
_MAX_TWIST: Final = 10.0  # 10 dB between the two
_MIN_ENERGY: Final = float((_HANN**2).sum()) * 10 ** (-50 / 10)  # -50 dBFS
_VOTES: Final = 2  # windows that agree on a symbol
_HOLE: Final = 640  # samples, 80 ms: a longer one ends the word
_SILENCE: Final = b"\xff"
_NOTHING: Final = -1


class SpellingReader:
    """Reads spelled speech as it comes, in pieces of any size. Silence costs next to nothing."""

    def __init__(self) -> None:
        self._rest = b""  # not yet examined: less than a window
        self._position = 0  # samples before `rest`
        self._silent = False  # `rest` is silence, a whole window but for a hop, and nothing sounds
        self._candidate, self._votes, self._candidate_at = _NOTHING, 0, 0
        self._current = _NOTHING  # the symbol that sounds, or did within `_HOLE`
        self._heard_until = 0  # the end of the last sound of a symbol
        self._previous = "?"  # the last character, for `_AGAIN`
        self._letters: list[str] = []
        self._word_start = 0
        self.symbols = 0
        """How many symbols were read: it grows while somebody speaks, also between words."""

    @property
    def position_s(self) -> float:
        """Seconds of audio that were fed."""
        return (self._position + len(self._rest)) / SAMPLE_RATE

    @property
    def heard_until_s(self) -> float:
        """When the last symbol ended, or 0."""
        return self._heard_until / SAMPLE_RATE

    @property
    def open_word(self) -> str:
        """The characters of the word that is being spelled."""
        return "".join(self._letters)

    def feed(self, audio: bytes) -> list[SpelledWord]:
        """Take mu-law audio; returns the words that ended in it: by their last symbol, or by silence."""
        if self._silent and len(audio) % _HOP == 0 and audio.count(_SILENCE) == len(audio):
            self._position += len(audio)  # and `rest` is the same silence as before
            return []
        words: list[SpelledWord] = []
        self._rest += audio
        if self._idle and self._rest.count(_SILENCE) == len(self._rest):
            self._pass(max(0, len(self._rest) - _WINDOW + _HOP) // _HOP)
            self._silent = len(self._rest) >= _WINDOW - _HOP
            return words
        self._silent = False
        while len(self._rest) >= _WINDOW:
            self._pass(self._examine(self._rest[:_BATCH], words))
        return words

    def _pass(self, windows: int) -> None:
        self._rest = self._rest[windows * _HOP :]
        self._position += windows * _HOP

    def finish(self) -> list[SpelledWord]:
        """The audio is over: the word that was being spelled, if there is one, as cut off."""
        words = self.feed(_SILENCE * (_WINDOW + _HOP))
        self._close_word(words, whole=False)
        return words

    @property
    def _idle(self) -> bool:
        return self._current == self._candidate == _NOTHING

    def _examine(self, audio: bytes, words: list[SpelledWord]) -> int:
        """Returns how many windows were looked at."""
        samples = _LINEAR[np.frombuffer(audio, np.uint8)]
        count = (len(audio) - _WINDOW) // _HOP + 1
        pairs = _pairs_in(samples, count).tolist()
        for index, pair in enumerate(pairs):
            at = self._position + index * _HOP
            if pair != _NOTHING:
                self._vote(pair, at, words)
            elif not self._idle and at - max(self._heard_until, self._candidate_at) > _HOLE:
                self._candidate = self._current = _NOTHING
                self._close_word(words, whole=False)
        return count

    def _vote(self, pair: int, at: int, words: list[SpelledWord]) -> None:
        if pair == self._current:
            self._candidate = _NOTHING
            self._heard_until = at + _LAST
            return
        if pair != self._candidate:
            self._candidate, self._votes, self._candidate_at = pair, 0, at
        self._votes += 1
        if self._votes == _VOTES:
            self._current, self._candidate = pair, _NOTHING
            self._heard_until = at + _LAST
            self.symbols += 1
            self._read(_SYMBOL_OF[pair], self._candidate_at + _FIRST, words)

    def _read(self, symbol: str, at: int, words: list[SpelledWord]) -> None:
        if symbol == _BEGIN:
            self._close_word(words, whole=False)
            return
        if symbol == _END:
            self._close_word(words, whole=True, end=at)
            return
        if symbol == _AGAIN:
            symbol = self._previous
        self._previous = symbol
        if not self._letters:
            self._word_start = at
        self._letters.append(symbol)

    def _close_word(self, words: list[SpelledWord], *, whole: bool, end: int | None = None) -> None:
        if self._letters:
            until = self._heard_until if end is None else end
            words.append(SpelledWord(self.open_word, self._word_start / SAMPLE_RATE, until / SAMPLE_RATE, whole))
            self._letters.clear()


def _pairs_in(samples: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """The tone pair in each of `count` windows, `_HOP` apart, or `_NOTHING`."""
    windows = np.ndarray((count, _WINDOW), np.float32, samples, strides=(_HOP * 4, 4)) * _HANN
    energy = np.einsum("ij,ij->i", windows, windows)
    power = windows @ _FILTERS
    power *= power
    power = power[:, : len(_TONES)] + power[:, len(_TONES) :]
    lows, highs = power[:, : len(_LOWS)], power[:, len(_LOWS) :]
    low, high = lows.max(axis=1), highs.max(axis=1)
    clear = (energy > _MIN_ENERGY) & ((low + high) * _SHARE > _MIN_SHARE * energy)
    clear &= (low < _MAX_TWIST * high) & (high < _MAX_TWIST * low)
    return np.where(clear, lows.argmax(axis=1) * len(_HIGHS) + highs.argmax(axis=1), _NOTHING)


def read_spelling(audio: bytes) -> list[SpelledWord]:
    """All words in a recording; `" ".join(word.text for word in ...)` is the text."""
    reader = SpellingReader()
    return reader.feed(audio) + reader.finish()
