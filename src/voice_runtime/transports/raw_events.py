"""What a raw-audio client is told of its call: each event of the session as the messages that it becomes."""

from __future__ import annotations

from voice_runtime.events import (
    CallEnded,
    CallEvent,
    ConversationState,
    FinalTranscript,
    PartialTranscript,
    ProviderFailed,
    StateChanged,
    UtteranceFinished,
)
from voice_runtime.wire.raw import encode

__all__ = ["Narrator"]


class Narrator:
    """Of one call. It counts turns: one begins when the agent thinks about what was said."""

    def __init__(self) -> None:
        self._turns = 0
        self._said: list[str] = []

    def messages(self, event: CallEvent) -> list[str]:
        at = round(event.at, 3)
        match event:
            case StateChanged(state=state, previous=previous):
                found = [encode("state", at=at, state=state, previous=previous)]
                if state is ConversationState.THINKING:
                    self._turns += 1
                    said, self._said = " ".join(self._said), []
                    found.append(encode("turn", at=at, number=self._turns, text=said))
                return found
            case PartialTranscript(text=text):
                return [encode("transcript", at=at, text=text, final=False)]
            case FinalTranscript(text=text):
                self._said.append(text)
                return [encode("transcript", at=at, text=text, final=True)]
            case UtteranceFinished(heard_text=text, outcome=outcome):
                return [encode("agent", at=at, text=text, outcome=outcome)]
            case ProviderFailed(kind=kind, reason=reason):
                return [encode("error", at=at, code="provider_failed", message=f"{kind}: {reason}")]
            case CallEnded(end=end):
                return [encode("ended", at=at, reason=end.reason, fault=end.fault)]
            case _:
                return []
