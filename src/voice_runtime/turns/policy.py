"""The rules of turn-taking that a program may choose. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from voice_runtime.turns.lexicon import ENGLISH, Lexicon

__all__ = ["Ending", "FloorPolicy", "KeyUse"]


class Ending(Enum):
    """What makes a turn of the caller's."""

    WORDS = "words"
    """Words, and then silence: a text agent. Voice without words is noise."""
    VOICE = "voice"
    """Voice, and then silence: a realtime model that hears for itself. Words come later, and correct the turn."""
    DECLARED = "declared"
    """Somebody else decides (`TurnDeclared`). Words come later, and correct the turn."""


class KeyUse(Enum):
    """Who takes keys."""

    TURN = "turn"
    """They are part of what the caller says."""
    PROGRAM = "program"
    """Somebody collects them; the floor only knows that the caller is there."""


@dataclass(frozen=True, slots=True)
class FloorPolicy:
    """End of turn: `min_wait` to `max_wait` after the end of the voice, by the caller's own pauses and the model.

    `final_wait`: how long after the voice a recogniser may take for its final words, before the partial ones have to
    do. `turn_stall`: words wait so long at most, whatever noise goes on. `max_turn`, `max_turn_words`: the caller's
    turn is over then, in mid-sentence if need be.

    Preemptive thinking: at a probability of `likely_end` (without a model: at every final), `speculations` a turn.

    Interruption: `min_voice` seconds of voice (`min_detected_voice`: of one that a voice detector hears, which is sure
    of it; a recogniser only reports that somebody spoke), or `min_words` words, or `min_characters` in scripts without
    spaces, at `min_confidence`. `resume_after`: speech paused for a voice without words goes on after that; None: it is
    stopped instead. `pause_limit`: also when the voice does not end. `answer_window`: an "ok" so shortly before the
    agent's end is an answer.

    Keys: the turn is over `key_wait` after the last, at `key_terminator`, or when there are `max_keys`: behind
    those, the terminator is no key.

    `silence`: how long the caller may say nothing before the first prompt, the next ..., and the goodbye.
    `voice_limit`: a voice without any words that lasts longer is no voice. `thinking_limit`, `speaking_limit`: when an
    agent or an utterance is given up of which nothing is heard any more.
    """

    ending: Ending = Ending.WORDS
    min_wait: float = 0.5
    max_wait: float = 3.0
    final_wait: float = 1.0
    turn_stall: float = 5.0
    max_turn: float | None = None
    max_turn_words: int | None = None

    ask_model: bool = False
    preemptive: bool = False
    likely_end: float = 0.5
    speculations: int = 3

    min_voice: float = 0.5
    min_detected_voice: float = 0.1
    min_words: int = 2
    min_characters: int = 4
    min_confidence: float = 0.0
    resume_after: float | None = 2.0
    pause_limit: float = 5.0
    answer_window: float = 1.0
    lexicon: Lexicon = field(default=ENGLISH, repr=False)

    keys: KeyUse = KeyUse.TURN
    keys_interrupt: bool = True
    key_wait: float = 2.0
    key_terminator: str = "#"
    max_keys: int | None = None

    silence: tuple[float, ...] = (10.0, 10.0, 10.0)
    voice_limit: float = 15.0
    thinking_limit: float = 60.0
    speaking_limit: float = 600.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_wait <= self.max_wait:
            raise ValueError("min_wait must be from 0 to max_wait")
        if not 0 <= self.likely_end <= 1 or not 0 <= self.min_confidence <= 1:
            raise ValueError("likely_end and min_confidence are probabilities, 0 to 1")
        if self.min_words < 1 or self.min_characters < 1:
            raise ValueError("min_words and min_characters must be 1 or more")
