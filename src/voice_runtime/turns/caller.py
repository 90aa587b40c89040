"""The caller's side of the floor: voice, words, and when a turn of theirs may be taken for ended. Decides nothing."""

from __future__ import annotations

from typing import Final

from voice_runtime.turns.policy import Ending, FloorPolicy
from voice_runtime.turns.transcript import Transcript

__all__ = ["Caller", "Pauses"]

_MEMORY: Final = 0.8  # weight of what was known of a caller's pauses before the last one
_MARGIN: Final = 1.25  # how much longer than usual a pause has to be
_LEAST_VOICE: Final = 0.2  # seconds of voice that are a turn without words


class Pauses:
    """How long this caller pauses in mid-turn: a moving average of the pauses after which they went on."""

    def __init__(self) -> None:
        self._usual: float | None = None

    def observe(self, pause: float) -> None:
        self._usual = pause if self._usual is None else _MEMORY * self._usual + (1 - _MEMORY) * pause

    def wait(self, policy: FloorPolicy, probability: float | None) -> float:
        """How long to wait after the voice. A model's `probability` that the turn is over decides, else the pauses."""
        if probability is not None:
            return policy.min_wait + (policy.max_wait - policy.min_wait) * (1 - probability)
        learned = policy.min_wait if self._usual is None else self._usual * _MARGIN
        return min(max(learned, policy.min_wait), policy.max_wait)


class Caller:
    """What is known of the caller at this moment."""

    def __init__(self) -> None:
        self.words = Transcript()
        self.pauses = Pauses()
        self.voice_since: float | None = None  # None: silent
        self._detected = False  # by a voice detector
        self.voice_end: float | None = None
        self._turn_voice_end: float | None = None  # the same, if it was in this turn
        self.input_at = float("-inf")  # when the words or the keys last changed
        self.asked_for = ""  # the text that the end-of-turn model was last asked about
        self.probability: float | None = None
        self.waits_for_model = False
        self._listens_since: float | None = None  # to the agent, after the caller's own voice
        self._heard_out = False  # the agent, since then
        self._pause: float | None = None  # before the voice that goes on now; a pause only if words come
        self._voiced = 0.0
        self._begun = False

    @property
    def voiced(self) -> bool:
        return self.voice_since is not None

    def voice_started(self, at: float, detected: bool, policy: FloorPolicy) -> None:
        self.voice_since, self._detected = at, detected
        if self.voice_end is None:
            return
        pause = at - self.voice_end
        listened = 0.0 if self._listens_since is None else at - self._listens_since
        # Who speaks as soon as the agent does was not done: that was a pause. Later, it is an interruption.
        self._pause = None if self._heard_out or listened > policy.answer_window else pause
        if pause >= policy.final_wait:
            self.words.settle()

    def agent_heard(self, now: float) -> None:
        """The caller hears the agent: from now on they do not pause but listen."""
        if self._listens_since is None:
            self._listens_since = now

    def agent_spoke(self) -> None:
        """The agent has said something to its end."""
        self._heard_out = True

    def voice_stopped(self, at: float) -> None:
        if self.voice_since is not None:
            self._voiced += max(at - self.voice_since, 0.0)
            self.voice_since, self.voice_end, self._turn_voice_end = None, at, at
            self._listens_since, self._heard_out = None, False

    def voice_counts_at(self, policy: FloorPolicy) -> float | None:
        """When the voice that goes on now is one that interrupts; None: nobody speaks."""
        if self.voice_since is None:
            return None
        return self.voice_since + (policy.min_detected_voice if self._detected else policy.min_voice)

    def hear_partial(self, text: str, now: float, policy: FloorPolicy) -> bool:
        """Whether that changed the words."""
        return self.words.hear_partial(text, overdue=now - self.input_at >= policy.final_wait)

    def input_came(self, now: float, policy: FloorPolicy) -> bool:
        """Words or keys came: the pause before them was one in mid-turn, and what a model said of the turn is out of
        date. Whether they are the first of the turn."""
        first, self._begun = not self._begun, True
        self.input_at = now
        if self.words.text != self.asked_for:  # a final of the very words that were asked about is no news
            self.probability, self.waits_for_model = None, False
        if self._pause is not None and 0 < self._pause <= policy.max_wait:
            self.pauses.observe(self._pause)
        self._pause = None
        return first

    def has_turn(self, policy: FloorPolicy) -> bool:
        """Whether there is anything to answer."""
        return bool(self.words) or (policy.ending is Ending.VOICE and self._voiced >= _LEAST_VOICE)

    def due(self, policy: FloorPolicy) -> float:
        """When the turn is over if nothing more comes."""
        if not self.has_turn(policy):
            wait = policy.max_wait if policy.ending is Ending.DECLARED else policy.final_wait
            return (self.voice_end or 0.0) + wait
        since = self._silent_since(policy)
        due = since + (policy.max_wait if self.waits_for_model else self.pauses.wait(policy, self.probability))
        if self.words.unfinished:
            due = max(due, since + policy.final_wait)
        if policy.max_keys is not None and len(self.words.keys) >= policy.max_keys:
            return self.input_at
        if self.words.keys:
            due = max(due, self.input_at + policy.key_wait)
        return due

    def _silent_since(self, policy: FloorPolicy) -> float:
        """The end of the voice; without a detector, or when it missed a voice, the time of the last words."""
        if self._turn_voice_end is not None and self.input_at - self._turn_voice_end <= policy.final_wait:
            return self._turn_voice_end
        return self.input_at

    def turn_taken(self) -> None:
        self.asked_for, self.probability, self.waits_for_model = "", None, False
        self._voiced, self._begun, self._turn_voice_end = 0.0, False, None
