"""Who may ask, and where. Credentials belong to a region, and so do the calls that are made with them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from voice_runtime.simulator.rest.refusal import Refusal

__all__ = ["HOME", "ApiKey", "Credentials", "region_of"]

HOME = "us1"


@dataclass(frozen=True, slots=True)
class ApiKey:
    secret: str
    region: str = HOME


class Credentials:
    """The account's auth token of each region, and its API keys."""

    def __init__(self, account_sid: str, auth_token: str) -> None:
        self._account_sid = account_sid
        self.tokens = {HOME: auth_token}
        self.keys: dict[str, ApiKey] = {}

    def region(self, host: str, user: str, secret: str) -> str:
        """Where a request with these credentials is asked. Raises Refusal (401) when they are not good there.

        Behind a host that is not Twilio's (a simulator's own address) that is the region of the credentials.
        """
        known = self.keys.get(user)
        pairs = [(known.region, known.secret)] if known is not None else []
        if user == self._account_sid:
            pairs = list(self.tokens.items())
        asked = region_of(host)
        for region, expected in pairs:
            if asked in ("", region) and secrets.compare_digest(expected.encode(), secret.encode()):
                return region
        raise Refusal.stranger()


def region_of(host: str) -> str:
    """`api.twilio.com`, `api.ie1.twilio.com`, `api.dublin.ie1.twilio.com`; "" for any other host."""
    name = host.partition(":")[0].lower()
    parts = name.removesuffix(".twilio.com").split(".")
    if not name.endswith(".twilio.com") or parts[0] != "api" or len(parts) > 3:
        return ""
    return parts[-1] if len(parts) > 1 else HOME
