"""The carrier's webhooks: a call comes in, a call or stream changes state, a message comes in or arrives."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from voice_runtime.errors import CallLimitError, ConfigurationError
from voice_runtime.events import CallEnd, Direction, EndReason
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.server.media import ANSWERED_BY, DIRECTION, FROM, TO
from voice_runtime.server.overflow import Overflow
from voice_runtime.settings import Settings
from voice_runtime.switchboard import Switchboard
from voice_runtime.telemetry.repeated import Repeated
from voice_runtime.transports.twilio_sms import InboundSms, SmsStatus, parse_inbound_sms, parse_sms_status
from voice_runtime.wire import twiml

__all__ = ["CallStatus", "SmsHandler", "StatusHandler", "Webhooks", "run_hook"]

T = TypeVar("T")
log = logging.getLogger(__name__)

TERMINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
MAX_SID_CHARS = 64
"""Twilio's have 34 characters, other carriers' a few more."""
STALE_SOCKET_SECONDS = 5.0
"""How long the socket of a call that the carrier calls over may live on."""


@dataclass(frozen=True, slots=True)
class CallStatus:
    """A status callback. `status`: the carrier's word for the call, or a stream's event; `fields`: all that it said."""

    call_sid: str
    status: str
    fields: Mapping[str, str]

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


StatusHandler: TypeAlias = Callable[[CallStatus], Awaitable[None] | None]
SmsHandler: TypeAlias = Callable[[InboundSms], Awaitable[str | None] | str | None]


class Webhooks:
    """Answers of the HTTP routes. The program's hooks are called with what was proven to come from the carrier."""

    def __init__(
        self,
        *,
        settings: Settings,
        gate: Gate,
        switchboard: Switchboard,
        answers: Callable[[str], bool],
        status_path: str,
        on_status: StatusHandler | None = None,
        on_sms: SmsHandler | None = None,
        on_sms_status: Callable[[SmsStatus], Awaitable[None] | None] | None = None,
    ) -> None:
        _require_stream_url(settings)
        self._settings = settings
        self._gate = gate
        self._switchboard = switchboard
        self._refusals = Repeated(log)
        self._overflow = Overflow(settings)
        self._answers = answers
        self._status_path = status_path
        self._on_status = on_status
        self._on_sms = on_sms
        self._on_sms_status = on_sms_status

    async def refusal(self, request: Request, refused: Exception) -> Response:
        """The answer to a stranger: what was wrong goes into our log, not to them."""
        assert isinstance(refused, Refused)
        route = request.scope.get("route")
        self._refusals.warning(f"{request.method} {getattr(route, 'path', '')} refused", str(refused))
        # What is left of a body that was not read is no next request.
        headers = {"connection": "close"} if refused.status in (408, 413) else None
        return Response("Refused.\n", refused.status, headers, "text/plain")

    async def incoming(self, request: Request) -> Response:
        """A call: TwiML that connects it to the media socket, with a token good for this call alone."""
        form = await self._gate.form(request)
        call_sid = form.get("CallSid", "")
        if not 0 < len(call_sid) <= MAX_SID_CHARS:
            raise Refused(400, "CallSid is missing, or is none")
        outbound = form.get("Direction", "inbound").startswith("outbound")
        ours = form.get("From" if outbound else "To", "")
        if not self._answers(ours):
            log.warning("call %s: nobody answers that number", call_sid)
            return _xml(twiml.reject())
        base = self._gate.public_bases(request)[0]
        try:
            self._switchboard.places.expect(call_sid, self._settings.voice_token_seconds)
        except CallLimitError as error:
            log.warning("call %s: no place (VOICE_OVERFLOW=%s): %s", call_sid, self._settings.voice_overflow, error)
            attempt = _attempt(request.query_params.get("attempt", ""))
            return _xml(self._overflow.answer(again=f"{base}/incoming", attempt=attempt, called=ours))
        parameters = {
            FROM: _parameter(form.get("From", "")),
            TO: _parameter(form.get("To", "")),
            DIRECTION: Direction.OUTBOUND if outbound else Direction.INBOUND,
        }
        if answered_by := form.get("AnsweredBy", ""):
            parameters[ANSWERED_BY] = _parameter(answered_by)
        return _xml(
            twiml.connect_stream(
                f"{base}{self._settings.voice_media_path}/{self._gate.mint(call_sid)}",
                parameters=parameters,
                status_callback=base + self._status_path,
            )
        )

    async def status(self, request: Request) -> Response:
        """A call or a stream changed its state."""
        form = await self._gate.form(request)
        stream_event = form.get("StreamEvent", "")
        status = CallStatus(form.get("CallSid", ""), stream_event or form.get("CallStatus", ""), form)
        if stream_event == "stream-error":
            log.error("call %s: stream error: %s", status.call_sid, form.get("StreamError", ""))
        else:
            log.info("call %s: %s", status.call_sid, status.status)
        if status.terminal:
            self._switchboard.places.forget(status.call_sid)
            self._end_stale(status)
        await run_hook(self._on_status, status)
        return Response(status_code=204)

    def _end_stale(self, status: CallStatus) -> None:
        """The carrier says that the call is over; a socket of it that is half dead must not keep it alive here."""
        end = CallEnd(EndReason.CALLER_HUNG_UP, f"the carrier reported the call {status.status}")

        def end_it() -> None:  # whoever has the call then: a session may carry another one by that time
            for session in self._switchboard.calls:
                if session.call_sid == status.call_sid:
                    session.signal_disconnected(end)

        asyncio.get_running_loop().call_later(STALE_SOCKET_SECONDS, end_it)

    async def sms(self, request: Request) -> Response:
        """A text message came in; what the program's hook returns is the reply."""
        form = await self._gate.form(request)
        reply = await run_hook(self._on_sms, _read(parse_inbound_sms, form))
        body = twiml.writable(reply or "")  # it may quote what a stranger wrote
        try:
            return _xml(twiml.message(body) if body else twiml.empty())
        except ValueError as error:
            log.error("the reply to a message is not sent: %s", error)
            return _xml(twiml.empty())

    async def sms_status(self, request: Request) -> Response:
        """A text message of ours got further, or did not."""
        form = await self._gate.form(request)
        await run_hook(self._on_sms_status, _read(parse_sms_status, form))
        return Response(status_code=204)

    async def inject(self, request: Request) -> Response:
        """For mock calls: `{"text": ...}` is what the caller says. With two calls or more, the path names one."""
        body = await self._gate.json(request)
        text, call_sid = body.get("text"), request.path_params.get("call_sid")
        if not isinstance(text, str):
            raise Refused(400, "there is no text")
        calls = [call for call in self._switchboard.calls if call_sid in (None, call.call_sid)]
        inject = getattr(calls[0].stt, "inject", None) if len(calls) == 1 else None  # MockStt has it
        if inject is None:
            raise Refused(409, f"{len(calls)} calls could be meant, and the one must have a mock recogniser that runs")
        inject(text)
        return Response(status_code=204)


