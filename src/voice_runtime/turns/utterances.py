"""What the agent says and wants to say: one utterance at a time, the others in their order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voice_runtime.turns.commands import Command, DropSpeech, StartSpeech
from voice_runtime.turns.thinking import Turns

__all__ = ["Utterances"]


@dataclass(slots=True)
class _Utterance:
    number: int
    turn: int | None
    interruptible: bool
    audible: bool = False


class Utterances:
    """The utterance that has the floor, and those that wait for it."""

    def __init__(self) -> None:
        self.current: _Utterance | None = None
        self._queue: deque[_Utterance] = deque()

    def add(self, number: int, turn: int | None, interruptible: bool) -> None:
        self._queue.append(_Utterance(number, turn, interruptible))

    def take(self, turns: Turns) -> list[Command]:
        """Start the next utterance, if none is being said. Answers to a turn that is no more are dropped."""
        commands: list[Command] = []
        while self._queue and self.current is None:
            utterance = self._queue.popleft()
            if utterance.turn is None or turns.accepts(utterance.turn):
                self.current = utterance
                commands.append(StartSpeech(utterance.number))
            else:
                commands.append(DropSpeech(utterance.number))
        return commands

    def waiting(self, turns: Turns, *, answers: bool = False) -> bool:
        """Whether anything waits to be said. `answers`: to a turn of the caller's."""
        return any(not answers if waiting.turn is None else turns.accepts(waiting.turn) for waiting in self._queue)

    def heard(self, number: int) -> None:
        """The first audio of it came out of the caller's phone."""
        if self.current is not None and self.current.number == number:
            self.current.audible = True

    def ended(self, number: int) -> bool:
        """That utterance is over. Whether it was the current one."""
        if self.current is None or self.current.number != number:
            self._queue = deque(waiting for waiting in self._queue if waiting.number != number)
            return False
        self.current = None
        return True

    def drop(self, *, force: bool = False) -> list[Command]:
        """Forget what waits; what must be heard stays, unless by force."""
        gone = [waiting for waiting in self._queue if force or waiting.interruptible]
        self._queue = deque(waiting for waiting in self._queue if waiting not in gone)
        return [DropSpeech(waiting.number) for waiting in gone]
