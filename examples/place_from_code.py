"""Call somebody from a program: `python place_from_code.py +15551234567`.

Needs VOICE_PUBLIC_URL, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER and VOICE_TTS.
"""

import asyncio
import sys

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.server.serving import Stop, serve
from voice_runtime.server.webhooks import CallStatus

app = VoiceApp()
stop = Stop()


@app.call()
async def remind(call: VoiceSession) -> None:
    await call.say("Hello. Your parcel comes on Thursday. Goodbye.")


@app.status
def over(status: CallStatus) -> None:
    if status.terminal:
        print(f"{status.call_sid}: {status.status}")
        stop.ask()


async def main(number: str) -> None:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, ready=lambda port: ready.set(), stop=stop))
        await ready.wait()
        await app.place_call(number)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
