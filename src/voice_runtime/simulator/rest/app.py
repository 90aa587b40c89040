"""Twilio's REST API, spoken so that Twilio's own SDK cannot tell: doors, faults, and which path is which operation."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from voice_runtime.simulator.rest.calls import Calls
from voice_runtime.simulator.rest.conferences import Conferences
from voice_runtime.simulator.rest.faults import Fault, FaultKind
from voice_runtime.simulator.rest.fields import Asked, Fields
from voice_runtime.simulator.rest.messages import Messages
from voice_runtime.simulator.rest.numbers import Numbers
from voice_runtime.simulator.rest.participants import Participants
from voice_runtime.simulator.rest.recordings import Recordings
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.shapes import account_path
from voice_runtime.simulator.rest.state import RestRequest, RestState
from voice_runtime.simulator.rest.streams import Streams

__all__ = ["rest_app"]

Operation: TypeAlias = Callable[[Asked], Response]


def rest_app(state: RestState) -> Starlette:
    """The API of `state` as an ASGI application, to be mounted at the root of a server."""
    door = _Door(state)
    routes = [
        Route(account_path("{account}") + path, door.to(operation), methods=[method])
        for method, path, operation in _operations(state)
    ]
    elsewhere = Route("/{anything:path}", door.to(_nothing_here), methods=["GET", "POST", "PUT", "DELETE"])
    return Starlette(routes=[*routes, elsewhere])


def _operations(state: RestState) -> list[tuple[str, str, Operation]]:
    calls, messages, streams = Calls(state), Messages(state), Streams(state)
    conferences, participants = Conferences(state), Participants(state)
    recordings, numbers = Recordings(state), Numbers(state)
    participant = "/Conferences/{conference}/Participants"
    return [
        ("POST", "/Calls.json", calls.create),
        ("GET", "/Calls.json", calls.list),
        ("GET", "/Calls/{call}.json", calls.fetch),
        ("POST", "/Calls/{call}.json", calls.update),
        ("DELETE", "/Calls/{call}.json", calls.delete),
        ("POST", "/Calls/{call}/Streams.json", streams.start),
        ("POST", "/Calls/{call}/Streams/{stream}.json", streams.stop),
        ("POST", "/Calls/{call}/Recordings.json", recordings.start),
        ("GET", "/Calls/{call}/Recordings.json", recordings.list),
        ("POST", "/Calls/{call}/Recordings/{recording}.json", recordings.update),
        ("GET", "/Calls/{call}/Recordings/{recording}.json", recordings.fetch),
        ("DELETE", "/Calls/{call}/Recordings/{recording}.json", recordings.delete),
        ("GET", "/Recordings.json", recordings.list),
        ("GET", "/Recordings/{recording}.json", recordings.fetch),
        ("DELETE", "/Recordings/{recording}.json", recordings.delete),
        ("GET", "/Recordings/{recording}.wav", recordings.media),
        ("GET", "/Recordings/{recording}", recordings.media),
        ("GET", "/Conferences.json", conferences.list),
        ("GET", "/Conferences/{conference}.json", conferences.fetch),
        ("POST", "/Conferences/{conference}.json", conferences.update),
        ("GET", "/Conferences/{conference}/Recordings.json", recordings.list),
        ("POST", "/Conferences/{conference}/Recordings/{recording}.json", recordings.update),
        ("GET", "/Conferences/{conference}/Recordings/{recording}.json", recordings.fetch),
        ("DELETE", "/Conferences/{conference}/Recordings/{recording}.json", recordings.delete),
        ("POST", f"{participant}.json", participants.create),
        ("GET", f"{participant}.json", participants.list),
        ("GET", participant + "/{participant}.json", participants.fetch),
        ("POST", participant + "/{participant}.json", participants.update),
        ("DELETE", participant + "/{participant}.json", participants.delete),
        ("POST", "/Messages.json", messages.create),
        ("GET", "/Messages.json", messages.list),
        ("GET", "/Messages/{message}.json", messages.fetch),
        ("POST", "/Messages/{message}.json", messages.update),
        ("DELETE", "/Messages/{message}.json", messages.delete),
        ("GET", "/Messages/{message}/Media.json", messages.media),
        ("POST", "/IncomingPhoneNumbers.json", numbers.create),
        ("GET", "/IncomingPhoneNumbers.json", numbers.list),
        ("GET", "/IncomingPhoneNumbers/{number}.json", numbers.fetch),
        ("POST", "/IncomingPhoneNumbers/{number}.json", numbers.update),
        ("DELETE", "/IncomingPhoneNumbers/{number}.json", numbers.delete),
    ]


def _nothing_here(asked: Asked) -> Response:
    raise asked.not_found()


class _Door:
    """What every request passes: the account's faults, its limit, its lock; and its error bodies on the way out."""

    def __init__(self, state: RestState) -> None:
        self._state = state

    def to(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            form = await request.form() if request.method == "POST" else request.query_params
            fields = Fields((name, str(value)) for name, value in form.multi_items())
            user, secret = _credentials(request)
            self._state.requests.append(RestRequest(request.method, request.url.path, fields.pairs, user))
            self._state.in_flight += 1
            try:
                return await self._pass(request, fields, user, secret, operation)
            except Refusal as refusal:
                return refusal.response()
            finally:
                self._state.in_flight -= 1

        return answer

    async def _pass(self, request: Request, fields: Fields, user: str, secret: str, operation: Operation) -> Response:
        limit = self._state.limits.concurrent_requests
        if limit is not None and self._state.in_flight > limit:
            raise Refusal(20429, "Too Many Requests", 429)
        fault = self._state.next_fault()
        if fault is not None and (misbehaviour := await _misbehave(fault)) is not None:
            return misbehaviour
        region = self._state.credentials.region(request.headers.get("Host", ""), user, secret)
        path = request.url.path
        account = request.path_params.get("account", self._state.account_sid)
        if account != self._state.account_sid:
            raise Refusal.not_found(path)
        answer = operation(Asked(path, request.path_params, fields, region))
        return _Broken(answer) if fault is not None and fault.kind is FaultKind.DISCONNECT else answer


async def _misbehave(fault: Fault) -> Response | None:
    match fault.kind:
        case FaultKind.STALL:
            await asyncio.sleep(fault.seconds)
            return None
        case FaultKind.NOT_JSON:
            return HTMLResponse("<html><body>Bad gateway</body></html>", fault.status)
        case FaultKind.REDIRECT:
            return Response(status_code=fault.status, headers={"Location": fault.location})
        case FaultKind.STATUS:
            raise Refusal(fault.code, "Made to fail", fault.status)
        case FaultKind.DISCONNECT:
            return None


class _Broken(Response):
    """Half of an answer. The server closes the connection of an application that stops there."""

    def __init__(self, whole: Response) -> None:
        super().__init__(whole.body, whole.status_code, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, secret
