"""Tools that every agent on a phone may want: `Agent(tools=[hang_up, collect_digits, send_digits])`."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Literal

from pydantic import Field

from voice_runtime.agent.conversation import Conversation
from voice_runtime.agent.ending import transfer as hand_over
from voice_runtime.audio.tones import dtmf
from voice_runtime.errors import CarrierError, ToolError
from voice_runtime.events import Direction, MarkOutcome
from voice_runtime.session import VoiceSession
from voice_runtime.tools import OnBargeIn, Tool, tool
from voice_runtime.transport import TextSender

__all__ = ["collect_digits", "hang_up", "send_digits", "send_sms", "transfer_to"]

log = logging.getLogger(__name__)

PROMPT_SECONDS = 30.0
"""How long a prompt that is still being said may take."""
QUIET_SECONDS = 0.5
"""A prompt is over when nothing has sounded for so long: there may be more of it that is being synthesised."""
MARK_SECONDS = 5.0
"""How long the proof of playing may take after its expected end."""


@tool(holding="")
async def hang_up(conversation: Conversation) -> str:
    """End the call. Use it when the caller wants nothing more, and say goodbye."""
    conversation.hang_up()
    return "The call ends when your goodbye has been heard. Say it now, unless you have said it."


@tool(timeout=120.0, holding="", on_barge_in=OnBargeIn.CANCEL)
async def collect_digits(
    call: VoiceSession,
    conversation: Conversation,
    max_digits: Annotated[int | None, Field(ge=1, le=40)] = None,
) -> str:
    """Wait for the caller to key in a number. Ask for it first, in the same answer: they may end it with the hash key.

    Args:
        max_digits: how many digits the number has, if that is known
    """
    with conversation.collecting_keys():
        await _heard_out(call)
        digits = await call.collect_digits(max_digits)
    if not digits:
        raise ToolError("The caller pressed no key.")
    return digits.text


@tool(timeout=60.0, holding="", on_barge_in=OnBargeIn.CANCEL, silent=True)
async def send_digits(digits: Annotated[str, Field(pattern="^[0-9*#wW]{1,40}$")], call: VoiceSession) -> str:
    """Press keys, for the menu of a machine on the other side.

    Args:
        digits: 0-9, * and #; w waits half a second, W a whole one
    """
    tones = dtmf(digits)
    call.send_audio(tones)  # and not `send_digits`, which would wait for the end of the answer that waits for this
    call.tap_agent(tones)
    if await call.mark("digits", call.stream.unplayed_seconds() + MARK_SECONDS) is not MarkOutcome.PLAYED:
        raise ToolError("That was interrupted.")
    return "The keys were pressed."


@tool(timeout=15.0)
async def send_sms(text: Annotated[str, Field(min_length=1, max_length=1000)], call: VoiceSession) -> str:
    """Send the caller a text message."""
    inbound = call.direction is Direction.INBOUND
    ours, theirs = (call.called_number, call.caller_number)[:: 1 if inbound else -1]
    carrier: object = call.carrier
    if not isinstance(carrier, TextSender) or not (theirs or "").startswith("+"):
        raise ToolError("This caller cannot be sent a text message.")
    try:
        await carrier.send_sms(theirs or "", text, from_=ours or "")
    except CarrierError as error:
        log.warning("call %s: no text message: %s", call.call_sid, error)
        raise ToolError("The text message could not be sent.") from error
    return "The text message was sent."


def transfer_to(**destinations: str) -> Tool:
    """A tool that transfers the caller: `transfer_to(sales="+15551230001", support="sip:help@example.com")`.

    The model chooses among the names; it never sees a number, nor makes one up.
    """

    async def transfer(to: str, call: VoiceSession) -> str:
        await _heard_out(call)
        try:
            await hand_over(call, destinations[to], to)
        except CarrierError as error:
            log.warning("call %s: no transfer: %s", call.call_sid, error)
            raise ToolError("The call could not be transferred.") from error
        return "The caller was transferred."

    transfer.__annotations__["to"] = Literal[tuple(destinations)]
    described = "Transfer the caller. Say so first, in the same answer; nothing can be said after it."
    return Tool(transfer, description=described, timeout=60.0, holding="", on_barge_in=OnBargeIn.CANCEL)


async def _heard_out(call: VoiceSession) -> None:
    """Until what is being said was heard, and nothing else comes; not for ever."""
    for _ in range(round(PROMPT_SECONDS / QUIET_SECONDS)):
        await asyncio.sleep(QUIET_SECONDS)
        if call.stream.quiet_seconds() >= QUIET_SECONDS:
            return
