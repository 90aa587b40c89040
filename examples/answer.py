"""Answer a call: `VOICE_STT=azure VOICE_TTS=azure voice-runtime serve answer:app`, with the key of your vendor set."""

from voice_runtime import VoiceApp, VoiceSession

app = VoiceApp()


@app.call()
async def answer(call: VoiceSession) -> None:
    await call.say("Hello! What is your order number?")
    order = await call.listen()
    await call.say(f"Thank you. I heard {order.text}.")
