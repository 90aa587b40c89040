"""Twilio's list of calls, read so that nothing is lost on the way: every page checked, or no list at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

__all__ = ["ANYBODY", "CallListQuery", "TwilioCallRow", "read_page"]

ANYBODY = "*"
_MAX_PAGE_SIZE = 1000  # https://www.twilio.com/docs/usage/twilios-response#pagination
_PATH = re.compile(r"[\x21-\x7e]+")
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class TwilioCallRow(BaseModel):
    """One call of the list. `start_time` (Unix seconds) and `caller` are None when Twilio does not say."""

    model_config = ConfigDict(frozen=True, strict=True)

    call_sid: str
    status: str
    start_time: float | None
    direction: str
    caller: str | None


@dataclass(frozen=True, slots=True)
class CallListQuery:
    """Which calls: those to `to`, or to `ANYBODY`, that began after `start_after`.

    Checked at run time as well: a None that slips through would widen the list instead of failing.
    """

    to: str
    start_after: datetime
    page_size: int = 200
    max_pages: int = 10

    def __post_init__(self) -> None:
        to: object = self.to
        if not isinstance(to, str) or not to.strip():
            raise ValueError("to must be a number: without one the list would be of every call")
        began: object = self.start_after
        if not isinstance(began, datetime) or began.utcoffset() is None:
            raise ValueError("start_after must be a datetime with a time zone")
        for name, value, most in (("page_size", self.page_size, _MAX_PAGE_SIZE), ("max_pages", self.max_pages, None)):
            if type(value) is not int or value < 1 or (most is not None and value > most):
                raise ValueError(f"{name} must be a whole number from 1 to {most or 'any'}")

    def parameters(self) -> dict[str, str]:
        began = self.start_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = {"StartTime>": began, "PageSize": str(self.page_size)}
        return wanted if self.to == ANYBODY else {"To": self.to, **wanted}

    def wants(self, row: TwilioCallRow) -> bool:
        """Twilio's filter means "at or after"; a call of unknown time stays, for the reader to judge."""
        return row.start_time is None or row.start_time > self.start_after.timestamp()


def read_page(page: object, *, origin: str, collection: str) -> tuple[list[TwilioCallRow], str]:
    """The rows of one page, and the path of the next one, "" after the last. Raises `ValueError` with what is off."""
    if not isinstance(page, Mapping) or not isinstance(page.get("calls"), list) or "next_page_uri" not in page:
        raise ValueError("a page is not a page of calls")
    rows = [_row(record) for record in page["calls"]]
    link = page["next_page_uri"]
    return rows, "" if link is None else _next_path(link, origin, collection)


def _row(record: object) -> TwilioCallRow:
    if not isinstance(record, Mapping):
        raise ValueError("a call is not an object")
    caller = record.get("from")
    if caller is not None and not isinstance(caller, str):
        raise ValueError("the caller of a call is not text")
    return TwilioCallRow(
        call_sid=_said(record, "sid"),
        status=_said(record, "status"),
        start_time=_began(record.get("start_time")),
        direction=_said(record, "direction"),
        caller=caller if caller and caller.strip() else None,
    )


def _said(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a call has no {name}")
    return value


def _began(value: object) -> float | None:
    if value is None:
        return None
    # The SDK drops the offset and makes None of what it cannot read: both would be wrong answers here.
    try:
        began = parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        began = None
    if began is None or began.utcoffset() is None:
        raise ValueError("the start time of a call is not a date with an offset")
    return began.timestamp()


def _next_path(link: object, origin: str, collection: str) -> str:
    """Only ever the same list: the request for it carries our credentials."""
    if not isinstance(link, str) or not _PATH.fullmatch(link) or "\\" in link or "#" in link:
        raise ValueError("the link to the next page is not an address")
    if _BROKEN_ESCAPE.search(link):
        raise ValueError("the link to the next page is wrongly escaped")
    parts = urlsplit(link)
    if (parts.scheme or parts.netloc) and f"{parts.scheme}://{parts.netloc}" != origin:
        raise ValueError("the link to the next page leads to another host")
    if parts.path != collection or not link.startswith((collection, origin + collection)):
        raise ValueError("the link to the next page leads elsewhere")
    return link.removeprefix(origin)
