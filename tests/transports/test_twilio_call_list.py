"""One page of Twilio's list of calls: whole and sound, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from voice_runtime.transports.twilio_call_list import ANYBODY, CallListQuery, TwilioCallRow, read_page

ORIGIN = "https://api.twilio.com"
COLLECTION = "/2010-04-01/Accounts/AC123/Calls.json"
NEXT = f"{COLLECTION}?PageToken=PA%2B&Page=1&PageSize=2&To=%2B15550001"
SINCE = datetime(2026, 9, 8, 6, 30, tzinfo=UTC)


def record(**changes: object) -> dict[str, object]:
    return {
        "sid": "CA1",
        "status": "completed",
        "direction": "inbound",
        "start_time": "Tue, 08 Sep 2026 09:31:00 +0300",
        "from": "anonymous",
        **changes,
    }


def read(*records: object, link: object = None) -> tuple[list[TwilioCallRow], str]:
    return read_page({"calls": list(records), "next_page_uri": link}, origin=ORIGIN, collection=COLLECTION)


def test_a_row_is_what_twilio_said() -> None:
    """The offset of its date counts."""
    row = TwilioCallRow(
        call_sid="CA1",
        status="completed",
        start_time=SINCE.timestamp() + 60,
        direction="inbound",
        caller="anonymous",
    )
    assert read(record()) == ([row], "")
    with pytest.raises(ValidationError):
        row.status = "changed"  # type: ignore[misc]


@pytest.mark.parametrize("caller", [None, "", " \t"])
def test_what_twilio_does_not_say_is_none(caller: str | None) -> None:
    """Not 0, and not an empty number."""
    [row], _ = read(record(start_time=None, **{"from": caller}))
    assert (row.start_time, row.caller) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        *[{name: value} for name in ("sid", "status", "direction") for value in (None, "", " ", 12, [])],
        *[{"start_time": value} for value in ("", "soon", "Tue, 08 Sep 2026 06:31:00", 123, {})],
        {"start_time": "Tue, 08 Sep 2026 06:31:00 -0000"},
        *[{"from": value} for value in (12, {}, [])],
    ],
)
def test_a_damaged_row_is_not_skipped(wrong: dict[str, object]) -> None:
    """The whole page is refused."""
    with pytest.raises(ValueError):
        read(record(), record(**wrong))


@pytest.mark.parametrize(
    "page",
    [
        None,
        [],
        {},
        {"calls": []},
        {"next_page_uri": None},
        {"calls": None, "next_page_uri": None},
        {"calls": {}, "next_page_uri": None},
        {"calls": [None], "next_page_uri": None},
    ],
)
def test_a_damaged_page_is_not_an_empty_one(page: object) -> None:
    """No calls is something that only a sound page can say."""
    with pytest.raises(ValueError):
        read_page(page, origin=ORIGIN, collection=COLLECTION)


@pytest.mark.parametrize("link", [NEXT, ORIGIN + NEXT, COLLECTION])
def test_the_next_page_of_the_same_list_is_fetched(link: str) -> None:
    """Relative or absolute; what comes back is the path."""
    assert read(link=link) == ([], link.removeprefix(ORIGIN))


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.invalid" + NEXT,
        "//evil.invalid" + NEXT,
        "http://api.twilio.com" + NEXT,
        "https://api.twilio.com:443" + NEXT,
        "https://user@api.twilio.com" + NEXT,
        "https://api.twilio.com.evil.invalid" + NEXT,
        "HTTPS://api.twilio.com" + NEXT,
        NEXT.replace("AC123", "AC999"),
        NEXT.replace("Calls.json", "Messages.json"),
        NEXT.replace("Calls.json", "x/../Calls.json"),
        NEXT.replace("AC123", "AC%31%32%33"),
        NEXT + "#",
        NEXT + "%zz",
        NEXT + "%",
        " " + NEXT,
        NEXT + "\n",
        "\\evil.invalid" + NEXT,
        "https://[bad",
        "https:evil",
        "https:///" + NEXT,
        "",
        42,
        [],
        False,
    ],
)
def test_a_link_to_anywhere_else_is_refused(link: object) -> None:
    """It would be given the credentials."""
    with pytest.raises(ValueError):
        read(link=link)


def test_a_query_says_what_it_wants() -> None:
    """In UTC, and everybody's calls only when that was said."""
    local = SINCE.astimezone(timezone(timedelta(hours=3)))
    wanted = {"StartTime>": "2026-09-08T06:30:00Z", "PageSize": "23"}
    assert CallListQuery("+1", local, 23).parameters() == {"To": "+1", **wanted}
    assert CallListQuery(ANYBODY, SINCE, 23).parameters() == wanted


def test_only_calls_after_the_cutoff_count() -> None:
    """Those of unknown time do as well."""
    query = CallListQuery("+1", SINCE)
    dates = ["Tue, 08 Sep 2026 06:30:00 +0000", "Tue, 08 Sep 2026 06:30:01 +0000", None]
    rows, _ = read(*[record(start_time=date) for date in dates])
    assert [query.wants(row) for row in rows] == [False, True, True]


@pytest.mark.parametrize(
    "wrong",
    [
        *[{"to": value} for value in ("", " ", None, 123)],
        *[{"start_after": value} for value in (datetime(2026, 9, 8), "2026-09-08", None)],
        *[{"page_size": value} for value in (True, 0, -1, 1001, 1.5, "2", None)],
        *[{"max_pages": value} for value in (True, 0, -1, 1.5, "2", None)],
    ],
)
def test_a_bad_query_is_refused(wrong: dict[str, object]) -> None:
    """Before anybody is asked."""
    with pytest.raises(ValueError):
        CallListQuery(**{"to": "+1", "start_after": SINCE, **wrong})  # type: ignore[arg-type]
