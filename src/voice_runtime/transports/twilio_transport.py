"""Twilio as a carrier for the event loop: the blocking SDK in threads of its own, every wait with an end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from voice_runtime.clock import time_held
from voice_runtime.errors import CarrierError, CarrierTimeoutError
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import (
    TwilioRegion,
    check_sid,
    open_rest,
    require_credentials,
    require_phone_number,
    validated_regions,
)
from voice_runtime.transports.twilio_call_list import CallListQuery, TwilioCallRow

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from voice_runtime.transports.twilio_operations import TwilioRest
from voice_runtime.wire import twiml as twiml_of

__all__ = ["TwilioTransport"]

T = TypeVar("T")

_THREADS = 16
_LIST_PATIENCE = 4  # a list is many requests: it may take this many times as long as one


class TwilioTransport:
    """Places, ends and lists calls and sends messages. Works from any loop, until `close`.

    `regions`: where calls may live; hang-ups and lists ask these, in turn, instead of the configured account. A
    request that overstays `Settings.twilio_http_timeout` is given up with `CarrierTimeoutError`, whatever its thread
    still does. `adapter`: how `requests` reaches Twilio, if not over the network.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        regions: Sequence[TwilioRegion] = (),
        *,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self._settings = settings if settings is not None else Settings()
        self._adapter = adapter
        self._regions = validated_regions(tuple(regions)) if regions else ()
        self._rest: TwilioRest | None = None
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="twilio-rest")
        self._running: set[concurrent.futures.Future[Any]] = set()

    async def place_call(
        self,
        to: str,
        from_: str = "",
        *,
        twiml: str = "",
        url: str = "",
        status_callback: str = "",
        status_callback_events: Sequence[str] = (),
        timeout: int = 0,
        time_limit: int = 0,
        machine_detection: str = "",
        async_amd_status_callback: str = "",
        send_digits: str = "",
        record: bool = False,
    ) -> str:
        """Dial `to` and do `twiml`, or what `url` answers; returns the call's SID.

        `timeout`: seconds it may ring (0: Twilio's 60). `machine_detection`: "Enable" or "DetectMessageEnd"; with
        `async_amd_status_callback` the call goes on while the machine listens, and the verdict is sent there. Raises
        `CarrierError`, `MissingSettingError`.
        """
        require_credentials(self._settings, "placing a call")
        caller = from_ or require_phone_number(self._settings, "placing a call")
        if send_digits and machine_detection:
            raise ValueError("Twilio ignores machine_detection when there are send_digits: choose one")
        wanted: dict[str, object] = {
            "twiml": twiml,
            "url": url,
            "status_callback": status_callback,
            "status_callback_event": list(status_callback_events),
            "timeout": timeout,
            "time_limit": time_limit,
            "machine_detection": machine_detection,
            # The SDK types it as text and sends True as "True", which Twilio does not know.
            "async_amd": "true" if async_amd_status_callback else "",
            "async_amd_status_callback": async_amd_status_callback,
            "send_digits": send_digits,
            "record": record,
        }
        options = {name: value for name, value in wanted.items() if value}
        return await self._run("placing a call", lambda rest: rest.place_call(to, caller, options))

    async def hang_up(self, call_sid: str) -> None:
        """End the call at the carrier; a call that is over already is a success. Raises `CarrierError`."""
        check_sid(call_sid)
        if not self._regions:
            require_credentials(self._settings, "hanging up")
        await self._run(
            f"hanging up {call_sid}",
            lambda rest: rest.hang_up(call_sid, self._regions),
            patience=max(len(self._regions), 1),
        )

    async def transfer(self, call_sid: str, to: str) -> None:
        """Connect the caller of a live call to `to` (E.164, `sip:...`, `client:...`). Raises `CarrierError`."""
        check_sid(call_sid)
        require_credentials(self._settings, "transferring a call")
        document = twiml_of.dial(to)
        await self._run(f"transferring {call_sid}", lambda rest: rest.replace_document(call_sid, document))

    async def list_calls(
        self, *, start_after: datetime, to: str = "", page_size: int = 200, max_pages: int = 10
    ) -> list[TwilioCallRow]:
        """Every call to `to` (by default our number) that began after `start_after`, in every region, or an error."""
        if not self._regions:
            require_credentials(self._settings, "listing calls")
        number = to or require_phone_number(self._settings, "listing calls")
        query = CallListQuery(number, start_after, page_size, max_pages)

        def read(rest: TwilioRest) -> list[TwilioCallRow]:
            rows = [row for region in self._regions or (None,) for row in rest.list_calls(query, region)]
            return list({row.call_sid: row for row in rows}.values())

        return await self._run("listing calls", read, patience=_LIST_PATIENCE * max(len(self._regions), 1))

    async def send_sms(self, to: str, body: str, *, from_: str = "", status_callback: str = "") -> dict[str, str]:
        """Send a text message; the keys are those of `twilio_sms.send_sms`. Raises `CarrierError`."""
        require_credentials(self._settings, "sending a message")
        sender = from_ or require_phone_number(self._settings, "sending a message")
        options = {"status_callback": status_callback} if status_callback else {}
        return await self._run("sending a message", lambda rest: rest.send_message(to, body, sender, options))

    async def close(self) -> None:
        """Take no more work, drop what has not begun, and give what has one request's time to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        left = [asyncio.wrap_future(future) for future in list(self._running)]
        if left:
            ended, stuck = await asyncio.wait(left, timeout=self._settings.twilio_http_timeout)
            for future in stuck:
                future.cancel()
            for future in ended:
                if not future.cancelled():
                    future.exception()  # looked at: whoever asked has been told already
        if self._rest is not None:
            self._rest.close()

    async def _run(self, doing: str, work: Callable[[TwilioRest], T], *, patience: int = 1) -> T:
        """`work` in a thread, and its result within `patience` requests' time."""
        seconds = self._settings.twilio_http_timeout * patience
        try:
            future = self._pool.submit(lambda: work(self._opened()))
        except RuntimeError as error:
            raise CarrierError(f"{doing}: the transport is closed.") from error
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        try:
            with time_held(asyncio.get_running_loop(), "a request to Twilio"):
                async with asyncio.timeout(seconds):
                    return await asyncio.wrap_future(future)
        except CarrierError:
            raise
        except TimeoutError as error:
            raise CarrierTimeoutError(f"{doing}: no answer within {seconds} s. It may be done, or not.") from error

    def _opened(self) -> TwilioRest:
        """Called in a thread: importing the SDK would stop the loop for half a second."""
        with self._lock:
            if self._rest is None:
                self._rest = open_rest(self._settings, self._adapter)
            return self._rest