def _require_stream_url(settings: Settings) -> None:
    """An address that no stream can have must be known now, and not from the first caller."""
    if settings.public_url:
        try:
            twiml.stream_url(settings.public_url + settings.voice_media_path)
        except ValueError:
            name = "VOICE_PUBLIC_URL" if settings.voice_public_url else "VOICE_STREAM_URL"
            raise ConfigurationError(
                f"{name} is no address that a media stream can have.",
                remedy="Write https://host, without user name, password or query.",
            ) from None  # the cause quotes it, and it may hold a password


def _attempt(said: str) -> int:
    return int(said) if re.fullmatch("[0-9]{1,6}", said) else 0


def _parameter(value: str) -> str:
    """What a `<Parameter>` can carry of it: XML has no way to write some control characters."""
    return "".join(filter(str.isprintable, value))[:400]


def _xml(document: str) -> Response:
    return Response(document, media_type="text/xml")


def _read(parse: Callable[[Mapping[str, str]], T], form: Mapping[str, str]) -> T:
    try:
        return parse(form)
    except ValueError as error:
        raise Refused(400, str(error)) from error


async def run_hook(hook: Callable[..., object] | None, argument: object) -> str | None:
    """Run a hook of the program; its failing is logged and changes nothing for the carrier."""
    if hook is None:
        return None
    try:
        if inspect.iscoroutinefunction(hook):
            result = await hook(argument)
        else:
            result = await asyncio.to_thread(hook, argument)
            if inspect.isawaitable(result):  # a lambda around an async function, an object with an async __call__
                result = await result
    except Exception:  # the program's hook is broken; the carrier must still be answered
        log.exception("the hook %r failed", getattr(hook, "__name__", hook))
        return None
    return result if isinstance(result, str) else None
