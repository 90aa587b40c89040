"""Does what TwiML says, verb after verb, document after document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from typing import Protocol, assert_never

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.tones import dtmf
from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.errors import AudioFormatError
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.simulator.webhooks import Answer, WebhookError
from voice_runtime.wire.twiml import (
    ConnectStream,
    Dial,
    Hangup,
    MalformedTwiml,
    Message,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Unknown,
    Verb,
    parse_twiml,
)

__all__ = ["Document", "Performer", "WalkEnd", "walk"]

_CHARACTERS_PER_SECOND = 15.0
_TWIML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})


class WalkEnd(Enum):
    HUNG_UP = auto()
    REJECTED = auto()
    BUSY = auto()


@dataclass(frozen=True, slots=True)
class Document:
    """Where the next verbs come from: `verbs`, or the answer of `url`."""

    url: str = ""
    method: str = "POST"
    verbs: tuple[Verb, ...] = ()
    base: str = ""
    """What relative addresses in it are relative to."""


class Performer(Protocol):
    """What TwiML can do to a call."""

    async def fetch(self, url: str, method: str, base: str) -> Answer: ...
    async def stream(self, verb: ConnectStream) -> None: ...
    async def elapse(self, seconds: float) -> None: ...
    async def play(self, audio: bytes) -> None: ...
    def answered(self) -> None: ...
    def complain(self, code: ViolationCode, detail: str) -> None: ...


async def walk(document: Document, call: Performer) -> WalkEnd:
    """Follow `document` to the end of the call. Raises WebhookError when TwiML cannot be had or is none."""
    while True:
        verbs, base = document.verbs, document.base
        if document.url:
            answer = await call.fetch(document.url, document.method, document.base)
            verbs, base = _verbs(answer), answer.url
        following = await _perform(verbs, base, call)
        if isinstance(following, WalkEnd):
            return following
        document = following


def _verbs(answer: Answer) -> tuple[Verb, ...]:
    if answer.content_type == "text/plain":
        return (Say(answer.text),)  # read aloud, then hung up
    if answer.content_type not in _TWIML_TYPES:
        raise WebhookError(ViolationCode.INVALID_TWIML, f"{answer.url}: content type {answer.content_type!r}")
    return tuple(parse_twiml(answer.text))


async def _perform(verbs: tuple[Verb, ...], base: str, call: Performer) -> Document | WalkEnd:
    """One document. Returns what comes next."""
    if not (verbs and isinstance(verbs[0], Reject)):
        call.answered()
    for verb in verbs:
        match verb:
            case ConnectStream():
                await call.stream(verb)
                if verb.action:
                    return Document(verb.action, base=base)
            case Say():
                for _ in _times(verb.loop):
                    await call.elapse(len(verb.text) / _CHARACTERS_PER_SECOND)
            case Play():
                audio = await _audio(verb, base, call)
                for _ in _times(verb.loop):
                    await call.play(audio)
            case Pause():
                await call.elapse(verb.length)
            case Redirect():
                return Document(verb.url, verb.method, base=base)
            case Reject():
                return WalkEnd.BUSY if verb.reason == "busy" else WalkEnd.REJECTED
            case Hangup():
                return WalkEnd.HUNG_UP
            case MalformedTwiml():
                raise WebhookError(ViolationCode.INVALID_TWIML, verb.reason)
            case Dial() | Message() | Unknown():
                name = verb.name if isinstance(verb, Unknown) else type(verb).__name__
                call.complain(ViolationCode.NOT_SIMULATED, f"<{name}> is skipped: the simulator does not know it")
            case _:
                assert_never(verb)
    return WalkEnd.HUNG_UP


def _times(loop: int) -> Iterator[int]:
    """0 is for ever."""
    return iter(range(loop)) if loop else count()


async def _audio(verb: Play, base: str, call: Performer) -> bytes:
    if verb.digits:
        return dtmf(verb.digits)
    answer = await call.fetch(verb.url, "GET", base)
    try:
        return to_ulaw_8k(read_wav(answer.body))
    except AudioFormatError:
        return b"\xff" * SAMPLE_RATE  # an MP3, say: a second passes
