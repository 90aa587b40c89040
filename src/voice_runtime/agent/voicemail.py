"""A machine has answered a call that was placed: it gets a message, once, and nobody talks to it."""

from __future__ import annotations

import asyncio

from voice_runtime.events import AnsweredBy, CallEvent, EndReason, FinalTranscript, PartialTranscript, PlaybackOutcome
from voice_runtime.session import VoiceSession
from voice_runtime.talk import Talk

__all__ = ["leave_message"]

ANSWER_SECONDS = 4.0
"""Who is silent for so long after the message is no human."""


async def leave_message(call: VoiceSession, answered_by: AnsweredBy, talk: Talk, message: str) -> None:
    """Say `message` if the machine's greeting is over, and hang up.

    Without a beep, it may be a robot that asks who is calling: whoever speaks after the message is talked to.
    """
    if answered_by in (AnsweredBy.MACHINE_START, AnsweredBy.FAX):
        message = ""
    said = await talk.say(message, interruptible=False)
    left = bool(message) and said.outcome in (PlaybackOutcome.PLAYED, PlaybackOutcome.TIMED_OUT)
    if left and answered_by is not AnsweredBy.MACHINE_END_BEEP and await _somebody_speaks(call):
        return
    call.request_disconnect(EndReason.MACHINE_ANSWERED, f"{answered_by}, {'a message' if left else 'no message'}")


async def _somebody_speaks(call: VoiceSession) -> bool:
    words = asyncio.Event()

    def listen(event: CallEvent) -> None:
        if isinstance(event, PartialTranscript | FinalTranscript) and event.text.strip():
            words.set()

    unlisten = call.on_event(listen)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await words.wait()
    except TimeoutError:
        return False
    finally:
        unlisten()
    return True
