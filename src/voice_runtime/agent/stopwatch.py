"""Publishes how long the caller waited, turn by turn: a stopwatch beside the conversation, which it does not touch."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voice_runtime.events import (
    CallEnded,
    CallEvent,
    ConversationState,
    StateChanged,
    TokensUsed,
    UtteranceAudible,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.llm import Part
from voice_runtime.session import VoiceSession
from voice_runtime.session.synthesis import closing
from voice_runtime.turns import commands as do
from voice_runtime.turns import events as on
from voice_runtime.turns.stopwatch import Stopwatch

__all__ = ["TurnWatch"]


class TurnWatch:
    """Stamps what happens with the call's time."""

    def __init__(self, call: VoiceSession) -> None:
        self._call = call
        self._watch = Stopwatch()
        self._utterance = 0  # the session's number of what is being said
        self.close = call.on_event(self._happened)

    def told(self, event: on.Event) -> None:
        """The floor is told this now."""
        self._publish(self._watch.told(event, self._call.elapsed()))

    def did(self, command: do.Command) -> None:
        """This was done."""
        self._publish(self._watch.did(command, self._call.elapsed()))

    async def timed(self, turn: int, answer: AsyncIterator[Part]) -> AsyncIterator[Part]:
        """The brain's answer, as it is."""
        self._watch.asked(turn, self._call.elapsed())
        async with closing(answer):
            async for part in answer:
                if isinstance(part, str) and part.strip():
                    self._watch.text_began(turn, self._call.elapsed())
                yield part

    def failed(self) -> None:
        """The turn failed."""
        self._watch.failed()

    def spoken(self, heard_text: str, unfinished: bool) -> None:
        """The agent is done with what it was saying."""
        self._publish(self._watch.spoken(heard_text, unfinished, self._call.elapsed()))

    def _happened(self, event: CallEvent) -> None:
        match event:
            case UtteranceStarted(utterance=utterance):
                self._utterance = utterance
                self._publish(self._watch.uttered(event))
            case UtteranceAudible() | UtteranceFinished():
                self._publish(self._watch.uttered(event))
            case TokensUsed(input_tokens=input_tokens, output_tokens=output_tokens):
                self._watch.tokens(input_tokens, output_tokens)
            # Told from within their publication, so that these stay the last events of the call.
            case CallEnded(at) | StateChanged(at, ConversationState.ENDED):
                playout, since = self._call.stream.playout(self._utterance), self._call.since_connected
                self._publish(self._watch.call_ended(at, since(playout.sent_at), since(playout.plays_at)))
            case _:
                pass

    def _publish(self, events: list[CallEvent]) -> None:
        for event in events:
            self._call.hub.publish(event)
