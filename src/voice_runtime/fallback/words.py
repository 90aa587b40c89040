"""Which words a piece of speech has, as its voice tells or as its pace lets one guess: for the voice that goes on."""

from __future__ import annotations

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.turns.heard import WordTime
from voice_runtime.turns.lexicon import is_unspaced

__all__ = ["Pace", "SaidSoFar"]

_USUAL = SAMPLE_RATE / 15  # bytes for a character: 15 a second is a voice of usual speed
_SLOWEST, _FASTEST = SAMPLE_RATE / 6, SAMPLE_RATE / 30
_LEARN_FROM = 20  # characters: shorter texts say little about a pace
_LEARN = 0.3
_LEAD_SECONDS = 0.1  # audio that is on its way to the caller: while there is less of it, nothing is held back
_RELEASE_SECONDS = 0.02  # of its last sound: a word that is cut to the millisecond clicks
_MOST_HELD = int(0.8 * SAMPLE_RATE)
_LONGEST_PAUSE = 3 * SAMPLE_RATE  # after that, a voice has stopped telling


class Pace:
    """How much audio a voice makes for a character. Learned from what it has said."""

    def __init__(self) -> None:
        self.bytes_per_character = _USUAL

    def learn(self, text: str, size: int) -> None:
        if len(text) >= _LEARN_FROM:
            seen = min(max(size / (len(text) + 2), _FASTEST), _SLOWEST)
            self.bytes_per_character += _LEARN * (seen - self.bytes_per_character)

    def reach(self, characters: int) -> int:
        """Where the first so many characters end. A voice begins a little after its audio does."""
        return int(self.bytes_per_character * (characters + 1))


class SaidSoFar:
    """What one voice has made of a text. While the caller has enough to hear, the beginning of a word is held back:
    a voice that fails there is then cut between two words. Voices before it said `begin` characters of the sentence,
    in `start` bytes.
    """

    def __init__(self, text: str, pace: Pace, begin: int = 0, start: int = 0) -> None:
        self._text, self._pace = text, pace
        self._begin, self._start = begin, start
        self._words = [*_between_words(text), len(text)]  # where one begins, and the end
        self._edges = [(at, pace.reach(at)) for at in self._words[:-1]]
        self._edges.append((len(text), pace.reach(len(text) + 1)))  # with the pause behind it
        self._told: list[tuple[int, int]] = []  # the same, where the voice tells
        self._held = bytearray()
        self._given = 0
        self._began: float | None = None

    @property
    def made(self) -> int:
        """Bytes."""
        return self._given + len(self._held)

    @property
    def given(self) -> int:
        """Bytes that may be heard."""
        return self._given

    def tell(self, word: WordTime) -> WordTime:
        """When the voice says that a word of its text is over: then nothing is guessed. The same, of the sentence."""
        edge = next((at for at in self._words if at >= word.end), len(self._text))
        if not any(char.isalnum() for char in self._text[word.end : edge]):  # else it is a part of a word
            self._told.append((edge, int((word.seconds + _RELEASE_SECONDS) * SAMPLE_RATE)))
        return WordTime(self._begin + word.end, self._start / SAMPLE_RATE + word.seconds)

    def add(self, audio: bytes, now: float) -> bytes:
        """More was made, or told. What may be heard now."""
        self._held += audio
        if not self._held:
            return b""
        self._began = now if self._began is None else self._began
        played = (now - self._began) * SAMPLE_RATE
        if self._given - played < _LEAD_SECONDS * SAMPLE_RATE:
            return self._give(len(self._held))
        edge = self._last_edge()[1]
        return self._give((self.made if self.made - edge > _MOST_HELD else edge) - self._given)

    def finish(self) -> bytes:
        """That was all of it."""
        self._pace.learn(self._text, self.made)
        return self._give(len(self._held))

    def cut(self) -> tuple[int, bytes]:
        """It comes to nothing more: how many characters were said, and what may still be heard of them."""
        characters, size = self._last_edge()
        return characters, self._give(size - self._given)

    def _last_edge(self) -> tuple[int, int]:
        told = max((edge for edge in self._told if edge[1] <= self.made), default=(0, 0))
        if self._told and self.made - told[1] < _LONGEST_PAUSE:
            return told
        since = self._pace.reach(told[0]) if self._told else 0
        guessed = [(at, told[1] + size - since) for at, size in self._edges if at > told[0]]
        return max((edge for edge in guessed if edge[1] <= self.made), default=told)

    def _give(self, size: int) -> bytes:
        given = bytes(self._held[: max(size, 0)])
        del self._held[: len(given)]
        self._given += len(given)
        return given


def _between_words(text: str) -> list[int]:
    """The places where a word begins, but for the first."""
    return [
        at
        for at in range(1, len(text))
        if (text[at - 1].isspace() and not text[at].isspace())
        or (text[at].isalnum() and (is_unspaced(text[at]) or is_unspaced(text[at - 1])))
    ]
