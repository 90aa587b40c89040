"""The agent of the demo: a delivery line that tracks parcels and changes delivery days. Read it as an example.

Its brain is rules, so that it works offline; a language model would take its place and keep the rest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

from voice_runtime.agent import Agent
from voice_runtime.agent.builtin_tools import hang_up
from voice_runtime.llm import AgentItem, Turn, UserItem
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.settings import Settings
from voice_runtime.stt import SttProvider, create_stt
from voice_runtime.tools import tool

__all__ = ["GRAMMAR", "PROMPTS", "DeliveryLine", "delivery_line"]

GRAMMAR = """#JSGF V1.0;
grammar delivery;
public <utterance> = <answer> | <intent> | <order> | <farewell>;
<answer> = yes [ please | that is right ] | no [ that is wrong | thank you [ goodbye ] ] | <day>;
<intent> = [ hello ] ( where is my parcel | i want to know where my parcel is )
         | hello
         | ( change the delivery to | deliver it on ) <day> [ please ]
         | i want to speak to a person | operator | help;
<order> = [ my order number is ] <digit> <digit> <digit> <digit> [ <digit> [ <digit> ] ];
<farewell> = thank you [ goodbye ] | goodbye;
<day> = monday | tuesday | wednesday | thursday | friday | saturday | sunday;
<digit> = zero | oh | one | two | three | four | five | six | seven | eight | nine;
"""

DIGITS = dict(zip("zero one two three four five six seven eight nine".split(), "0123456789", strict=True)) | {"oh": "0"}
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

PROMPTS = {
    "greeting": (
        "Welcome to Parcel Post, the delivery line that never sleeps. "
        "You can ask where your parcel is, or change the day of its delivery. What can I do for you today?"
    ),
    "order": "Sure. Please say or key in your order number.",
    "confirm": "I heard {number}. Is that right?",
    "again": "Sorry. Please try the number once more.",
    "code": "I can do that. To confirm the new day, please key in the code from our letter, and then the hash key.",
    "unclear": "I did not understand that. You can say: where is my parcel.",
    "goodbye": "Thank you for calling. Goodbye.",
}


class DeliveryLine(Agent):
    """Greets, listens, uses its tools, and hangs up when the caller wants nothing more."""

    def __init__(self) -> None:
        super().__init__(self.think, greeting=PROMPTS["greeting"], tools=[hang_up])

    @tool
    async def track_parcel(self, number: str) -> str:
        """Where the parcel of an order is."""
        return "Your parcel left our warehouse this morning and comes on Thursday. Is there anything else?"

    @tool
    async def change_day(self, day: str, code: str) -> str:
        """Have a parcel delivered on another day. The code is on the letter."""
        return f"Done. Your parcel now comes on {day.capitalize()}. Anything else?"

    async def think(self, turn: Turn) -> AsyncIterator[str]:
        """The brain: what to say to what the caller said, after what was said before."""
        said, asked = turn.text, last_heard(turn)
        number = turn.keys or digits_in(said)
        if "parcel" in said:
            yield PROMPTS["order"]
        elif day_in(said):
            yield PROMPTS["code"]
        elif number and "code" in asked:
            yield await use(turn, "change_day", day=earlier(turn, day_in), code=number)
        elif number:
            yield PROMPTS["confirm"].format(number=" ".join(number))
        elif said.startswith("yes"):
            yield await use(turn, "track_parcel", number=earlier(turn, digits_in))
        elif "wrong" in said:
            yield PROMPTS["again"]
        elif {"no", "goodbye"} & set(said.split()):
            await use(turn, "hang_up")
            yield PROMPTS["goodbye"]
        else:
            yield PROMPTS["unclear"]


def delivery_line(settings: Settings, agent: DeliveryLine) -> VoiceApp:
    """The whole application."""
    app = VoiceApp(stt=recognition, tts="espeak", settings=settings)
    app.call()(agent)
    return app


def recognition() -> SttProvider:
    """Recognition of everything that can be said on this line, in one grammar."""
    return create_stt("pocketsphinx", grammar=GRAMMAR)


async def use(turn: Turn, name: str, **arguments: str) -> str:
    """Have a tool used, as a model would."""
    return await turn.tools.call(name, json.dumps(arguments))


def last_heard(turn: Turn) -> str:
    """The last thing the caller heard."""
    return next((item.text for item in reversed(turn.history) if isinstance(item, AgentItem)), "")


def earlier(turn: Turn, find: Callable[[str], str]) -> str:
    """What was found in the caller's words, the last time they had any."""
    said = (find(item.text) or item.keys for item in reversed(turn.history) if isinstance(item, UserItem))
    return next(filter(None, said), "")


def day_in(said: str) -> str:
    """The day that was named."""
    return next((day for day in DAYS if day in said.split()), "")


def digits_in(said: str) -> str:
    """The digits that were said."""
    return "".join(DIGITS.get(word, "") for word in said.split())
