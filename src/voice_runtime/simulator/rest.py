"""The small first fake of Twilio's REST API: calls and messages, spoken so that Twilio's own SDK cannot tell.

https://www.twilio.com/docs/voice/api/call-resource. Only what this package uses; anything else is Twilio's own 404.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from voice_runtime.simulator.rest_state import (
    API_VERSION,
    ENDED,
    CallStatus,
    FaultKind,
    RestRequest,
    RestState,
    SimulatedCall,
    SimulatedMessage,
)

__all__ = ["rest_app"]

_ACCOUNT = f"/{API_VERSION}/Accounts/{{account}}"
_MAX_INLINE_TWIML = 4000
_MAX_MESSAGE = 1600
_MAX_PAGE = 1000

Fields = Mapping[str, str]


class _Refused(Exception):
    """Becomes Twilio's error body."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self) -> Response:
        body: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        if self.status == 401:
            body["detail"] = "Your AccountSid or AuthToken was incorrect."
        return JSONResponse(body, self.status)


def rest_app(state: RestState) -> Starlette:
    """The API of `state` as an ASGI application, to be mounted at the root of a server."""
    api = _Api(state)

    def route(path: str, work: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
        return Route(path, api.guarded(work), methods=list(methods))

    return Starlette(
        routes=[
            route(f"{_ACCOUNT}/Calls.json", api.create_call, "POST"),
            route(f"{_ACCOUNT}/Calls.json", api.list_calls, "GET"),
            route(f"{_ACCOUNT}/Calls/{{sid}}.json", api.fetch_call, "GET"),
            route(f"{_ACCOUNT}/Calls/{{sid}}.json", api.update_call, "POST"),
            route(f"{_ACCOUNT}/Messages.json", api.create_message, "POST"),
            route(f"{_ACCOUNT}/Messages/{{sid}}.json", api.fetch_message, "GET"),
            route("/{anything:path}", api.nothing_here, "GET", "POST", "PUT", "DELETE"),
        ]
    )


class _Api:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def guarded(self, work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """`work`, behind the account's faults, its lock and its error bodies."""

        async def answer(request: Request) -> Response:
            form = await request.form() if request.method == "POST" else request.query_params
            user, secret = _credentials(request)
            pairs = tuple((name, str(value)) for name, value in form.multi_items())
            self._state.requests.append(RestRequest(request.method, request.url.path, pairs, user))
            try:
                misbehaviour = await self._misbehave()
                if misbehaviour is not None:
                    return misbehaviour
                self._authenticate(request.path_params.get("account", ""), user, secret)
                return await work(request)
            except _Refused as refused:
                return refused.response()

        return answer

    async def _misbehave(self) -> Response | None:
        fault = self._state.next_fault()
        if fault is None:
            return None
        match fault.kind:
            case FaultKind.STALL:
                await asyncio.sleep(fault.seconds)
                return None
            case FaultKind.NOT_JSON:
                return HTMLResponse("<html><body>Bad gateway</body></html>", fault.status)
            case FaultKind.REDIRECT:
                return Response(status_code=fault.status, headers={"Location": fault.location})
            case FaultKind.STATUS:
                raise _Refused(fault.status, fault.code, "Made to fail")

    def _authenticate(self, account: str, user: str, secret: str) -> None:
        known = {self._state.account_sid: self._state.auth_token, **self._state.api_keys}
        if not secrets.compare_digest(known.get(user, "").encode(), secret.encode()) or user not in known:
            raise _Refused(401, 20003, "Authenticate")
        if account and account != self._state.account_sid:
            raise _Refused(404, 20404, f"The requested resource /{API_VERSION}/Accounts/{account} was not found")

    async def nothing_here(self, request: Request) -> Response:
        raise _Refused(404, 20404, f"The requested resource {request.url.path} was not found")

    # -- calls --------------------------------------------------------------------------------------------------------

    async def create_call(self, request: Request) -> Response:
        form = await request.form()
        fields = {name: str(value) for name, value in form.multi_items()}
        to, from_ = _address(fields, "To", 21211), _address(fields, "From", 21212)
        if not any(fields.get(name) for name in ("Url", "Twiml", "ApplicationSid")):
            raise _Refused(400, 20001, "Url, Twiml or ApplicationSid is required")
        _check_twiml(fields)
        events = tuple(str(event) for event in form.getlist("StatusCallbackEvent"))
        call = self._state.add_call(to, from_, direction="outbound-api", fields=fields, events=events)
        answer = JSONResponse(call.as_json(), 201)
        self._state.on_call_created(call)
        return answer

    async def fetch_call(self, request: Request) -> Response:
        return JSONResponse(self._call(request).as_json())

    async def update_call(self, request: Request) -> Response:
        call = self._call(request)
        fields = {name: str(value) for name, value in (await request.form()).multi_items()}
        if fields.get("Url") and fields.get("Twiml"):
            raise _Refused(400, 20001, "Url and Twiml are mutually exclusive")
        _check_twiml(fields)
        if call.status in ENDED:
            raise _Refused(400, 21220, "Call is not in-progress. Cannot redirect.")
        match fields.get("Status"):
            case None if call.status is not CallStatus.IN_PROGRESS:
                raise _Refused(400, 21220, "Call is not in-progress. Cannot redirect.")
            case None:
                call.twiml, call.url = fields.get("Twiml", call.twiml), fields.get("Url", call.url)
            case "completed":
                self._state.set_status(call, CallStatus.COMPLETED)
            case "canceled" if call.status in (CallStatus.QUEUED, CallStatus.RINGING):
                self._state.set_status(call, CallStatus.CANCELED)
            case "canceled":
                raise _Refused(400, 21220, "Call is in-progress. Cannot cancel.")
            case other:
                raise _Refused(400, 20001, f"Status {other!r} is not valid")
        self._state.on_call_updated(call)
        return JSONResponse(call.as_json())

    def _call(self, request: Request) -> SimulatedCall:
        call = self._state.calls.get(request.path_params["sid"])
        if call is None or _credentials(request)[0] in self._state.strangers:
            raise _Refused(404, 20404, f"The requested resource {request.url.path} was not found")
        return call

    async def list_calls(self, request: Request) -> Response:
        query = request.query_params
        size = _whole(query.get("PageSize", "50"), "PageSize")
        page = _whole(query.get("Page", "0"), "Page")
        if not 1 <= size <= _MAX_PAGE:
            raise _Refused(400, 20001, f"PageSize must be 1 to {_MAX_PAGE}")
        found = [call for call in reversed(self._state.calls.values()) if _matches(call, query)]
        first, rows = page * size, found[page * size : (page + 1) * size]

        def uri(number: int, token: str = "") -> str:
            extra = {"PageSize": str(size), "Page": str(number)} | ({"PageToken": token} if token else {})
            kept = [(n, v) for n, v in query.multi_items() if n not in ("PageSize", "Page", "PageToken")]
            return f"{request.url.path}?{urlencode([*kept, *extra.items()])}"

        more = found[first + size : first + size + 1]
        return JSONResponse(
            # Exactly these keys: the SDK takes the only one that it does not know for the name of the records.
            {
                "first_page_uri": uri(0),
                "next_page_uri": uri(page + 1, f"PA{rows[-1].sid}") if more else None,
                "previous_page_uri": uri(page - 1) if page else None,
                "uri": uri(page),
                "page": page,
                "page_size": size,
                "start": first,
                "end": first + max(len(rows) - 1, 0),
                "calls": [call.as_json() for call in rows],
            }
        )

    # -- messages -----------------------------------------------------------------------------------------------------

    async def create_message(self, request: Request) -> Response:
        fields = {name: str(value) for name, value in (await request.form()).multi_items()}
        to = _address(fields, "To", 21211)
        from_ = fields.get("From", "") if fields.get("MessagingServiceSid") else _address(fields, "From", 21212)
        body = fields.get("Body", "")
        if not any(fields.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
            raise _Refused(400, 21602, "Message body is required.")
        if len(body) > _MAX_MESSAGE:
            raise _Refused(400, 21617, f"The concatenated message body exceeds the {_MAX_MESSAGE} character limit")
        message = self._state.add_message(to, from_, body, fields)
        answer = JSONResponse(message.as_json(), 201)
        self._state.on_message_created(message)
        return answer

    async def fetch_message(self, request: Request) -> Response:
        message: SimulatedMessage | None = self._state.messages.get(request.path_params["sid"])
        if message is None:
            raise _Refused(404, 20404, f"The requested resource {request.url.path} was not found")
        return JSONResponse(message.as_json())


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, secret


def _address(fields: Fields, name: str, code: int) -> str:
    value = fields.get(name, "").strip()
    number = value.removeprefix("+")
    if value.startswith(("sip:", "client:")) or (number.isascii() and number.isdigit() and len(number) <= 15):
        return value
    raise _Refused(400, code, f"The '{name}' number {value} is not a valid phone number")


def _check_twiml(fields: Fields) -> None:
    if len(fields.get("Twiml", "")) > _MAX_INLINE_TWIML:
        raise _Refused(400, 32018, f"Twiml is longer than {_MAX_INLINE_TWIML} characters")


def _whole(value: str, name: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise _Refused(400, 20001, f"{name} must be a number")
    return int(value)


def _matches(call: SimulatedCall, query: Fields) -> bool:
    began = call.created if call.started is None else call.started
    return (
        query.get("To", call.to) == call.to
        and query.get("From", call.from_) == call.from_
        and query.get("Status", call.status) == call.status
        and ("StartTime>" not in query or began >= _instant(query["StartTime>"]))
        and ("StartTime<" not in query or began <= _instant(query["StartTime<"]))
    )


def _instant(text: str) -> float:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _Refused(400, 20001, f"{text!r} is not a date") from None
