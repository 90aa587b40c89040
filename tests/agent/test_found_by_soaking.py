"""What random calls on random bad days have found (`make soak`), each as the smallest call that shows it."""

from __future__ import annotations

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Limits
from voice_runtime.events import CallerTurnTaken, CallEvent, EndReason, TurnMeasured
from voice_runtime.fallback.stt import FallbackStt
from voice_runtime.llm import Turn
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.simulator import BadDay, Line
from voice_runtime.testing import PhoneTests, ScriptedBrain
from voice_runtime.turns.policy import FloorPolicy


def test_a_carrier_that_loses_every_mark_is_no_fault_of_the_voice(phone: PhoneTests) -> None:
    """What was sent was heard: the conversation goes on, and nobody is hung up on."""
    agent = Remembering(ScriptedBrain(otherwise="yes."), greeting="hello.", limits=Limits(patience=1.0))

    async def asks(line: Line) -> None:
        for _ in range(2):
            await line.hear_out(quiet_ms=5000)
            await says(line, "are you there now")
        await line.hear_out(quiet_ms=5000)

    record = phone.call(desk(agent), asks, bad_day=BadDay(lost_marks=1.0))
    assert ear(record) == "hello. yes. yes."
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP


def test_a_second_opinion_ends_with_the_call(phone: PhoneTests) -> None:
    """A recogniser that was asked beside the first one is stopped, too, when the caller hangs up meanwhile."""
    made: list[Stopped] = []

    class Stopped(MockStt):
        runs = False

        def __init__(self, **options: object) -> None:
            super().__init__(**options)  # type: ignore[arg-type]
            made.append(self)

        async def start(self, inbound_queue) -> None:  # type: ignore[no-untyped-def]
            await super().start(inbound_queue)
            self.runs = True

        async def stop(self) -> None:
            await super().stop()
            self.runs = False

    async def mumbles(line: Line) -> None:
        await line.mumble(2)
        await line.until(lambda: len(made) == 2, 10)

    chain = FallbackStt({"deaf": lambda: Stopped(script=[(1e9, "too late")]), "steady": Stopped}, opinion=30.0)
    app = VoiceApp(stt=chain, tts=MockTts())
    app.call()(Remembering(ScriptedBrain(otherwise="yes.")))
    phone.call(app, mumbles)
    assert [stt.runs for stt in made] == [False, False]


def test_a_turn_that_needs_no_answer_is_taken_before_it_is_measured(phone: PhoneTests) -> None:
    """Also when that was decided before the caller was known to be done."""
    events: list[CallEvent] = []

    class Silent(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            call.on_event(lambda e: events.append(e) if isinstance(e, CallerTurnTaken | TurnMeasured) else None)

        async def user_turn(self, call: VoiceSession, turn: Turn) -> None:
            return None

    async def asks(line: Line) -> None:
        await says(line, "when does it come")
        await line.pause(3)

    phone.call(desk(Silent(ScriptedBrain(), policy=FloorPolicy(preemptive=True))), asks)
    assert [type(event) for event in events] == [CallerTurnTaken, TurnMeasured]
