"""A small Twilio application, as a user would write one: TwiML by hand, Media Streams raw. And some that misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_runtime.audio.tones import beep

PUBLIC = "https://voice.example.com"
TOKEN = "12345"
TONE = beep(440, 1000)
_HUSH = frozenset({0xFF, 0x7F, 0xFE, 0x7E})
Message = dict[str, Any]


@dataclass
class Application:
    """`answer` is called for each media socket, after `start`; `twiml` is what /voice answers.

    `documents`: what other paths answer; each is TwiML, or a whole response.
    """

    answer: Callable[[Socket], Awaitable[None]]
    twiml: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    refuse: bool = False
    documents: dict[str, str | Response] = field(default_factory=dict)
    forms: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)

    def asgi(self) -> ASGIApp:
        hook = Route("/{path:path}", self._webhook, methods=["GET", "POST"])
        return Starlette(routes=[WebSocketRoute("/media", self._media), hook])

    async def _webhook(self, request: Request) -> Response:
        given = request.query_params if request.method == "GET" else await request.form()
        form = {name: str(value) for name, value in given.items()}
        self.forms.append((request.url.path, form, request.headers["x-twilio-signature"]))
        path = request.url.path
        if path in ("/status", "/stream"):
            return Response(status_code=204)
        if path == "/voice":
            document: str | Response = self.twiml or connect(self.parameters)
        else:
            document = self.documents.get(path, "<Response/>" if path == "/next" else Response(status_code=404))
        return document if isinstance(document, Response) else Response(document, media_type="text/xml")

    async def _media(self, websocket: WebSocket) -> None:
        if self.refuse:
            await websocket.close()
            return
        await websocket.accept()
        call = Socket(websocket)
        self.sockets.append(call)
        try:
            await call.receive()
            await call.receive()
            await self.answer(call)
            await websocket.close()
        except WebSocketDisconnect:
            call.disconnected = True

    def asked(self, path: str) -> list[dict[str, str]]:
        """The forms that came to `path`, in order."""
        return [form for known, form, _ in self.forms if known == path]

    def events(self, name: str) -> list[Message]:
        return [message for call in self.sockets for message in call.received if message["event"] == name]


class Socket:
    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.headers = websocket.headers
        self.received: list[Message] = []
        self.disconnected = False

    @property
    def sid(self) -> str:
        return str(self.received[1]["streamSid"])

    async def receive(self) -> Message:
        message: Message = json.loads(await self.websocket.receive_text())
        self.received.append(message)
        return message

    async def until(self, event: str) -> Message:
        while True:
            message = await self.receive()
            if message["event"] == event:
                return message

    async def send(self, event: str, **fields: Any) -> None:
        await self.websocket.send_text(json.dumps({"event": event, "streamSid": self.sid, **fields}))

    async def play(self, ulaw: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(ulaw).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})


def connect(parameters: dict[str, str] | None = None, attributes: str = "", after: str = "") -> str:
    inside = "".join(f'<Parameter name="{n}" value="{v}"/>' for n, v in (parameters or {}).items())
    stream = f'<Stream url="wss://voice.example.com/media" statusCallback="{PUBLIC}/stream">{inside}</Stream>'
    return f'<?xml version="1.0"?><Response><Connect {attributes}>{stream}</Connect>{after}</Response>'


async def echo(call: Socket) -> None:
    """Sends back what it hears."""
    while True:
        message = await call.receive()
        if message["event"] == "media":
            await call.send("media", media={"payload": message["media"]["payload"]})


async def greet(call: Socket) -> None:
    """Speaks for a second, waits until that has been heard, hangs up."""
    await call.play(TONE)
    await call.mark("greeting")
    await call.until("mark")


async def listen(call: Socket) -> None:
    """Hears what there is, says nothing."""
    while True:
        await call.receive()


async def lecture(call: Socket) -> None:
    """Speaks for ten seconds, stops as soon as it hears anything."""
    for number in range(10):
        await call.play(TONE)
        await call.mark(f"lecture-{number}")
    while True:
        message = await call.receive()
        if message["event"] == "media" and set(base64.b64decode(message["media"]["payload"])) - {
            0xFF,
            0x7F,
            0xFE,
            0x7E,
        }:
            await call.send("clear")
            break
    await listen(call)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Run `app` on a free port of this machine, in this event loop. Gives its address."""
    config = uvicorn.Config(
        app, log_level="error", ws="websockets-sansio", loop="none", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 uvicorn tells it no other way
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
