"""<Say>, <Play>, <Pause>: what the person hears while the application waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final, assert_never

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import dtmf, silence
from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.errors import AudioFormatError
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.twiml import Pause, Play, Say, parse_twiml

__all__ = ["MAX_SAID", "announcement", "perform_prompt", "sound_of", "spoken"]

MAX_SAID: Final = 4096
"""Characters ("TwiML Voice: Say", limits)."""


def spoken(text: str) -> bytes:
    """`text`, as the carrier's own voice says it: spelled, so that whoever listens can read it."""
    return spell(text)


async def perform_prompt(verb: Say | Play | Pause, base: str, call: LiveCall) -> None:
    match verb:
        case Say():
            if len(verb.text) > MAX_SAID:
                call.complain(
                    ViolationCode.INVALID_SAY, f"<Say> of {len(verb.text)} characters; {MAX_SAID} are allowed"
                )
                return
            audio = spoken(verb.text)
            for _ in _times(verb.loop):
                await call.play(audio)
        case Play():
            audio = await _played(verb, base, call)
            for _ in _times(verb.loop):
                await call.play(audio)
        case Pause():
            await call.elapse(verb.length)
        case _:
            assert_never(verb)


async def announcement(document: Document, call: LiveCall) -> list[bytes]:
    """What the TwiML at `document.url` says and plays, for ears in a conference. Raises WebhookError."""
    answer = await call.fetch(document)
    pieces = []
    for verb in parse_twiml(answer.text):
        match verb:
            case Say():
                pieces.append(spoken(verb.text))
            case Play():
                pieces.append(await _played(verb, answer.url, call))
            case Pause():
                pieces.append(silence(1000 * verb.length))
            case _:
                call.complain(ViolationCode.SCHEMA, f"an announcement takes Say, Play and Pause, not {verb}")
    return pieces


def _times(loop: int) -> Iterator[int]:
    """0 is for ever."""
    return iter(range(loop)) if loop else count()


async def _played(verb: Play, base: str, call: LiveCall) -> bytes:
    if verb.digits:
        try:
            return dtmf(verb.digits)
        except ValueError as error:
            call.complain(ViolationCode.SCHEMA, f"<Play digits>: {error}")
            return b""
    answer = await call.fetch(Document(verb.url, "GET", base=base))
    return sound_of(answer.body)


def sound_of(body: bytes) -> bytes:
    """A file that was fetched, as the line carries it. One that is no WAV file (an MP3, say) is a second of silence."""
    try:
        return to_ulaw_8k(read_wav(body))
    except AudioFormatError:
        return b"\xff" * SAMPLE_RATE
