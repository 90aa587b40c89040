"""Do the caller's words take the floor from an agent that speaks?"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from voice_runtime.turns.lexicon import Meaning
from voice_runtime.turns.policy import FloorPolicy

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
    """What is to happen to the agent's speech."""

    LEAVE = "leave"
    RESUME = "resume"
    STOP = "stop"


def judge(policy: FloorPolicy, text: str, confidence: float | None, *, final: bool, suspected: bool) -> Verdict:
    """`text`: all that the caller has said and nobody has answered. `confidence` None: the recogniser does not tell.

    `suspected`: speech is paused for a voice already, or nothing of it was heard yet: then one word is enough.
    """
    if confidence is not None and confidence < policy.min_confidence:
        return Verdict.LEAVE
    meaning = policy.lexicon.meaning(text)
    match meaning:
        case Meaning.STOP:
            return Verdict.STOP
        case Meaning.BACKCHANNEL:
            return Verdict.RESUME if final else Verdict.LEAVE  # "yeah" may be the beginning of "yeah, but ..."
        case Meaning.WORDS:
            words, characters = policy.lexicon.weight(text)
            enough = words >= policy.min_words or characters >= policy.min_characters
            return Verdict.STOP if enough or suspected else Verdict.LEAVE
        case Meaning.NOTHING:
            return Verdict.LEAVE
        case _:
            assert_never(meaning)
