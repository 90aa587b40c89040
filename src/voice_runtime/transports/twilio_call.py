"""Calls through Twilio, by the names that 0.1 gave them. They block: from a loop, use `TwilioTransport`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from voice_runtime.errors import MissingSettingError, TwilioCallListIncompleteError, TwilioCallNotFoundError
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import (
    TwilioRegion,
    check_sid,
    open_rest,
    require_credentials,
    require_phone_number,
    validated_regions,
)
from voice_runtime.transports.twilio_call_list import ANYBODY, CallListQuery, TwilioCallRow
from voice_runtime.transports.twilio_transport import TwilioTransport
from voice_runtime.wire import twiml

__all__ = [
    "TwilioCallListIncompleteError",
    "TwilioCallNotFoundError",
    "TwilioCallRow",
    "TwilioRegion",
    "TwilioTransport",
    "build_route_stream_xml",
    "build_stream_twiml",
    "build_stream_xml",
    "hangup_call",
    "initiate_outbound_call",
    "list_calls",
    "list_recent_calls",
]

# Looser than a SID, for the simulator's and the mock's calls; still nothing that could leave its place in a path.
_CALL_ID = re.compile("[A-Za-z0-9_-]+")


def build_stream_twiml(stream_url: str) -> str:
    """The TwiML that connects a call to the media socket `/voice` of the server at `stream_url`.

    https:// and http:// are taken for wss:// and ws://. Raises `ValueError` for an address that Twilio would refuse.
    """
    return twiml.connect_stream(stream_url.rstrip("/") + "/voice")


build_stream_xml = build_stream_twiml


def build_route_stream_xml(stream_url: str, route_token: str) -> str:
    """The same for `/voice/<route_token>`, so that a supervisor can tell calls apart. The token may be any text."""
    if not route_token:
        raise ValueError("route_token is empty")
    return twiml.connect_stream(f"{stream_url.rstrip('/')}/voice/{quote(route_token, safe='')}")


def initiate_outbound_call(phone: str) -> str:
    """Call `phone` (E.164) and connect it to this server's media socket; returns the call's SID.

    Needs VOICE_STREAM_URL, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_PHONE_NUMBER: the first one missing is
    named by a `MissingSettingError`, which is a RuntimeError. Raises `CarrierError`.
    """
    settings, needed_for = Settings(), "placing a call"
    if not settings.public_url:
        raise MissingSettingError("VOICE_STREAM_URL", needed_for=needed_for)
    require_credentials(settings, needed_for)
    from_ = require_phone_number(settings, needed_for)
    document = twiml.connect_stream(settings.public_url + settings.voice_media_path)
    with open_rest(settings) as rest:
        return rest.place_call(phone, from_, {"twiml": document})


def hangup_call(call_sid: str, *, regions: tuple[TwilioRegion, ...] | None = None) -> None:
    """End a call by REST; a call that is over already is a success.

    Without `regions` the configured account is asked, in TWILIO_REGION. With them, each in turn: the next one only when
    the one before does not know the call (404, 20404). Raises `TwilioCallNotFoundError` when none does, `CarrierError`,
    `MissingSettingError`, and `ValueError` before anything is sent.
    """
    settings = Settings()
    if regions is not None:
        check_sid(call_sid)
        checked = validated_regions(regions)
    else:
        require_credentials(settings, "hanging up")
        checked = ()
        if not _CALL_ID.fullmatch(call_sid):
            raise ValueError("a call's id consists of ASCII letters, digits, - and _")
    with open_rest(settings) as rest:
        rest.hang_up(call_sid, checked)


def list_calls(
    *,
    api_host: str,
    account_sid: str,
    auth: tuple[str, str],
    to: str,
    start_after: datetime,
    page_size: int = 200,
    max_pages: int = 10,
) -> list[TwilioCallRow]:
    """Every call to `to` in one region that began after `start_after`, or an error: never a part of them.

    A call whose start Twilio does not tell is in the list, with `start_time=None`. Raises
    `TwilioCallListIncompleteError`, `CarrierError`, and `ValueError` before anything is sent.
    """
    region = TwilioRegion(api_host=api_host, account_sid=account_sid, auth=auth)
    query = CallListQuery(to, start_after, page_size, max_pages)
    with open_rest(Settings()) as rest:
        return rest.list_calls(query, region)


def list_recent_calls(lookback_s: float = 3600.0) -> list[dict[str, str | float]]:
    """Deprecated, use `list_calls`. Calls to our number in the last `lookback_s` seconds.

    Each is {"call_sid", "status", "start_time"}, with 0 for a start that Twilio does not tell. Without credentials
    there are none, as in 0.1; what 0.1 cut off silently at 200 calls is whole here, or raises
    `TwilioCallListIncompleteError`.
    """
    settings = Settings()
    if not settings.twilio_account_sid or not settings.twilio_auth_token.get_secret_value():
        return []
    since = datetime.now(UTC) - timedelta(seconds=lookback_s)
    query = CallListQuery(settings.twilio_phone_number or ANYBODY, since)
    with open_rest(settings) as rest:
        rows = rest.list_calls(query)
    return [{"call_sid": r.call_sid, "status": r.status, "start_time": r.start_time or 0} for r in rows]
