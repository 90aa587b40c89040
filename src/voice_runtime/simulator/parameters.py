"""The form fields of Twilio's voice requests, in the set and spelling in which they come from the real thing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

__all__ = ["ACCOUNT_SID", "Form", "Leg", "new_sid", "rfc2822", "voice_form"]

Form = list[tuple[str, str]]

ACCOUNT_SID = "AC" + "5" * 32


def new_sid(prefix: str) -> str:
    """`CA`, `MZ`, ... and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Leg:
    """Who talks to whom. `direction`: "inbound", "outbound-api" or "outbound-dial", which has a `parent_sid`.

    `country`: of both numbers, "" when unknown.
    """

    call_sid: str
    account_sid: str
    direction: str
    caller: str
    called: str
    country: str = ""
    parent_sid: str = ""


def voice_form(leg: Leg, status: str) -> Form:
    """Every request about a call carries these; geography is there even when nothing is known about it."""
    form = [
        ("AccountSid", leg.account_sid),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", leg.call_sid),
        ("CallStatus", status),
        ("Direction", leg.direction),
    ]
    for who, number in (("From", leg.caller), ("Caller", leg.caller), ("To", leg.called), ("Called", leg.called)):
        form.append((who, number))
        form += [(f"{who}{part}", "") for part in ("City", "State", "Zip")]
        form.append((f"{who}Country", leg.country))
    form += [("ParentCallSid", leg.parent_sid)] if leg.parent_sid else []
    if leg.direction == "inbound":
        form += [("CallToken", _call_token(leg)), ("StirVerstat", "TN-Validation-Passed-A")]
    return sorted(form)


def _call_token(leg: Leg) -> str:
    # Real ones are a long URL-encoded JSON text: characters that break careless form parsing.
    return f'{{"parentCallInfoToken":"simulated+{leg.call_sid[-8:]}/=","identityHeaderTokens":[]}}'


def rfc2822() -> str:
    """Now, as call status callbacks write it."""
    return format_datetime(datetime.now(UTC))
