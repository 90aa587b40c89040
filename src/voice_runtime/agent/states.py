"""What state the conversation is in, as the caller has it: driven by what sounds, not by what is being prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from voice_runtime.events import ConversationState, UtteranceAudible, UtteranceFinished
from voice_runtime.turns.commands import State

__all__ = ["States"]


class States:
    """Makes the states that programs see of the floor's, of the first sound of an utterance, and of its being stopped.

    The floor is the agent's as soon as it has something to say; `SPEAKING` begins with the first audio of it.
    """

    def __init__(self, report: Callable[[ConversationState], None]) -> None:
        self._report = report
        self._state = ConversationState.IDLE

    def floor_changed(self, state: State) -> None:
        match state:
            case State.LISTENING:
                self._enter(ConversationState.LISTENING)
            case State.CALLER_SPEAKING | State.ENDING_TURN:
                if self._state is not ConversationState.INTERRUPTED:
                    self._enter(ConversationState.LISTENING)
            case State.THINKING:
                self._enter(ConversationState.THINKING)
            case State.SPEAKING:
                pass  # nothing sounds yet
            case State.PAUSED:
                self.speech_stopped()
            case State.ENDED:
                pass  # the session reports the end of its call
            case _:
                assert_never(state)

    def happened(self, event: UtteranceAudible | UtteranceFinished, floor: State) -> None:
        """An utterance, or the rest of one that was paused, begins to sound, or is over."""
        if isinstance(event, UtteranceAudible):
            self._enter(ConversationState.SPEAKING)
        elif self._state is ConversationState.SPEAKING:
            self.floor_changed(floor)  # of a program that speaks past the floor: no command will say that it is over

    def speech_stopped(self) -> None:
        """What was being said is cut, or pauses."""
        if self._state is ConversationState.SPEAKING:
            self._enter(ConversationState.INTERRUPTED)

    def _enter(self, state: ConversationState) -> None:
        if state is not self._state:
            self._state = state
            self._report(state)
