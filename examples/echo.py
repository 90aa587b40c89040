"""Give the caller's voice back, half a second later, without any speech vendor: `voice-runtime serve echo:app`."""

from collections import deque

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.audio import beep

app = VoiceApp()


@app.call()
async def echo(call: VoiceSession) -> None:
    await call.play(beep())
    waiting: deque[bytes] = deque()
    async for frame in call.audio():  # mu-law, 8 kHz, 160 bytes (20 ms) each from Twilio
        waiting.append(frame)
        if len(waiting) > 25:
            call.send_audio(waiting.popleft())
