"""What our routes take and answer, as OpenAPI: by hand, for a server that tells strangers nothing of itself."""

from __future__ import annotations

from typing import Any

__all__ = ["DESCRIPTION"]

_SID = {"type": "string", "maxLength": 40}
_TEXT = {"type": "string", "maxLength": 200}
_CALL = {
    "CallSid": _SID,
    "From": _TEXT,
    "To": _TEXT,
    "Direction": {"enum": ["inbound", "outbound-api", "outbound-dial"]},
    "CallStatus": {"enum": ["ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]},
    "StreamEvent": {"enum": ["stream-started", "stream-stopped", "stream-error"]},
    "StreamError": _TEXT,
}
_MESSAGE = {"MessageSid": _SID, "MessageStatus": _TEXT, "From": _TEXT, "To": _TEXT, "Body": _TEXT, "NumMedia": _TEXT}


def _answers(*documented: tuple[int, str]) -> dict[str, Any]:
    return {
        str(status): {"description": "", **({"content": {kind: {}}} if kind else {})} for status, kind in documented
    }


def _webhook(fields: dict[str, Any], required: list[str], *answers: tuple[int, str]) -> dict[str, Any]:
    refused = [(status, "text/plain") for status in (400, 403, 413)]
    query = [{"name": name, "in": "query", "schema": schema, "required": False} for name, schema in fields.items()]
    form = {"type": "object", "properties": fields, "required": required}
    body = {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    answered = _answers(*answers, *refused)
    return {"post": {"requestBody": body, "responses": answered}, "get": {"parameters": query, "responses": answered}}


_INJECTED = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
            }
        },
    },
    "responses": _answers((204, ""), *[(status, "text/plain") for status in (400, 403, 409, 413)]),
}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "voice-runtime", "version": "1"},
    "paths": {
        "/incoming": _webhook(_CALL, ["CallSid"], (200, "text/xml")),
        "/status": _webhook(_CALL, ["CallSid"], (204, "")),
        "/sms": _webhook(_MESSAGE, ["MessageSid"], (200, "text/xml")),
        "/sms/status": _webhook(_MESSAGE, ["MessageSid", "MessageStatus"], (204, "")),
        "/healthz": {"get": {"responses": _answers((200, "application/json"))}},
        "/readyz": {"get": {"responses": _answers((200, "application/json"), (503, "application/json"))}},
        "/test/inject": {"post": _INJECTED},
        "/test/inject/{call_sid}": {
            "post": {
                **_INJECTED,
                "parameters": [{"name": "call_sid", "in": "path", "required": True, "schema": _SID}],
            }
        },
    },
}
