"""Requests to our application as bytes, without a server and without an HTTP library that would tidy them up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import SecretStr

from voice_runtime import Settings, VoiceApp, VoiceSession
from voice_runtime.wire.signature import sign

__all__ = ["PUBLIC", "TOKEN", "Answer", "application", "ask", "signature_for"]

PUBLIC, TOKEN = "https://voice.example.com", "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes


def application(**changes: Any) -> VoiceApp:
    """Answers every call, and has every hook."""
    app = VoiceApp(
        settings=Settings(
            **{
                "voice_public_url": PUBLIC,
                "twilio_account_sid": "AC" + "0" * 32,
                "twilio_auth_token": SecretStr(TOKEN),
                "transport": "mock",
                "voice_max_calls": 1_000_000,
                **changes,
            }
        )
    )

    @app.call()
    async def answer(call: VoiceSession) -> None:
        await call.wait_ended()

    @app.sms
    async def reply(message: Any) -> str:
        return f"You wrote: {message.body}"[:1000]

    app.sms_status(lambda status: None)
    app.status(lambda status: None)
    return app


def signature_for(target: bytes, method: str, body: bytes) -> str:
    """What the carrier would sign: nothing here can be signed wrongly by being odd."""
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True) if method == "POST" else []
        return sign(TOKEN, PUBLIC + target.decode("latin-1"), fields)
    except ValueError:
        return ""


async def ask(
    app: VoiceApp, method: str, target: bytes, body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    """One request. Raises what the application lets out: a server would answer 500."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("203.0.113.7", 4711),
        "server": ("127.0.0.1", 8080),
    }
    sent: list[dict[str, Any]] = []
    coming = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop()
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], fields.get("content-type", ""), b"".join(part["body"] for part in sent[1:]))
