"""Place a call and talk: `voice-runtime call +15551234567 place_a_call:app`."""

from voice_runtime import VoiceApp, VoiceSession

app = VoiceApp()


@app.call()
async def remind(call: VoiceSession) -> None:
    await call.say("Your parcel comes on Thursday. May we leave it at the door?")
    answer = await call.listen()
    await call.say("Then we will." if "yes" in answer.text.lower() else "Then we ring the bell.")
