"""A voice application that knows nothing of this package: Starlette, and TwiML and signatures by Twilio's own SDK."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

from voice_runtime.audio.spelling import spell

FOREIGN_TOKEN = "the-token-of-another-application"
GREETING = "hello there"


async def voice(request: Request) -> Response:
    form = {name: str(value) for name, value in (await request.form()).items()}
    signature = request.headers.get("x-twilio-signature", "")
    if not RequestValidator(FOREIGN_TOKEN).validate(str(request.url), form, signature):
        return Response(status_code=403)
    answer, carried = VoiceResponse(), Connect()
    carried.stream(url=f"wss://{request.headers['host']}/media")
    answer.append(carried)
    answer.hangup()
    return Response(str(answer), media_type="text/xml")


async def media(socket: WebSocket) -> None:
    """Greets. The key 9 makes it send a field too many; the key # makes it hang up."""
    await socket.accept()
    sid = ""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = json.loads(await socket.receive_text())
            if message["event"] == "start":
                sid = message["streamSid"]
                payload = base64.b64encode(spell(GREETING)).decode()
                await socket.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})
                await socket.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "greeted"}})
            elif message["event"] == "dtmf" and message["dtmf"]["digit"] == "9":
                await socket.send_json({"event": "clear", "streamSid": sid, "reason": "nine"})
            elif message["event"] == "dtmf" and message["dtmf"]["digit"] == "#":
                await socket.close()
                return
            elif message["event"] == "stop":
                return


@contextlib.contextmanager
def foreign_application() -> Iterator[str]:
    """Serves it in a thread; gives its address."""
    app = Starlette(routes=[Route("/voice", voice, methods=["POST"]), WebSocketRoute("/media", media)])
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="foreign-application")
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
