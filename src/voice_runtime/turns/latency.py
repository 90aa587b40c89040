"""How long the caller waited for an answer, and for whom: from the moments at which one turn came how far."""

from __future__ import annotations

from enum import Enum
from typing import Final

from voice_runtime.events import Stage, StageTime

__all__ = ["Moment", "Moments"]


class Moment(Enum):
    """What happens on the way to an answer, in this order; but the brain may be asked before the turn is over."""

    VOICE_ENDED = "voice_ended"
    WORDS_CAME = "words_came"
    TURN_TAKEN = "turn_taken"
    BRAIN_ASKED = "brain_asked"
    TEXT_BEGAN = "text_began"
    SENTENCE_CAME = "sentence_came"
    VOICE_ASKED = "voice_asked"
    AUDIO_CAME = "audio_came"
    AUDIO_SENT = "audio_sent"
    AUDIO_PLAYED = "audio_played"


_ENDS: Final = {
    Moment.WORDS_CAME: Stage.TRANSCRIBING,
    Moment.TURN_TAKEN: Stage.WAITING,
    Moment.BRAIN_ASKED: Stage.PREPARING,
    Moment.TEXT_BEGAN: Stage.THINKING,
    Moment.SENTENCE_CAME: Stage.WRITING,
    Moment.VOICE_ASKED: Stage.QUEUEING,
    Moment.AUDIO_CAME: Stage.SYNTHESISING,
    Moment.AUDIO_SENT: Stage.SENDING,
    Moment.AUDIO_PLAYED: Stage.PLAYING,
}


class Moments:
    """The moments of one turn, in seconds of any clock."""

    def __init__(self) -> None:
        self._at: dict[Moment, float] = {}

    def __getitem__(self, moment: Moment) -> float:
        return self._at[moment]

    def __contains__(self, moment: Moment) -> bool:
        return moment in self._at

    def reached(self, moment: Moment, at: float) -> None:
        """The first time counts."""
        self._at.setdefault(moment, at)

    @property
    def answering(self) -> bool:
        """Whether there was text to say when the voice was first asked; what it is asked for else fills the time."""
        return Moment.TEXT_BEGAN in self or Moment.VOICE_ASKED in self

    @property
    def began_at(self) -> float | None:
        """The end of the caller's speech; None before the turn was taken."""
        return self._at.get(Moment.VOICE_ENDED)

    @property
    def latency_ms(self) -> float | None:
        """From the end of the caller's speech to the first sound."""
        if self.began_at is None or Moment.AUDIO_PLAYED not in self:
            return None
        return (self[Moment.AUDIO_PLAYED] - self.began_at) * 1000

    @property
    def stages(self) -> tuple[StageTime, ...]:
        """They follow one another without a gap: what was done ahead of its time took none of the caller's."""
        if self.began_at is None:
            return ()
        found, before = [], self.began_at
        for moment, stage in _ENDS.items():
            if moment in self:
                at = max(self[moment], before)
                found.append(StageTime(stage, (at - before) * 1000))
                before = at
        return tuple(found)
