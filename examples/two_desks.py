"""Two agents on one call, and a question with a typed answer: `voice-runtime serve two_desks:app`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent, Date, DigitCode, HandOff, Refused, ask
from voice_runtime.llm import Turn


@dataclass
class Visit:
    """What is known of a call."""

    call: VoiceSession
    order: str = ""


async def move_delivery(visit: Visit) -> str:
    """Have the order delivered on another day; asks for all that it needs."""
    order = await ask(visit.call, DigitCode("What is your order number?", length=4))
    if isinstance(order, Refused):
        return "The caller has no order number."
    day = await ask(visit.call, Date("When shall it come?", today=date(2026, 11, 21), confirm=lambda day: f"{day:%A}?"))
    if isinstance(day, Refused):
        return "The day stays as it is."
    visit.order = order
    return f"Order {order} comes on {day:%A}."


def to_delivery() -> HandOff:
    """Let the delivery desk go on."""
    return HandOff(delivery, "I put you through.")


async def front_brain(turn: Turn) -> AsyncIterator[str]:  # a model chooses from turn.tools.specs
    if "deliver" in turn.text:
        await turn.tools.call("to_delivery", "{}")
    yield "I can only put you through to delivery."


async def delivery_brain(turn: Turn) -> AsyncIterator[str]:
    yield await turn.tools.call("move_delivery", "{}")


delivery = Agent(delivery_brain, name="delivery", tools=[move_delivery], context=Visit)
front = Agent(front_brain, name="front", greeting="Hello! What is it about?", tools=[to_delivery], context=Visit)

app = VoiceApp()
app.call()(front)
