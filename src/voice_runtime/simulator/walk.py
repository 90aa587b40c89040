"""Does what TwiML says, verb after verb, document after document."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, assert_never

from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.verbs.conference import perform_conference
from voice_runtime.simulator.verbs.dial import perform_dial
from voice_runtime.simulator.verbs.gather import perform_gather
from voice_runtime.simulator.verbs.prompts import perform_prompt, sound_of
from voice_runtime.simulator.verbs.record import perform_record
from voice_runtime.simulator.verbs.streams import perform_connect, start_fork, stop_fork
from voice_runtime.simulator.verbs.text import send_text
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.simulator.webhooks import Answer, WebhookError
from voice_runtime.wire.twiml import (
    MAX_DOCUMENT_BYTES,
    ConnectStream,
    Dial,
    DialConference,
    DialTarget,
    Gather,
    Hangup,
    MalformedTwiml,
    Message,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    StartStream,
    StopStream,
    Unknown,
    Verb,
    parse_twiml,
)

__all__ = ["WalkEnd", "walk"]

_TWIML_TYPES: Final = frozenset({"text/xml", "application/xml", "text/html"})
_NOT_SIMULATED: Final = frozenset(
    "Autopilot Connect Conversation Dial Enqueue Echo Leave Pay Prompt Queue Refer Start Stop".split()
)
"""Verbs of Twilio, or uses of one, that we do not do."""


class WalkEnd(Enum):
    DONE = auto()
    """There was no further verb."""
    HUNG_UP = auto()
    REJECTED = auto()
    BUSY = auto()


async def walk(document: Document, call: LiveCall) -> WalkEnd:
    """Follow `document` to its end. Raises WebhookError when TwiML cannot be had or is none."""
    while True:
        verbs, base = document.verbs, document.base
        if document.url:
            answer = await call.fetch(document)
            base = answer.url
            if answer.content_type.startswith("audio/"):
                call.answer()
                await call.play(sound_of(answer.body))  # played, then hung up ("TwiML for Programmable Voice")
                return WalkEnd.HUNG_UP
            verbs = _verbs(answer)
        following = await _perform_all(verbs, base, call)
        if isinstance(following, WalkEnd):
            return following
        document = following


def _verbs(answer: Answer) -> tuple[Verb, ...]:
    if len(answer.body) > MAX_DOCUMENT_BYTES:
        raise WebhookError(ViolationCode.BODY_TOO_LARGE, f"{answer.url}: {len(answer.body)} bytes")
    if answer.content_type == "text/plain":
        return Say(answer.text), Hangup()  # read aloud, then hung up
    if answer.content_type not in _TWIML_TYPES:
        raise WebhookError(ViolationCode.INVALID_CONTENT_TYPE, f"{answer.url}: content type {answer.content_type!r}")
    return tuple(parse_twiml(answer.text))


async def _perform_all(verbs: tuple[Verb, ...], base: str, call: LiveCall) -> Document | WalkEnd:
    """One document. Returns what comes next."""
    if not verbs:
        call.answer()
    for number, verb in enumerate(verbs, 1):
        if not _answers_later(verb):
            call.answer()
            if not isinstance(verb, ConnectStream):
                call.under_way()
        if (following := await _perform(verb, base, call, more=number < len(verbs))) is not None:
            return following
    return WalkEnd.DONE


def _answers_later(verb: Verb) -> bool:
    return isinstance(verb, (Reject, MalformedTwiml)) or (isinstance(verb, Dial) and verb.answer_on_bridge)


async def _perform(verb: Verb, base: str, call: LiveCall, *, more: bool) -> Document | WalkEnd | None:
    """None: the next verb follows, if there is `more`."""
    match verb:
        case Say() | Play() | Pause():
            await perform_prompt(verb, base, call)
        case Gather():
            return await perform_gather(verb, base, call)
        case Record():
            return await perform_record(verb, base, call)
        case ConnectStream():
            return await perform_connect(verb, base, call, more=more)
        case Redirect():
            return Document(verb.url or base, verb.method, base=base)
        case Reject():
            return WalkEnd.BUSY if verb.reason == "busy" else WalkEnd.REJECTED
        case Hangup():
            return WalkEnd.HUNG_UP
        case MalformedTwiml():
            raise WebhookError(ViolationCode(verb.code), verb.reason)
        case Dial():
            rooms = [target for target in verb.targets if isinstance(target, DialConference)]
            if rooms:
                return await perform_conference(verb, rooms[0], base, call)
            people = [target for target in verb.targets if isinstance(target, DialTarget)]
            return await perform_dial(verb, people, base, call)
        case Message():
            return send_text(verb, base, call)
        case StartStream():
            start_fork(verb, call)
        case StopStream():
            stop_fork(verb.name, call)
        case Unknown() if verb.name in _NOT_SIMULATED:
            call.complain(ViolationCode.NOT_SIMULATED, f"<{verb.name}> is skipped: the simulator does not do it")
        case Unknown():
            call.complain(ViolationCode.SCHEMA, f"<{verb.name}> is skipped: TwiML has no such verb")
        case _:
            assert_never(verb)
    return None
