"""`hangup`, `calls`, `sms`: one request to the carrier, one answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from voice_runtime.cli.output import give_up, say, show_json, show_table
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import open_rest, require_credentials
from voice_runtime.transports.twilio_call import hangup_call
from voice_runtime.transports.twilio_call_list import ANYBODY, CallListQuery
from voice_runtime.transports.twilio_sms import send_sms as send

__all__ = ["hang_up", "list_calls", "send_sms"]

STATUSES = ("queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")


def hang_up(call_sid: str, as_json: bool) -> None:
    """End the call."""
    try:
        hangup_call(call_sid)
    except ValueError as error:
        give_up(f"{call_sid!r}: {error}.")
    if as_json:
        show_json({"call_sid": call_sid, "status": "completed"})
    else:
        say(f"{call_sid} is over.")


def list_calls(status: str, limit: int, hours: float, as_json: bool) -> None:
    """The account's calls, the newest first."""
    if status and status not in STATUSES:
        give_up(f"{status!r} is not a status of a call: {', '.join(STATUSES)}.")
    settings = Settings()
    require_credentials(settings, "listing calls")
    since = datetime.now(UTC) - timedelta(hours=hours)
    with open_rest(settings) as rest:
        found = rest.list_calls(CallListQuery(ANYBODY, since, page_size=1000))
    # A call that has not begun has no start time: it is newer than all that have.
    newest = sorted(found, key=lambda row: -(row.start_time or float("inf")))
    rows = [row for row in newest if row.status == status or not status][:limit]
    if as_json:
        show_json([row.model_dump() for row in rows])
    elif not rows:
        say(f"No calls within {hours:g} h.")
    else:
        show_table(
            ("call", "status", "direction", "from", "began"),
            [(row.call_sid, row.status, row.direction, row.caller or "", _time(row.start_time)) for row in rows],
        )


def send_sms(number: str, text: str, from_: str, as_json: bool) -> None:
    """Send `text` to `number`."""
    if not number.strip() or not text:
        give_up("a message needs a number and a text.")
    sent = send(number, text, from_=from_, settings=Settings())
    if as_json:
        show_json(sent)
    else:
        say(f"{sent['message_sid']} to {sent['to']}: {sent['status']}")


def _time(began: float | None) -> str:
    return datetime.fromtimestamp(began).astimezone().strftime("%Y-%m-%d %H:%M:%S") if began else ""
