"""A whole phone system for a test: an application, a carrier that calls it, and the time they live in."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self
from unittest.mock import patch

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_runtime.clock import LoopClock
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.server.app import ANY_NUMBER
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.settings import Settings
from voice_runtime.simulator import BadDay, CallRecord, Carrier, Phone, Script, rest_app
from voice_runtime.simulator.call import PhoneCall
from voice_runtime.testing.rest_door import RestDoor
from voice_runtime.testing.serving import lifespan, served, voice_app_served
from voice_runtime.testing.simulated_time import ScaledLoop
from voice_runtime.transports.twilio_transport import TwilioTransport
from voice_runtime.vad import NO_VAD

__all__ = ["ACCOUNT_SID", "AUTH_TOKEN", "PUBLIC_URL", "PhoneSystem"]

PUBLIC_URL: Final = "https://voice.example.com"
ACCOUNT_SID: Final = "AC" + "0" * 32
AUTH_TOKEN: Final = "0123456789abcdef0123456789abcdef"
OUR_NUMBER: Final = "+358942721000"
_WALL: Final = 1_767_225_600.0  # the Unix time of simulated second 0: the beginning of 2026


class PhoneSystem:
    """The application and the carrier, up while the `async with` lasts.

    `app` is a `VoiceApp` or any ASGI application. A `VoiceApp` gets the simulator's token, account, numbers and REST
    API for its settings, and mock speech for vendors that it only names; afterwards it is as before. Another
    application is to have `AUTH_TOKEN`, `PUBLIC_URL` and `ACCOUNT_SID` already, or others that it gives here; `path`
    and `status_path` are its webhooks.

    In process, nothing touches the network. Either way, what this process sends to Twilio with the SDK or with
    `send_sms` comes to the simulated REST API, whose account is the environment's meanwhile. `over_sockets`, the
    application has a web server and real media sockets, and `rest_url` is the address of the REST API. The time is that
    of the running loop: of `simulated_time.run`, say.
    `bad_day` and `seed` are the carrier's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        over_sockets: bool = False,
        path: str = "/incoming",
        status_path: str = "/status",
        auth_token: str = AUTH_TOKEN,
        public_url: str = PUBLIC_URL,
        settings: dict[str, Any] | None = None,
        mock_speech: bool = True,
        bad_day: BadDay | None = None,
        seed: int = 0,
    ) -> None:
        self.app = app
        self.path, self.status_path = path, status_path
        self.auth_token, self.public_url = auth_token, public_url
        self.url = public_url
        """Where the application really is."""
        self.rest_url = ""
        self._bad_day, self._seed = bad_day, seed
        self._over_sockets = over_sockets
        self._settings = settings or {}
        self._mock_speech = mock_speech
        self._stack = AsyncExitStack()
        self._carrier: Carrier | None = None

    # -- up and down ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._bring_up()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _bring_up(self) -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, _WALL)
        rest = _Forwarder()
        if self._over_sockets:
            self.rest_url = await self._stack.enter_async_context(served(rest))
        # The SDK takes half a second to load, which is many on a fast loop.
        await asyncio.to_thread(import_module, "voice_runtime.transports.twilio_operations")
        door = RestDoor(rest, loop)
        self._stack.push_async_callback(door.aclose)
        if isinstance(self.app, VoiceApp):
            settings = self._settings_for(self.app)
            self._stack.enter_context(
                self.app.rewired(
                    settings=settings,
                    carrier=TwilioTransport(settings),
                    clock=clock,
                    stt=MockStt if self._mock_speech else None,
                    tts=MockTts if self._mock_speech else None,
                )
            )
        self._stack.enter_context(door.instead_of_twilio())
        self._stack.enter_context(patch.dict(os.environ, self._environment()))
        where = await self._stack.enter_async_context(self._up(self.app))
        addresses: dict[str, str | ASGIApp] = {self.public_url: where}
        carrier = Carrier(
            self.auth_token,
            account_sid=ACCOUNT_SID,
            addresses=addresses,
            clock=clock,
            bad_day=self._bad_day,
            seed=self._seed,
        )
        rest.app = rest_app(carrier.rest)
        if isinstance(where, str):
            self.url = where
        self._carrier = await self._stack.enter_async_context(carrier)

    def _up(self, app: ASGIApp) -> AbstractAsyncContextManager[str | ASGIApp]:
        if not self._over_sockets:
            return lifespan(app)
        return voice_app_served(app) if isinstance(app, VoiceApp) else served(app)

    def _settings_for(self, app: VoiceApp) -> Settings:
        known = app.settings
        loop = asyncio.get_running_loop()
        speed = loop.speed if isinstance(loop, ScaledLoop) else 1.0  # threads live in real time
        ours = {
            "transport": "twilio",
            "voice_public_url": self.public_url,
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": SecretStr(self.auth_token),
            "twilio_skip_signature_validation": False,
            "twilio_phone_number": known.twilio_phone_number or _our_number(app),
            "twilio_api_base_url": self.rest_url,
            "twilio_region": "",
            "twilio_edge": "",
            "voice_vad": known.voice_vad or NO_VAD,  # what is installed must not make a difference
            "voice_max_loop_lag_ms": 0.0,  # a busy test machine must not turn callers away
            "voice_drain_seconds": 0.0,  # when a test is over, nobody waits for calls that were only promised
            "twilio_http_timeout": min(known.twilio_http_timeout * speed, 120.0),
        }
        return Settings(**{**known.model_dump(), **ours, **self._settings})

    def _environment(self) -> dict[str, str]:
        """For what reads its settings by itself, as `send_sms` and Twilio's SDK do."""
        number = _our_number(self.app) if isinstance(self.app, VoiceApp) else OUR_NUMBER
        return {
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "TWILIO_PHONE_NUMBER": os.environ.get("TWILIO_PHONE_NUMBER") or number,
            "TWILIO_API_BASE_URL": self.rest_url,
            "TWILIO_REGION": "",
            "TWILIO_EDGE": "",
        }

    # -- calls ---------------------------------------------------------------------------------------------------------

    @property
    def carrier(self) -> Carrier:
        if self._carrier is None:
            raise RuntimeError("the phone system is not up: use it as `async with`")
        return self._carrier

    @property
    def phones(self) -> dict[str, Phone]:
        """Who answers when the application dials, by number."""
        return self.carrier.phones

    @property
    def records(self) -> list[CallRecord]:
        """All calls that are over."""
        return self._carrier.records if self._carrier is not None else []

    async def call(self, script: Script, **options: Any) -> CallRecord:
        """Somebody rings the application; returns when the call is over. `options`: those of `Carrier.call`."""
        return await self.carrier.finished(self.dial_in(script, **options))

    def dial_in(self, script: Script, **options: Any) -> PhoneCall:
        """The same, without waiting: see `finished`."""
        if isinstance(self.app, VoiceApp):
            options.setdefault("called", _our_number(self.app))
        path = options.pop("path", self.path)
        if self.status_path:
            options.setdefault("status_callback", self.public_url + self.status_path)
        return self.carrier.dial_in(self.public_url + path, script, **options)

    async def finished(self, call: PhoneCall | str) -> CallRecord:
        """Wait until a call, or the call of that SID, is over."""
        return await self.carrier.finished(call)

    async def place(
        self, to: str, answering: Script | Phone, from_: str = "", *, detect_machine: bool = False
    ) -> CallRecord:
        """The application (a `VoiceApp`) dials `to`, where somebody answers; returns when that call is over."""
        if not isinstance(self.app, VoiceApp):
            raise TypeError("only a VoiceApp can be told to place a call: have yours do it, then wait for `finished`")
        self.phones[to] = answering if isinstance(answering, Phone) else Phone(answering)
        return await self.finished(await self.app.place_call(to, from_, detect_machine=detect_machine))


class _Forwarder:
    """Stands in for an application that is made later."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None or scope["type"] == "lifespan":
            raise RuntimeError("nobody is there yet")
        await self.app(scope, receive, send)


def _our_number(app: VoiceApp) -> str:
    """A number of ours that is answered."""
    return OUR_NUMBER if ANY_NUMBER in app.answers else next(iter(app.answers), OUR_NUMBER)
