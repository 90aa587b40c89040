"""A program written for voice-runtime 0.1, as it was: a session, callbacks that hear, a thread that speaks.

Needs TWILIO_AUTH_TOKEN and VOICE_STREAM_URL. What has changed under it: docs/moving-from-0.1.md.
"""

import os
import queue
import threading

import uvicorn
from fastapi import FastAPI, Response

from voice_runtime import VoiceSession, create_tts, get_stt_class
from voice_runtime.providers import SttProvider
from voice_runtime.transports.twilio_call import build_stream_twiml
from voice_runtime.transports.twilio_ws import register_voice_websocket

session = VoiceSession()
heard: queue.Queue[str] = queue.Queue()


def wire(stt: SttProvider) -> None:
    stt.on_committed = heard.put


session.stt_factory = get_stt_class("mock")  # "elevenlabs" or "azure" where there is a key
session.on_stt_ready = wire

app = FastAPI()
register_voice_websocket(app, session)


@app.post("/incoming")
def incoming() -> Response:
    threading.Thread(target=conversation, daemon=True).start()
    return Response(build_stream_twiml(os.environ["VOICE_STREAM_URL"]), media_type="text/xml")


def conversation() -> None:
    tts = create_tts("mock")
    session.wait_for_ws_connect(timeout=30)
    tts.speak("Hello. What is your name?", session)
    tts.speak(f"Hello {heard.get(timeout=30)}.", session)
    session.request_disconnect()


if __name__ == "__main__":
    uvicorn.run(app, port=8080)
