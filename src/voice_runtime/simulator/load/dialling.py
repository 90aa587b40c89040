"""From a webhook to an open media socket, and why there is none."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from picows import WSHandshakeError, ws_connect

from voice_runtime.simulator.load.caller import Caller, Speaker, Tone
from voice_runtime.simulator.load.line import PhoneLine
from voice_runtime.simulator.load.plan import LoadPlan
from voice_runtime.simulator.parameters import ACCOUNT_SID, Leg, new_sid, voice_form
from voice_runtime.simulator.webhooks import Answer, WebhookError, Webhooks
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import ConnectStream, MalformedTwiml, Redirect, Verb, parse_twiml

__all__ = ["Dialled", "NotConnected", "dial"]

_HANDSHAKE_SECONDS: Final = 10.0
_MAX_DOCUMENTS: Final = 10
_READ_BUFFER_BYTES: Final = 4096


class NotConnected(Exception):
    """There is no call; the text says why."""


@dataclass(slots=True)
class Dialled:
    """How far a call came. Times in seconds; None: it did not come so far."""

    webhook_seconds: float | None = None
    handshake_seconds: float | None = None
    line: PhoneLine | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Stream:
    url: str
    parameters: dict[str, str] = field(default_factory=dict)


async def dial(plan: LoadPlan, tls: ssl.SSLContext, number: int) -> Dialled:
    """Place call `number` of `plan`. Does not raise for what the application does: `error` says it."""
    caller = f"+1555{number % 10_000_000:07d}"
    leg = Leg(new_sid("CA"), ACCOUNT_SID, "inbound", caller, "+15550000000")
    dialled = Dialled()
    try:
        stream = _Stream(plan.announced_url)
        if plan.has_webhook:
            began = perf_counter()
            stream = await _ask(plan, tls, leg)
            dialled.webhook_seconds = perf_counter() - began
        began = perf_counter()
        line = PhoneLine(leg, stream.parameters, plan.frames, _caller(plan, number))
        await _connect(plan, tls, stream.url, line)
        dialled.handshake_seconds = perf_counter() - began
        dialled.line = line
    except NotConnected as error:
        dialled.error = str(error)
    return dialled


async def _ask(plan: LoadPlan, tls: ssl.SSLContext, leg: Leg) -> _Stream:
    """The stream that the application's TwiML connects the call to. What is said or played before it is skipped."""
    webhooks = Webhooks(plan.auth_token, plan.addresses, tls)
    url, method = plan.announced_url, "POST"
    try:
        for _ in range(_MAX_DOCUMENTS):
            answer = await webhooks.fetch(url, voice_form(leg, "ringing"), method)
            verb = _first_that_counts(answer)
            if isinstance(verb, ConnectStream):
                return _Stream(urljoin(_socket_form(answer.url), verb.url), dict(verb.parameters))
            url, method = urljoin(answer.url, verb.url), verb.method
    except WebhookError as error:
        raise NotConnected(f"webhook: {error.detail} ({error.code.value})") from error
    finally:
        await webhooks.close()
    raise NotConnected(f"webhook: more than {_MAX_DOCUMENTS} documents without a <Stream>")


def _first_that_counts(answer: Answer) -> ConnectStream | Redirect:
    verbs: list[Verb] = parse_twiml(answer.text)
    for verb in verbs:
        if isinstance(verb, ConnectStream | Redirect):
            return verb
        if isinstance(verb, MalformedTwiml):
            raise NotConnected(f"webhook: no TwiML: {verb.reason}")
    names = " ".join(f"<{type(verb).__name__}>" for verb in verbs) or "nothing"
    raise NotConnected(f"webhook: the TwiML has no <Connect><Stream>, but {names}")


def _caller(plan: LoadPlan, number: int) -> Caller:
    """Lines do not speak in chorus."""
    return Speaker(plan.speech, plan.pause, shift=number * 7 % 50) if plan.speech else Tone()


def _socket_form(url: str) -> str:
    return url.replace("http", "ws", 1)


async def _connect(plan: LoadPlan, tls: ssl.SSLContext, url: str, line: PhoneLine) -> None:
    target = plan.addresses.locate(url)
    try:
        plan.check_host(urlsplit(target.url).hostname or "")
    except ValueError as error:
        raise NotConnected(f"socket: {error}") from error
    headers = {**target.headers, "user-agent": "Twilio.TmeWs/1.0"}
    if plan.auth_token:
        headers["x-twilio-signature"] = sign(plan.auth_token, url)
    try:
        await ws_connect(
            lambda: line,
            urlunsplit(urlsplit(target.url)._replace(fragment="")),
            ssl_context=tls,
            websocket_handshake_timeout=_HANDSHAKE_SECONDS,
            extra_headers=headers,
            max_redirects=0,
            read_buffer_init_size=_READ_BUFFER_BYTES,
        )
    except WSHandshakeError as error:
        status = "" if error.response is None else f" HTTP {int(error.response.status)}"
        raise NotConnected(f"socket: the handshake was refused{status or f': {error}'} (31920)") from error
    except TimeoutError as error:
        raise NotConnected(f"socket: no handshake in {_HANDSHAKE_SECONDS:.0f} s (31901)") from error
    except ssl.SSLError as error:
        raise NotConnected(f"socket: {error} (31910)") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise NotConnected(f"socket: {error} (31902)") from error
