"""How the API writes things: dates, telephone numbers, paths."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

__all__ = ["API_VERSION", "account_path", "formatted", "rfc_2822", "subresources"]

API_VERSION = "2010-04-01"
_NORTH_AMERICAN = re.compile(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})")


def account_path(account_sid: str) -> str:
    return f"/{API_VERSION}/Accounts/{account_sid}"


def rfc_2822(at: float | None) -> str | None:
    """`at`: Unix seconds. None stays None: JSON's null."""
    return None if at is None else format_datetime(datetime.fromtimestamp(at, UTC))


def formatted(number: str) -> str:
    """`to_formatted`: North American numbers as people write them, others as they are."""
    return _NORTH_AMERICAN.sub(r"(\1) \2-\3", number) if _NORTH_AMERICAN.fullmatch(number) else number


def subresources(path: str, names: str) -> dict[str, str]:
    """`subresource_uris`: `user_defined_messages` is at `<path>/UserDefinedMessages.json`."""
    return {name: f"{path}/{''.join(word.title() for word in name.split('_'))}.json" for name in names.split()}
