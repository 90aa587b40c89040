"""The telephone network: places calls to an application, and the calls that an application places."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from types import TracebackType
from typing import Final, Self

from starlette.types import ASGIApp

from voice_runtime.audio.spelling import spell
from voice_runtime.clock import Clock
from voice_runtime.simulator.addresses import Addresses, signed_message_form
from voice_runtime.simulator.bad_day import BadDay
from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.conference import Conferences
from voice_runtime.simulator.mischief import Mischief
from voice_runtime.simulator.network import CallPlan, Document, Network
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.parameters import ACCOUNT_SID, Leg
from voice_runtime.simulator.person import Voice
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.record import CallRecord, EndedBy
from voice_runtime.simulator.rest import FAULTS, CallStatus, MessageStatus, RestState, SimulatedCall, SimulatedMessage
from voice_runtime.simulator.rest_orders import RestOrders
from voice_runtime.simulator.script import Script
from voice_runtime.simulator.texting import Texting
from voice_runtime.simulator.webhooks import Webhooks
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire.twiml import Reject

__all__ = ["Carrier"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

log = logging.getLogger(__name__)

_LEFTOVER_SECONDS: Final = 10.0
"""How long what outlives its call on a bad day, such as a late `stop`, may hold up the end."""


class Carrier:
    """A Twilio with one account. Use it as `async with`: leaving it ends every call and waits for that.

    `addresses` maps public origins of the application to where it runs: `{"https://voice.example.com":
    "http://127.0.0.1:8080"}`, or the ASGI application itself, whose lifespan is somebody else's to run. `speed` is how
    fast time passes for people and media; requests to the application have real time. `rest` is the account's REST API
    (serve `rest_app(carrier.rest)` to have the application use it); `phones` are the numbers it can dial. `bad_day` is
    what goes wrong in every call, and `seed` makes what is chance in it the same each time.
    """

    def __init__(
        self,
        auth_token: str,
        *,
        account_sid: str = ACCOUNT_SID,
        addresses: Mapping[str, str | ASGIApp] | None = None,
        speed: float = 1.0,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        time_limit: float = 14400.0,
        bad_day: BadDay | None = None,
        seed: int = 0,
    ) -> None:
        self._bad_day, self._seed = bad_day or BadDay(), seed
        self._calls_begun = 0
        self._pace = pace = Pace(speed, clock=clock, sleep=sleep)
        self.rest = RestState(account_sid=account_sid, auth_token=auth_token, clock=pace)
        self.phones: dict[str, Phone] = {}
        self.any_phone: Phone | None = None
        """Who answers at numbers that are not in `phones`. Nobody does when it is None."""
        self.on_call: Callable[[PhoneCall], None] | None = None
        """Told of each call as it begins."""
        self.calls: dict[str, PhoneCall] = {}
        """The calls in progress, by SID."""
        self.conferences = Conferences(self.rest)
        self.records: list[CallRecord] = []
        """What is left of the calls that are over, in the order in which they ended."""
        self._outcomes: dict[str, asyncio.Task[CallRecord | Exception]] = {}
        self._untold: dict[str, Exception] = {}  # what scripts raised, until somebody asks
        self._network = Network(
            auth_token=auth_token,
            addresses=Addresses(addresses),
            tls=_trusted(),
            pace=pace,
            time_limit=time_limit,
            rest=self.rest,
            conferences=self.conferences,
            place=self._place,
        )
        texts = Webhooks(auth_token, self._network.addresses, self._network.tls, signed_as=signed_message_form)
        self._texting = Texting(self.rest, texts, pace)
        self.rest.telephony = self._orders = RestOrders(
            self.rest, pace, self.calls, self.conferences, self._dial, self._texting.send
        )
        self._owner = TaskOwner("carrier")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Put every call down and wait until all of it has ended."""
        for call in list(self.calls.values()):
            call.hang_up(EndedBy.CARRIER)
        if running := [task for task in self._outcomes.values() if not task.done()]:
            await asyncio.wait(running)
        for sid, error in self._untold.items():
            log.error("the script of call %s failed", sid, exc_info=error)
        await self._texting.close()
        await self._owner.finish(_LEFTOVER_SECONDS)
        await self._network.addresses.close()

    # -- calls to the application -------------------------------------------------------------------------------------

    def dial_in(
        self,
        webhook_url: str,
        script: Script,
        *,
        caller: str = "+358401234567",
        called: str = "+358942721000",
        country: str = "FI",
        status_callback: str = "",
        fallback_url: str = "",
        voice: Voice = spell,
        bad_day: BadDay | None = None,
    ) -> PhoneCall:
        """Somebody calls the application's number. Returns at once; `finished` waits for the end.

        The script starts when the call is answered, and says its words in `voice`. `fallback_url` is the number's
        own: where to go when the first fails. A number has no choice of status events: only the last is told.
        `bad_day`: of this call, in place of the carrier's.
        """
        known = self.rest.add_call(called, caller, direction="inbound")
        leg = Leg(known.sid, known.account_sid, "inbound", caller, called, country)
        fallback = Document(fallback_url) if fallback_url else None
        document = Document(webhook_url)
        if self._orders.too_many(known):
            document = Document(verbs=(Reject("busy"),))  # the application does not hear of it
        plan = CallPlan(document, status_callback, fallback=fallback)
        return self._begin(leg, Phone(script, voice=voice), plan, bad_day)

    async def call(
        self,
        webhook_url: str,
        script: Script,
        *,
        caller: str = "+358401234567",
        called: str = "+358942721000",
        country: str = "FI",
        status_callback: str = "",
        fallback_url: str = "",
        voice: Voice = spell,
        bad_day: BadDay | None = None,
    ) -> CallRecord:
        """`dial_in`, and wait for the end. Raises what the script raised, but not its CallHangupError."""
        return await self.finished(
            self.dial_in(
                webhook_url,
                script,
                caller=caller,
                called=called,
                country=country,
                status_callback=status_callback,
                fallback_url=fallback_url,
                voice=voice,
                bad_day=bad_day,
            )
        )

    async def finished(self, call: PhoneCall | str) -> CallRecord:
        """Wait until a call (or the call of that SID) is over, its status callbacks delivered.

        Raises what its script raised.
        """
        sid = call if isinstance(call, str) else call.sid
        outcome = await asyncio.shield(self._outcomes[sid])
        if isinstance(outcome, Exception):
            self._untold.pop(sid, None)
            raise outcome
        return outcome

    def ring(
        self,
        number: str,
        script: Script,
        *,
        caller: str = "+358401234567",
        country: str = "FI",
        voice: Voice = spell,
    ) -> PhoneCall:
        """Somebody calls a number of the account (`rest.add_number`, or by REST), which knows its own webhooks."""
        known = self.rest.number(number)
        if known is None or not known.voice_url:
            raise ValueError(f"{number} is no number of the account with a VoiceUrl")
        return self.dial_in(
            known.voice_url,
            script,
            caller=caller,
            called=number,
            country=country,
            status_callback=known.status_callback,
            fallback_url=known.voice_fallback_url,
            voice=voice,
        )

    # -- text messages ------------------------------------------------------------------------------------------------

    async def text_in(
        self,
        webhook_url: str,
        body: str,
        *,
        sender: str = "+358401234567",
        recipient: str = "+358942721000",
        media: tuple[str, ...] = (),
    ) -> list[SimulatedMessage]:
        """Somebody texts the application's number. Returns its answers, which are under way.

        An empty `webhook_url` stands for the SmsUrl of `recipient`, a number of the account.
        """
        method, fallback = "POST", ""
        if not webhook_url:
            known = self.rest.number(recipient)
            if known is None or not known.sms_url:
                raise ValueError(f"{recipient} is no number of the account with an SmsUrl")
            webhook_url, method, fallback = known.sms_url, known.sms_method, known.sms_fallback_url
        message = self.rest.add_message(recipient, sender, body, media=media)
        message.direction, message.status = "inbound", MessageStatus.RECEIVED
        return await self._texting.receive(message, webhook_url, method, fallback)

    async def delivered(self, message_sid: str) -> SimulatedMessage:
        """Wait until a message of the application has its last status, and its callback knows."""
        return await self._texting.delivered(message_sid)

    # -- calls of the application, by REST ----------------------------------------------------------------------------

    def _dial(self, known: SimulatedCall, plan: CallPlan, refused: bool) -> None:
        leg = Leg(known.sid, known.account_sid, "outbound-api", known.from_, known.to)
        if refused:
            self._begin(leg, Phone(outcome=CallStatus.FAILED), plan)
        else:
            self._place(leg, plan)

    def _place(self, leg: Leg, plan: CallPlan) -> PhoneCall:
        """Dial `leg.called`."""
        nobody = Phone(rings=plan.ring_timeout, outcome=CallStatus.NO_ANSWER)
        phone = self.phones.get(leg.called, self.any_phone or nobody)
        return self._begin(leg, phone, plan)

    # -- all calls ----------------------------------------------------------------------------------------------------

    def _begin(self, leg: Leg, phone: Phone, plan: CallPlan, bad_day: BadDay | None = None) -> PhoneCall:
        self._calls_begun += 1
        day, chance = bad_day or self._bad_day, Random(f"{self._seed}/{self._calls_begun}")
        self.rest.fail_next(*(FAULTS[name] for name in day.rest))
        call = PhoneCall(leg, phone, plan, self._network, Mischief(day, chance, self._pace, self._owner))
        self.calls[call.sid] = call
        self._outcomes[call.sid] = self._owner.start(f"call.{call.sid[-6:]}", self._carry(call))
        if self.on_call is not None:
            self.on_call(call)
        return call

    async def _carry(self, call: PhoneCall) -> CallRecord | Exception:
        try:
            return await call.run()
        except Exception as error:  # of the person's script, which is somebody's test
            self._untold[call.sid] = error
            return error
        finally:
            self.conferences.gone(call.sid)
            del self.calls[call.sid]
            if call.record is not None:
                self.records.append(call.record)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Reading the machine's certificates takes as long as a whole simulated call: once is enough."""
    return ssl.create_default_context()
