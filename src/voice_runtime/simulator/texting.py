"""Text messages, both ways: those that applications send arrive, and those that people send are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urljoin

from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.parameters import Form
from voice_runtime.simulator.rest import MessageStatus, RestState, SimulatedMessage
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.simulator.webhooks import Answer, WebhookError, Webhooks
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire.twiml import MalformedTwiml, Message, Redirect, Verb, parse_twiml

__all__ = ["Texting"]

_STEP_SECONDS = 0.5  # from one status to the next; ours, real ones take as long as they take
_STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START_WORDS = frozenset({"START", "YES", "UNSTOP"})
_MAX_DOCUMENTS = 10


class Texting:
    """`webhooks` sign as messages are signed. What an application does wrong is in `rest.violations`."""

    def __init__(self, rest: RestState, webhooks: Webhooks, pace: Pace) -> None:
        self._rest, self._webhooks, self._pace = rest, webhooks, pace
        self._owner = TaskOwner("texting")
        self._under_way: dict[str, asyncio.Task[SimulatedMessage]] = {}

    # -- to people ----------------------------------------------------------------------------------------------------

    def send(self, message: SimulatedMessage) -> None:
        """Queued, sent, delivered, each told to its status callback. A scheduled one waits for its time."""
        self._under_way[message.sid] = self._owner.start(f"send.{message.sid[-6:]}", self._deliver(message))

    async def delivered(self, sid: str) -> SimulatedMessage:
        """Wait until a message has its last status, and that has been told."""
        return await asyncio.shield(self._under_way[sid])

    async def _deliver(self, message: SimulatedMessage) -> SimulatedMessage:
        if message.status == MessageStatus.SCHEDULED:
            await self._pace.sleep(message.send_at - self._pace.wall())
            if message.status != MessageStatus.SCHEDULED:
                return message
        error = self._rest.undeliverable.get(message.to)
        if message.to in self._rest.opted_out:
            steps = [MessageStatus.FAILED]
            error = 21610
        elif error is not None:
            steps = [MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.UNDELIVERED]
        else:
            steps = [MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.DELIVERED]
        for status in steps:
            failed = status in (MessageStatus.UNDELIVERED, MessageStatus.FAILED)
            self._rest.set_message_status(message, status, error if failed else None)
            await self._tell(message)
            await self._pace.sleep(_STEP_SECONDS)
        return message

    async def _tell(self, message: SimulatedMessage) -> None:
        url = message.fields.get("StatusCallback", "")
        if not url:
            return
        form = [(name, message.sid) for name in ("MessageSid", "SmsSid")]
        form += [(name, str(message.status)) for name in ("MessageStatus", "SmsStatus")]
        form += [("AccountSid", message.account_sid), ("ApiVersion", "2010-04-01")]
        form += [("From", message.from_), ("To", message.to)]
        if service := message.fields.get("MessagingServiceSid"):
            form.append(("MessagingServiceSid", service))
        if message.error_code is not None:
            form.append(("ErrorCode", str(message.error_code)))
        await self._webhooks.notify(url, form)

    # -- from people --------------------------------------------------------------------------------------------------

    async def receive(self, message: SimulatedMessage, url: str, method: str, fallback: str) -> list[SimulatedMessage]:
        """Tell the application of a message. Returns what it answered; those are under way to its sender.

        STOP and its like take the sender off every list, START puts it back ("Opt-out keywords").
        """
        word = message.body.strip().upper()
        if word in _STOP_WORDS:
            self._rest.opted_out.add(message.from_)
        if word in _START_WORDS:
            self._rest.opted_out.discard(message.from_)
        try:
            replies = await self._ask(message, url, method)
        except WebhookError as error:
            self._complain(error.code, error.detail)
            if not fallback:
                return []
            try:
                replies = await self._ask(message, fallback, method)
            except WebhookError as again:
                self._complain(again.code, again.detail)
                return []
        return [self._reply(message, verb) for verb in replies]

    async def _ask(self, message: SimulatedMessage, url: str, method: str) -> list[Message]:
        form, replies = _form(message), list[Message]()
        for _ in range(_MAX_DOCUMENTS):
            answer = await self._webhooks.fetch(url, form, method)
            redirect = self._read(_verbs(answer), replies)
            if redirect is None:
                return replies
            url, method = urljoin(answer.url, redirect.url), redirect.method
        raise WebhookError(ViolationCode.TOO_MANY_REDIRECTS, url)

    def _read(self, verbs: Sequence[Verb], replies: list[Message]) -> Redirect | None:
        for verb in verbs:
            match verb:
                case Message():
                    replies.append(verb)
                case Redirect():
                    return verb
                case MalformedTwiml():
                    raise WebhookError(ViolationCode.INVALID_TWIML, verb.reason)
                case _:
                    self._complain(ViolationCode.NOT_SIMULATED, f"{verb} is no answer to a text message")
        return None

    def _reply(self, to: SimulatedMessage, verb: Message) -> SimulatedMessage:
        reply = self._rest.add_message(verb.to or to.from_, to.to, verb.body)
        reply.direction = "outbound-reply"
        self.send(reply)
        return reply

    def _complain(self, code: ViolationCode, detail: str) -> None:
        self._rest.violations.append(Violation(0.0, code, detail))

    async def close(self) -> None:
        await self._owner.close()
        await self._webhooks.close()


def _verbs(answer: Answer) -> Sequence[Verb]:
    if not answer.text.strip():
        return ()
    if answer.content_type == "text/plain":
        return (Message(answer.text),)
    return parse_twiml(answer.text)


def _form(message: SimulatedMessage) -> Form:
    form = [(name, message.sid) for name in ("MessageSid", "SmsSid", "SmsMessageSid")]
    form += [("AccountSid", message.account_sid), ("ApiVersion", "2010-04-01"), ("SmsStatus", "received")]
    form += [("From", message.from_), ("To", message.to), ("Body", message.body)]
    form += [("NumMedia", str(len(message.media))), ("NumSegments", str(message.segments))]
    for number, url in enumerate(message.media):
        form += [(f"MediaUrl{number}", url), (f"MediaContentType{number}", "application/octet-stream")]
    form += [(f"{who}{part}", "") for who in ("From", "To") for part in ("City", "State", "Zip", "Country")]
    return sorted(form)
