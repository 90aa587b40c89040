"""How an agent ends a call: a goodbye that is heard and a hang-up, or the caller is given to somebody who can help."""

from __future__ import annotations

import asyncio
import logging

from voice_runtime.agent.mouth import Mouth, Start
from voice_runtime.agent.seat import Seat
from voice_runtime.agent.talk import AgentTalk
from voice_runtime.errors import CarrierError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.session import VoiceSession
from voice_runtime.transport import CallTransfer
from voice_runtime.turns import events as on

__all__ = ["Ending", "transfer"]

log = logging.getLogger(__name__)

LAST_SENTENCES_SECONDS = 5.0
"""How long the agent may go on with what it is saying."""
LAST_WORDS_SECONDS = 20.0
"""How long the goodbye may take to be heard after that."""


class Ending:
    """Of one call. It is decided once, by whoever comes first."""

    def __init__(self, call: VoiceSession, seat: Seat, talk: AgentTalk, mouth: Mouth, start: Start) -> None:
        self._call = call
        self._seat = seat
        self._talk = talk
        self._mouth = mouth
        self._start = start
        self.decided = False
        self._giving_up: asyncio.Task[object] | None = None  # on a caller who says nothing

    def decide(self, reason: EndReason, detail: str = "") -> None:
        """Say goodbye after what is being said, and hang up."""
        if not self.decided:
            self.decided = True
            ending = self._start("end", self._say_goodbye(reason, detail))
            self._giving_up = ending if reason is EndReason.CALLER_SILENT else None

    def told(self, event: on.Event) -> None:
        """What the floor is told of, too: a caller who says something during the goodbye is there after all."""
        match event:
            case on.PartialHeard(text) | on.FinalHeard(text) if not text.strip():
                pass
            case on.PartialHeard() | on.FinalHeard() | on.KeyPressed():
                if self._giving_up is not None and not self._giving_up.done():
                    self._giving_up.cancel()
                    self._giving_up, self.decided = None, False
            case _:
                pass

    def failed(self, detail: str) -> None:
        """The agent cannot go on: the caller is transferred, if there is somewhere, or else hears so."""
        if not self.decided:
            self.decided = True
            self._start("end", self._give_up(detail))

    async def _give_up(self, detail: str) -> None:
        agent = self._seat.agent
        if agent.limits.transfer_to:
            await self._say(agent.phrases.transfer)
            try:
                await transfer(self._call, agent.limits.transfer_to, detail)
            except CarrierError as error:
                log.error("call %s: no transfer: %s", self._call.call_sid, error)
            else:
                return
        await self._say_goodbye(EndReason.PROVIDER_FAILED, detail)

    async def _say_goodbye(self, reason: EndReason, detail: str) -> None:
        phrases = self._seat.agent.phrases
        if reason is EndReason.CALLER_SILENT:
            self._talk.say(phrases.goodbye)
            await self._mouth.silent(LAST_WORDS_SECONDS)
        else:
            await self._say(phrases.failed_goodbye if reason is EndReason.PROVIDER_FAILED else phrases.goodbye)
        self._call.request_disconnect(reason, detail)

    async def _say(self, phrase: str) -> None:
        self._talk.say(phrase, interruptible=False)
        if await self._mouth.silent(LAST_SENTENCES_SECONDS):
            return
        self._mouth.cut_short()  # a long answer; not the last words, which cannot be interrupted
        if not await self._mouth.silent(LAST_WORDS_SECONDS):
            log.warning("call %s: the last words were not heard in time", self._call.call_sid)


async def transfer(call: VoiceSession, number: str, detail: str) -> None:
    """Have the carrier connect the caller to `number`; returns when the call has left. Raises `CarrierError`."""
    carrier: object = call.carrier
    if not isinstance(carrier, CallTransfer):
        raise CarrierError("This call cannot be transferred.")
    call.expect_end(CallEnd(EndReason.TRANSFERRED, detail))
    try:
        await carrier.transfer(call.call_sid or "", number)
    except CarrierError:
        call.expect_end(None)
        raise
    await call.wait_ended()
