"""Record every call to a stereo WAV file: `voice-runtime serve record:app`."""

import asyncio

from voice_runtime import AudioMixer, VoiceApp, VoiceSession

app = VoiceApp()


@app.call()
async def answer(call: VoiceSession) -> None:
    recording = AudioMixer(f"{call.call_sid}.wav", monitor=False)
    recording.start()
    call.set_mixer(recording)
    try:
        await call.say("This call is recorded. What can I do for you?")
        wish = await call.listen()
        await call.say(f"You said: {wish.text}. Goodbye.")
    finally:
        call.set_mixer(None)
        await asyncio.to_thread(recording.shutdown)
