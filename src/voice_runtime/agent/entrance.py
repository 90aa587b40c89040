"""The caller waits for the greeting, while the program prepares the call in its hook `enter`."""

from __future__ import annotations

from collections.abc import Callable

from voice_runtime.agent.asking import Questions
from voice_runtime.agent.seat import Seat
from voice_runtime.agent.talk import AgentTalk
from voice_runtime.session import VoiceSession

__all__ = ["Entrance"]

LINES = 10
"""So often the caller is told to wait; then the hook has failed."""


class Entrance:
    """`failed(error)`: the hook does not end."""

    def __init__(
        self,
        call: VoiceSession,
        seat: Seat,
        talk: AgentTalk,
        questions: Questions,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._call = call
        self._seat = seat
        self._talk = talk
        self._questions = questions
        self._failed = failed
        self._late = 0

    def late(self) -> None:
        """The caller has heard nothing for as long as anybody's patience lasts."""
        if self._questions.current is not None or self._call.listens:
            return  # it is the caller who is waited for
        self._late += 1
        if self._late > LINES:
            self._failed(TimeoutError(f"the hook `enter` of {self._seat.agent.name} does not end"))
            return
        fillers, who = self._seat.agent.phrases.fillers, self._call.answered_by
        if fillers and (who is None or not who.machine):
            self._talk.say(fillers[min(self._late, len(fillers)) - 1])
