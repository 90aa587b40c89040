"""A text message as the API knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from voice_runtime.simulator.rest.fields import Fields
from voice_runtime.simulator.rest.shapes import API_VERSION, account_path, rfc_2822

__all__ = ["MessageStatus", "SimulatedMessage", "segments"]

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_ESCAPED = frozenset("^{}\\[~]|€\f")  # two septets each


class MessageStatus(StrEnum):
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    RECEIVED = "received"


def segments(body: str) -> int:
    """How many SMS carry `body`: GSM-7 160 septets (153 each when several), else UCS-2 70 (67), 3GPP TS 23.038."""
    if set(body) <= _GSM_7 | _GSM_7_ESCAPED:
        length, alone, several = sum(2 if c in _GSM_7_ESCAPED else 1 for c in body), 160, 153
    else:
        length, alone, several = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= alone else -(-length // several)


@dataclass
class SimulatedMessage:
    """One text message, either way. `fields` is what the creating request said."""

    sid: str
    account_sid: str
    to: str
    from_: str
    body: str
    created: float
    fields: Mapping[str, str] = field(default_factory=dict)
    status: str = MessageStatus.QUEUED
    direction: str = "outbound-api"
    media: tuple[str, ...] = ()
    error_code: int | None = None
    sent: float | None = None
    updated: float = 0.0

    @property
    def key(self) -> str:
        return self.sid

    @property
    def send_at(self) -> float:
        """When a scheduled one is due, in Unix seconds."""
        return Fields(self.fields.items()).instant("SendAt")

    @property
    def segments(self) -> int:
        return segments(self.body)

    def as_json(self) -> dict[str, object]:
        path = f"{account_path(self.account_sid)}/Messages/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "date_sent": rfc_2822(self.sent),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None,
            "from": self.from_ or None,
            "to": self.to,
            "messaging_service_sid": self.fields.get("MessagingServiceSid"),
            "num_media": str(len(self.media)),
            "num_segments": str(self.segments),
            "price": None,
            "price_unit": "USD",
            "status": str(self.status),
            "uri": f"{path}.json",
            "subresource_uris": {"media": f"{path}/Media.json"},
        }
