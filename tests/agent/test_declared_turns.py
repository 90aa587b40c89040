"""A recogniser that decides by itself when the caller is done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from agent_world import Remembering, says

from voice_runtime import VoiceApp
from voice_runtime.events import CallEvent, FinalTranscript, FloorChanged, FloorState
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.session import VoiceSession
from voice_runtime.simulator import Line
from voice_runtime.testing import PhoneTests


class Decides(MockStt):
    """Every final is the end of a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.on_end_of_turn: Callable[[], None] | None = None

    def _say(self, text: str, *, final: bool) -> None:
        super()._say(text, final=final)
        if final and self.on_end_of_turn is not None:
            self.on_end_of_turn()


def test_an_end_of_turn_that_the_recogniser_declares_is_not_waited_for(phone: PhoneTests) -> None:
    """The agent thinks in the moment of the final words, and the events of the call say so."""
    events: list[CallEvent] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield f"You said {turn.text}."

    class Watched(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            call.on_event(events.append)

    async def caller(line: Line) -> None:
        await says(line, "two pizzas and")
        await line.hears("you said two pizzas and")
        await line.hear_out()

    app = VoiceApp(stt=Decides, tts=MockTts)
    app.call()(Watched(brain))
    phone.call(app, caller)
    final = next(event for event in events if isinstance(event, FinalTranscript))
    floor = [event for event in events if isinstance(event, FloorChanged)]
    thinking = next(event for event in floor if event.state is FloorState.THINKING)
    assert thinking.at == final.at
    assert [event.state for event in floor[-2:]] == [FloorState.SPEAKING, FloorState.LISTENING]
