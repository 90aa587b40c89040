"""The turns of one call: numbered, begun, committed or discarded, answered or cancelled. One at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from voice_runtime.turns.commands import BeginTurn, CancelThinking, Command, CommitTurn, CorrectTurn, DiscardTurn
from voice_runtime.turns.lexicon import same_words

__all__ = ["Phase", "Turns"]


class Phase(Enum):
    """What is done about the last turn."""

    NONE = "none"
    SPECULATIVE = "speculative"
    THINKING = "thinking"
    ANSWERED = "answered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class _Words:
    text: str = ""
    keys: str = ""

    def same(self, other: _Words) -> bool:
        return self.keys == other.keys and same_words(self.text, other.text)


class Turns:
    """The last turn that was begun."""

    def __init__(self) -> None:
        self.number = 0
        self.phase = Phase.NONE
        self.speculations = 0  # since the last commitment
        self._words = _Words()
        self.committed = 0  # the last turn that was
        self.committed_text = ""

    def speculate(self, text: str, keys: str) -> list[Command]:
        """Begin a turn that may turn out not to be one. Nothing if this very turn is begun already."""
        if self.phase is Phase.SPECULATIVE:
            return []
        self.speculations += 1
        return [self._begin(_Words(text, keys))]

    def contradict(self, text: str, keys: str) -> list[Command]:
        """The pending words are these now: a speculation about others is wrong."""
        if self.phase is not Phase.SPECULATIVE or self._words.same(_Words(text, keys)):
            return []
        self.phase = Phase.NONE
        return [DiscardTurn(self.number)]

    def commit(self, text: str, keys: str) -> list[Command]:
        """These words are a turn."""
        commands = self.contradict(text, keys)
        if self.phase is not Phase.SPECULATIVE:
            commands.append(self._begin(_Words(text, keys)))
        self.phase = Phase.THINKING
        self.speculations = 0
        self.committed, self.committed_text = self.number, text
        return [*commands, CommitTurn(self.number)]

    def answered(self, number: int) -> bool:
        """The agent is done with that turn. Whether it is one that was committed and waited for."""
        if number != self.number or self.phase is not Phase.THINKING:
            return False
        self.phase = Phase.ANSWERED
        return True

    def cancel(self) -> list[Command]:
        """Nobody wants the answer any more, nor what is still to come of it."""
        match self.phase:
            case Phase.THINKING:
                self.phase = Phase.CANCELLED
                return [CancelThinking(self.number)]
            case Phase.ANSWERED:
                self.phase = Phase.CANCELLED
                return []
            case Phase.SPECULATIVE:
                self.phase = Phase.NONE
                return [DiscardTurn(self.number)]
            case Phase.NONE | Phase.CANCELLED:
                return []
            case _:
                assert_never(self.phase)

    def accepts(self, number: int) -> bool:
        """Whether the answer to that turn may be heard."""
        return number == self.number and self.phase in (Phase.THINKING, Phase.ANSWERED)

    def correct(self, text: str) -> list[Command]:
        """The text of the last committed turn is this."""
        if not self.committed:
            return []
        self.committed_text = text
        return [CorrectTurn(self.committed, text)]

    def _begin(self, words: _Words) -> BeginTurn:
        self.number += 1
        self.phase = Phase.SPECULATIVE
        self._words = words
        return BeginTurn(self.number, words.text, words.keys)
