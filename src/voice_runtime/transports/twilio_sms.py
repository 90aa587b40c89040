"""Text messages through Twilio: sending (it blocks), and reading Twilio's two webhooks about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import open_rest, require_credentials, require_phone_number

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

__all__ = ["InboundMedia", "InboundSms", "SmsStatus", "parse_inbound_sms", "parse_sms_status", "send_sms"]

_MOST_MEDIA = 10  # per message, https://www.twilio.com/docs/messaging/guides/webhook-request


def send_sms(
    to: str,
    body: str,
    *,
    from_: str = "",
    status_callback: str = "",
    media_urls: Sequence[str] = (),
    settings: Settings | None = None,
    adapter: BaseAdapter | None = None,
) -> dict[str, str]:
    """Send `body` to `to`; returns {"message_sid", "status", "to"}. Long texts are the carrier's to split.

    `from_` is TWILIO_PHONE_NUMBER by default. `adapter`: how `requests` reaches Twilio, if not over the network.
    Raises `MissingSettingError` (a RuntimeError), `CarrierError`.
    """
    ours = settings if settings is not None else Settings()
    require_credentials(ours, "sending a message")
    sender = from_ or require_phone_number(ours, "sending a message")
    options: dict[str, object] = {}
    if status_callback:
        options["status_callback"] = status_callback
    if media_urls:
        options["media_url"] = list(media_urls)
    with open_rest(ours, adapter) as rest:
        return rest.send_message(to, body, sender, options)


@dataclass(frozen=True, slots=True)
class InboundMedia:
    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message that somebody sent us. Numbers are as Twilio gave them; a short code is no E.164."""

    message_sid: str
    account_sid: str
    from_: str
    to: str
    body: str
    media: tuple[InboundMedia, ...] = ()


@dataclass(frozen=True, slots=True)
class SmsStatus:
    """What became of a message that we sent: "sent", "delivered", "undelivered", "failed", ..."""

    message_sid: str
    status: str
    to: str
    from_: str
    error_code: int | None = None


def parse_inbound_sms(form: Mapping[str, str]) -> InboundSms:
    """The message in an inbound webhook. Raises `ValueError` when it is not one."""
    said = form.get("NumMedia", "0")
    count = min(int(said), _MOST_MEDIA) if said.isascii() and said.isdigit() and len(said) < 4 else 0
    media = [InboundMedia(form.get(f"MediaUrl{i}", ""), form.get(f"MediaContentType{i}", "")) for i in range(count)]
    return InboundSms(
        message_sid=_message_sid(form),
        account_sid=form.get("AccountSid", ""),
        from_=form.get("From", ""),
        to=form.get("To", ""),
        body=form.get("Body", ""),
        media=tuple(found for found in media if found.url),
    )


def parse_sms_status(form: Mapping[str, str]) -> SmsStatus:
    """The verdict in a status callback. Raises `ValueError` when it is not one."""
    status = form.get("MessageStatus") or form.get("SmsStatus") or ""
    if not status:
        raise ValueError("not a message status callback: it has no MessageStatus")
    code = form.get("ErrorCode", "")
    return SmsStatus(
        message_sid=_message_sid(form),
        status=status,
        to=form.get("To", ""),
        from_=form.get("From", ""),
        error_code=int(code) if code.isascii() and code.isdigit() and len(code) < 10 else None,
    )


def _message_sid(form: Mapping[str, str]) -> str:
    sid = form.get("MessageSid") or form.get("SmsMessageSid") or form.get("SmsSid") or ""
    if not sid:
        raise ValueError("not a message webhook: it has no MessageSid")
    return sid
