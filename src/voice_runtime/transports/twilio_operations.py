"""What we do with Twilio's REST API, blocking: place and end calls, list them, send messages."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter
from twilio.base.version import Version

from voice_runtime.errors import (
    CarrierRefusedError,
    TwilioCallListDamagedError,
    TwilioCallListIncompleteError,
    TwilioCallNotFoundError,
)
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import TwilioRegion, api_origin, check_sid
from voice_runtime.transports.twilio_call_list import (
    CallListQuery,
    TwilioCallRow,
    read_page,
)
from voice_runtime.transports.twilio_rest import BoundedHttpClient, carrier_errors, open_client

__all__ = ["TwilioRest"]

log = logging.getLogger(__name__)

_MAX_INLINE_TWIML = 4000  # error 32018
_NOT_IN_PROGRESS = (400, 21220)
_UNKNOWN_HERE = (404, 20404)


class TwilioRest:
    """One account's API, or several regions of it. Threads may share it; connections are kept until `close`."""

    def __init__(self, settings: Settings, adapter: BaseAdapter | None = None) -> None:
        self._settings = settings
        self._adapter = adapter
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], tuple[Any, BoundedHttpClient]] = {}

    def __enter__(self) -> TwilioRest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connections. A request that is under way goes on to its end."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for _, http in clients:
            http.close()

    def place_call(self, to: str, from_: str, options: Mapping[str, object]) -> str:
        """Dial; returns the call's SID. `options` go by the SDK's names, `twiml` or `url` among them.

        Raises `CarrierError`. Never tried twice: a request that went unanswered may have dialled.
        """
        if not to.strip():
            raise ValueError("there is nobody to call: `to` is empty")
        if bool(options.get("twiml")) == bool(options.get("url")):
            raise ValueError("a call needs either twiml or a url to fetch it from")
        if len(str(options.get("twiml") or "")) > _MAX_INLINE_TWIML:
            raise ValueError(f"Twilio takes {_MAX_INLINE_TWIML} characters of inline TwiML: use a url instead")
        client = self._client(None)
        with carrier_errors("placing a call"):
            return _sid(client.calls.create(to=to, from_=from_, **options))

    def hang_up(self, call_sid: str, regions: tuple[TwilioRegion, ...] = ()) -> None:
        """End the call; one that is over already is a success.

        Regions are asked in turn, the next one only when the one before does not know the call. Raises
        `TwilioCallNotFoundError` when none does: that is no proof that the call ended. Raises `CarrierError`.
        """
        asked = []
        for region in regions or (None,):
            asked.append(urlsplit(api_origin(self._settings, region)).netloc if region is None else region.api_host)
            client = self._client(region)
            try:
                with carrier_errors(f"hanging up {call_sid}"):
                    client.calls(call_sid).update(status="completed")
            except CarrierRefusedError as refused:
                if (refused.status, refused.code) == _NOT_IN_PROGRESS:
                    log.info("call %s was over already", call_sid)
                elif (refused.status, refused.code) == _UNKNOWN_HERE:
                    continue
                else:
                    raise
            return
        raise TwilioCallNotFoundError(call_sid, tuple(asked))

    def list_calls(self, query: CallListQuery, region: TwilioRegion | None = None) -> list[TwilioCallRow]:
        """All calls that `query` asks for. Raises `TwilioCallListIncompleteError`, `CarrierError`; never a part."""
        account = check_sid(region.account_sid if region is not None else self._settings.twilio_account_sid)
        collection = f"/2010-04-01/Accounts/{account}/Calls.json"
        origin = f"https://{region.api_host}" if region is not None else api_origin(self._settings, None)
        client = self._client(region)
        path, parameters = collection, query.parameters()
        found: list[TwilioCallRow] = []
        for fetched in range(query.max_pages):
            with carrier_errors("listing calls"):
                response = client.request("GET", origin + path, params=parameters)
                if response.status_code != 200:
                    raise Version.exception("GET", collection, response, "Unable to list calls")
                page = json.loads(response.text)
            try:
                rows, path = read_page(page, origin=origin, collection=collection)
            except ValueError as error:
                raise TwilioCallListDamagedError(urlsplit(origin).netloc, fetched + 1, str(error)) from error
            found += [row for row in rows if query.wants(row)]
            if not path:
                return found
            parameters = {}  # the link carries them
        raise TwilioCallListIncompleteError(urlsplit(origin).netloc, query.max_pages, "there are more")

    def replace_document(self, call_sid: str, twiml: str) -> None:
        """Have the live call do `twiml` from now on. Raises `CarrierError`."""
        client = self._client(None)
        with carrier_errors(f"changing {call_sid}"):
            client.calls(call_sid).update(twiml=twiml)

    def send_message(self, to: str, body: str, from_: str, options: Mapping[str, object]) -> dict[str, str]:
        """Send a text message. Raises `CarrierError`."""
        client = self._client(None)
        with carrier_errors("sending a message"):
            sent = client.messages.create(to=to, from_=from_, body=body, **options)
            return {"message_sid": _sid(sent), "status": str(sent.status), "to": to}

    def _client(self, region: TwilioRegion | None) -> Any:
        key = ("", "", "") if region is None else (region.api_host, region.account_sid, region.auth[0])
        with self._lock:
            if key not in self._clients:
                self._clients[key] = open_client(self._settings, region, self._adapter)
            return self._clients[key][0]


def _sid(made: Any) -> str:
    """Of what was made. An answer without one is no proof that anything was."""
    if not made.sid:
        raise ValueError("the answer has no sid")
    return str(made.sid)
