"""A server that answers one call after the other: a consumer of voice-runtime 0.1, as its README describes one.

It subclasses the session, runs the web server in a thread, wires recognition through `on_stt_ready`, stops talking when
the caller does, and uses the one session again with `reset()`. It is run as it stands.
"""

# ruff: noqa: T201 a script talks to its terminal

import asyncio
import os
import queue
import sys
import threading
import time
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request, Response

from voice_runtime import CallHangupError, CallNotAnsweredError, VoiceSession, create_tts, get_stt_class
from voice_runtime.transports.twilio_call import build_stream_xml
from voice_runtime.transports.twilio_ws import register_voice_websocket


class Tape:
    """A mixer of the program's own."""

    def __init__(self):
        self.caller = self.agent = 0

    def write_caller(self, chunk):
        self.caller += len(chunk)

    def write_agent(self, chunk):
        self.agent += len(chunk)


@dataclass
class TelcoSession(VoiceSession):
    tenant: str = "acme"
    heard: queue.Queue = field(default_factory=queue.Queue)
    barge_in: threading.Event = field(default_factory=threading.Event)

    def start(self):
        app = FastAPI()
        register_voice_websocket(app, self)
        app.post("/incoming")(self.incoming)
        app.post("/test/inject")(self.inject)
        port = int(os.environ["VOICE_SERVER_PORT"])
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        self._thread = threading.Thread(target=self._run_loop, daemon=True)
        self._thread.start()

    def _run_loop(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.set_loop(loop)
        loop.run_until_complete(self._server.serve())
        loop.close()

    def shutdown(self):
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def incoming(self):
        return Response(build_stream_xml(os.environ["VOICE_STREAM_URL"]), media_type="text/xml")

    async def inject(self, request: Request):
        if self.stt is None:
            return {"taken": False}
        self.stt.inject((await request.json())["text"])
        return {"taken": True}

    def wire(self, stt):
        stt.on_committed = self.on_committed
        stt.on_error = lambda text: print("deaf:", text)

    def on_committed(self, text):
        if text == "stop":
            self.barge_in.set()
            self.request_clear_buffer()
        self.heard.put(text)

    def listen(self, timeout=10.0):
        text = self.heard.get(timeout=timeout)
        if self.is_disconnected:
            raise CallHangupError()
        return text


session = TelcoSession()
session.stt_factory = lambda: get_stt_class(os.environ["STT_PROVIDER"])(language_code="en")
session.on_stt_ready = session.wire
session.start()
tts = create_tts(provider=os.environ["TTS_PROVIDER"])
for number in range(int(sys.argv[1])):
    tape = Tape()
    session.set_mixer(tape)
    try:
        session.wait_for_ws_connect(timeout=10)
        greeting = tts.speak("Tea, pie or cake", session, session.barge_in)
        session.barge_in.clear()
        order = session.listen()
        session.send_mark_and_wait("silence", timeout=5.0)
        tts.speak(f"{order}!", session)
        print("call", number, session.call_sid, order, greeting.get("interrupted", False), tape.agent > 0 < tape.caller)
    except (CallNotAnsweredError, CallHangupError) as error:
        print("call", number, "failed", error)
    session.request_disconnect()
    while not session.is_disconnected:
        time.sleep(0.01)
    session.reset()
session.shutdown()
print("down", threading.active_count(), flush=True)
