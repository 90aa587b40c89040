"""A service that speaks OpenAI's API on loopback: chat completions, transcriptions, speech."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

__all__ = ["OpenAiService", "calls", "says"]

Events = list[dict[str, Any]]


def says(*pieces: str, finish: str | None = "stop") -> Events:
    """The stream of an answer in so many pieces. `finish` None: it breaks off."""
    events: Events = [{"delta": {"role": "assistant", "content": ""}}]
    events += [{"delta": {"content": piece}} for piece in pieces]
    return [*events, {"delta": {}, "finish_reason": finish}] if finish else events


def calls(*wanted: tuple[str, str], text: str = "") -> Events:
    """The stream of an answer that asks for tools: name and arguments, these in two pieces."""
    events: Events = [{"delta": {"role": "assistant", "content": text or None}}]
    for index, (name, arguments) in enumerate(wanted):
        half = len(arguments) // 2
        first = {"index": index, "id": f"id{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        events.append({"delta": {"tool_calls": [first]}})
        for part in (arguments[:half], arguments[half:]):
            events.append({"delta": {"tool_calls": [{"index": index, "function": {"arguments": part}}]}})
    return [*events, {"delta": {}, "finish_reason": "tool_calls"}]


@dataclass
class OpenAiService:
    """`answers`: streams of chat completions, in order; `texts`: of transcriptions; `pcm`: what is said, at 24 kHz.

    `statuses`: HTTP errors for the next requests, in place of answers. `hold`: within an answer, wait for this.
    """

    answers: deque[Events] = field(default_factory=deque)
    texts: deque[str] = field(default_factory=deque)
    pcm: bytes = b""
    statuses: deque[int] = field(default_factory=deque)
    hold: asyncio.Event | None = None
    chats: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[dict[str, Any]] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)

    def asgi(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/audio/speech", self._speech, methods=["POST"]),
                Route("/v1/audio/transcriptions", self._transcription, methods=["POST"]),
            ]
        )

    def _refusal(self, request: Request) -> Response | None:
        self.asked.set()
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        if not self.statuses:
            return None
        status = self.statuses.popleft()
        error = {"message": f"fake {status}", "type": "fake", "code": "insufficient_quota" if status == 429 else None}
        return JSONResponse({"error": error}, status)

    async def _chat(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.chats.append(await request.json())
        return StreamingResponse(self._events(self.answers.popleft()), media_type="text/event-stream")

    async def _events(self, events: Events) -> AsyncIterator[str]:
        try:
            for event in events:
                choice = {"index": 0, "finish_reason": None, **event}
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
                yield f"data: {json.dumps(chunk)}\n\n"
                if self.hold is not None and event["delta"].get("content"):
                    await self.hold.wait()
            usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
            last = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": []}
            yield f"data: {json.dumps({**last, 'usage': usage})}\n\ndata: [DONE]\n\n"
        finally:
            self.abandoned.set()

    async def _speech(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.spoken.append(await request.json())
        return StreamingResponse(self._audio(), media_type="audio/pcm")

    async def _audio(self) -> AsyncIterator[bytes]:
        try:
            for chunk in _pieces(self.pcm, 4801):  # an odd number: samples are cut in two
                yield chunk
                if self.hold is not None:
                    await self.hold.wait()
        finally:
            self.abandoned.set()

    async def _transcription(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        async with request.form() as form:
            upload = form["file"]
            assert not isinstance(upload, str)
            with wave.open(io.BytesIO(await upload.read())) as file:
                assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
                audio = file.readframes(file.getnframes())
            self.heard.append(({name: str(value) for name, value in form.items() if name != "file"}, audio))
        return JSONResponse({"text": self.texts.popleft()})


def _pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))
