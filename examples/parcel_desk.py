"""The agent of docs/tutorial.md: it answers, understands, can be interrupted, collects digits, and ends.

Speaks and hears without a vendor (`pip install 'voice-runtime[local]'`): `voice-runtime serve parcel_desk:app`.
"""

from collections.abc import Callable

from voice_runtime import NothingHeardError, Settings, VoiceApp, VoiceSession, create_stt
from voice_runtime.stt import SttProvider
from voice_runtime.tts import StreamingTts

GRAMMAR = """#JSGF V1.0;
grammar desk;
public <utterance> = [ hello ] ( where is my parcel | i want to know where my parcel is )
                   | hello | yes [ that is right ] | no [ that is wrong | thank you ] | thank you [ goodbye ] | goodbye;
"""


def hears() -> SttProvider:
    """Recognition for one call: just the sentences that are of use here."""
    return create_stt("pocketsphinx", grammar=GRAMMAR)


async def answer(call: VoiceSession) -> None:
    greeting = await call.say(
        "Welcome to the parcel desk. You can ask me where your parcel is, at any time, by day and by night.",
        barge_in="speech",
    )
    if greeting.interrupted:
        print(f"interrupted; the caller had heard: {greeting.heard_text}")
    try:
        wish = await call.listen(timeout=10)
    except NothingHeardError:
        await call.say("I did not hear anything. Goodbye.")
        return
    if "parcel" not in wish.text:
        await call.say("I can only tell where parcels are. Goodbye.")
        return
    await call.say("Please key in your order number, and then the hash key.")
    number = await call.collect_digits()
    if number:
        await call.say(f"Order {' '.join(number.text)} comes on Thursday. Goodbye.")
    else:
        await call.say("Without a number I cannot look. Goodbye.")


def parcel_desk(
    settings: Settings | None = None,
    stt: Callable[[], SttProvider] = hears,
    tts: str | StreamingTts = "espeak",
    session: Callable[[], VoiceSession] = VoiceSession,
) -> VoiceApp:
    """The application: what tests put in place of speech and settings goes in here."""
    app = VoiceApp(stt=stt, tts=tts, settings=settings, session=session)
    app.call()(answer)
    return app


app = parcel_desk()
