"""What the caller heard of an utterance, to the word: from the bytes heard, word times, and an estimate between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.turns.lexicon import tokens
from voice_runtime.turns.spoken import Spoken

__all__ = ["Heard", "Segment", "VoicePart", "WordTime", "heard", "spoken_by"]

_BYTES_PER_CHARACTER: Final = SAMPLE_RATE / 15  # 15 characters a second: a voice of usual speed


@dataclass(frozen=True, slots=True)
class WordTime:
    """A word of the spoken text, spoken[:end], is over `seconds` after its segment began."""

    end: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One sentence of an utterance: its text, and `size` bytes of mu-law made of it.

    `complete` is False while synthesis still makes audio of it. `words`: where the voice tells, in order.
    """

    spoken: Spoken
    size: int
    complete: bool = True
    words: tuple[WordTime, ...] = ()


@dataclass(frozen=True, slots=True)
class VoicePart:
    """A voice took over a sentence: it says spoken.text[begin:], from `start` bytes of the segment on."""

    begin: int
    start: int


@dataclass(frozen=True, slots=True)
class Heard:
    """`text`: the whole words heard, in the writer's spelling. `size`: the bytes up to the end of the last."""

    text: str
    size: int


def heard(segments: Sequence[Segment], size: int) -> Heard:
    """What `size` heard bytes of the utterance were."""
    said: list[str] = []
    start = 0
    for segment in segments:
        reach = size - start
        if reach >= segment.size and segment.complete:
            said.append(segment.spoken.source)
            start += segment.size
            continue
        end, behind = _last_word(segment, max(reach, 0))
        said.append(segment.spoken.source_prefix(end))
        start += behind
        break
    return Heard(" ".join(" ".join(said).split()), start)


def _last_word(segment: Segment, reach: int) -> tuple[int, int]:
    """(the end of the last whole word of the spoken text within `reach` bytes, the bytes it ends at)"""
    if segment.words:
        known = [(word.end, int(word.seconds * SAMPLE_RATE)) for word in segment.words]
        known += _guessed(segment, *known[-1]) if segment.complete else []  # those that the voice did not tell
    else:
        text = segment.spoken.text
        expected = len(text) * _BYTES_PER_CHARACTER
        size = segment.size if segment.complete else max(segment.size, expected)
        known = [(word.end, int(size * word.end / len(text))) for word in tokens(text)]
    return max((place for place in known if place[1] <= reach), default=(0, 0))


def _guessed(segment: Segment, end: int, start: int) -> list[tuple[int, int]]:
    """The words of a whole sentence behind text[:end], which ends at `start` bytes."""
    rest = max(len(segment.spoken.text) - end, 1)
    return [
        (word.end, start + int((segment.size - start) * (word.end - end) / rest))
        for word in tokens(segment.spoken.text)
        if word.end > end
    ]


def spoken_by(voices: Sequence[VoicePart], segment: Segment) -> Segment:
    """The segment that several voices said, one after the other: with the times of its words, as each told or at the
    pace of each.
    """
    text = segment.spoken.text
    words: list[WordTime] = []
    for voice, following in zip(voices, [*voices[1:], None], strict=True):
        end = following.begin if following else len(text)
        if told := [word for word in segment.words if voice.begin < word.end <= end]:
            words += told
            continue
        size = (following.start if following else segment.size) - voice.start
        if not following and not segment.complete:
            size = max(size, int((end - voice.begin) * _BYTES_PER_CHARACTER))
        words += (
            WordTime(word.end, (voice.start + size * (word.end - voice.begin) / (end - voice.begin)) / SAMPLE_RATE)
            for word in tokens(text)
            if voice.begin < word.end <= end
        )
    return replace(segment, words=tuple(words))
