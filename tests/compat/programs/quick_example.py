"""Calls somebody, asks, hears one answer, hangs up: a script against voice-runtime 0.1, in the order of its README.

It is run as it stands, in a process of its own. Recognition is attached when the call is up already, as 0.1's quick
example does it.
"""

# ruff: noqa: T201 a script talks to its terminal

import asyncio
import os
import threading
import time

import uvicorn
from fastapi import FastAPI, Request

from voice_runtime.session import VoiceSession
from voice_runtime.stt import create_stt
from voice_runtime.transports.twilio_call import initiate_outbound_call
from voice_runtime.transports.twilio_ws import register_voice_websocket
from voice_runtime.tts import create_tts

session = VoiceSession()
app = FastAPI()
register_voice_websocket(app, session)


@app.post("/test/inject")
async def inject(request: Request):
    """0.1 left this to programs: what the mock recogniser is to hear."""
    if session.stt is None:
        return {"taken": False}
    session.stt.inject((await request.json())["text"])
    return {"taken": True}


def run_server():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    session.set_loop(loop)
    port = int(os.environ["VOICE_SERVER_PORT"])
    loop.run_until_complete(uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning")).serve())


threading.Thread(target=run_server, daemon=True).start()
time.sleep(0.3)

call_sid = initiate_outbound_call("+358401234567")
session.call_sid = call_sid
session.wait_for_ws_connect(timeout=10)
print("answered", flush=True)

tts = create_tts(os.environ["TTS_PROVIDER"])
print(tts.speak("Red or white?", session))
session.send_mark_and_wait("after-question")

answered = threading.Event()
answers = []


def on_committed(text):
    answers.append(text)
    answered.set()


def recogniser():
    stt = create_stt(os.environ["STT_PROVIDER"])
    stt.on_committed = on_committed
    return stt


session.stt_factory = recogniser
print("heard" if answered.wait(timeout=10) else "heard nothing", answers, flush=True)

session.request_disconnect()
