"""The agent of the demo: a delivery line that takes an order number by voice or by keypad. Read it as an example."""

from __future__ import annotations

from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.stt import SttProvider, create_stt
from voice_runtime.turns.digits import Digits

__all__ = ["GRAMMAR", "PROMPTS", "delivery_line"]

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
    "status": "Your parcel left our warehouse this morning and comes on Thursday. Is there anything else?",
    "code": "I can do that. To confirm the new day, please key in the code from our letter, and then the hash key.",
    "changed": "Done. Your parcel now comes on {day}. Anything else?",
    "unclear": "I did not understand that. You can say: where is my parcel.",
    "goodbye": "Thank you for calling. Goodbye.",
}


def recognition() -> SttProvider:
    """Recognition of everything that can be said on this line, in one grammar."""
    return create_stt("pocketsphinx", grammar=GRAMMAR)


def delivery_line(settings: Settings) -> VoiceApp:
    """The whole application."""
    app = VoiceApp(stt=recognition, tts="espeak", settings=settings)

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.say(PROMPTS["greeting"], barge_in="speech")
        wish = (await call.listen()).text
        if "parcel" in wish:
            await order_number(call)
            await call.say(PROMPTS["status"])
            wish = (await call.listen()).text
        for day in DAYS:
            if day in wish:
                await call.say(PROMPTS["code"])
                await call.collect_digits(max_digits=6)
                await call.say(PROMPTS["changed"].format(day=day))
                await call.listen()
        await call.say(PROMPTS["goodbye"])

    return app


async def order_number(call: VoiceSession) -> str:
    """Ask until a number is confirmed."""
    prompt = PROMPTS["order"]
    while True:
        await call.say(prompt)
        number = await spoken_or_keyed(call)
        if number:
            await call.say(PROMPTS["confirm"].format(number=" ".join(number)))
            if (await call.listen()).text.startswith("yes"):
                return number
        prompt = PROMPTS["again"]


async def spoken_or_keyed(call: VoiceSession) -> str:
    """Digits, said in one go or pressed one by one, whichever the caller prefers; "" after ten seconds of neither."""
    answer = await call.listen_or_collect(max_digits=4)
    if isinstance(answer, Digits):
        return answer.text
    return "".join(DIGITS.get(word, "") for word in answer.text.split())
