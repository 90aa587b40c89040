"""The front door: handlers in, an ASGI application out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from voice_runtime.clock import Clock
from voice_runtime.errors import ConfigurationError, MissingSettingError
from voice_runtime.fallback.names import stt_called, tts_called
from voice_runtime.handler import Handler, check_handler
from voice_runtime.phrase_cache import PhraseCache
from voice_runtime.server.app import ANY_NUMBER, create_app, new_switchboard
from voice_runtime.server.metrics import metrics_of
from voice_runtime.server.webhooks import CallStatus, SmsHandler, StatusHandler, run_hook
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.stt import SttProvider
from voice_runtime.switchboard import Switchboard
from voice_runtime.transport import CarrierTransport, create_transport
from voice_runtime.transports.twilio_sms import SmsStatus
from voice_runtime.tts import StreamingTts, TtsProvider
from voice_runtime.vad import Vad, configured_vad

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from voice_runtime.telemetry.metrics import Metrics

__all__ = ["VoiceApp"]

log = logging.getLogger(__name__)

_MADE = ("settings", "carrier", "switchboard", "phrase_cache", "metrics", "api", "_shared_tts", "_shared_vad")
"""What an app makes of its parts when it is first needed."""

H = TypeVar("H", bound=Handler)
Tts: TypeAlias = TtsProvider | StreamingTts
SmsStatusHandler: TypeAlias = Callable[[SmsStatus], Awaitable[None] | None]


class VoiceApp:
    """An ASGI application that answers calls: `voice-runtime serve module:app`, or any ASGI server.

    `stt` and `tts` name a provider ("elevenlabs", "azure", "pocketsphinx", "espeak", ...) or make one: `stt` is called
    for every call, `tts` once, as synthesis is shared. Without them the settings VOICE_STT and VOICE_TTS decide.
    `vad` names a voice detector, or is one: it is shared, too. Without it VOICE_VAD decides; "none" turns it off.
    `session` makes each call's session: a subclass of `VoiceSession`, or a function that sets one up.
    `carrier` ends and places calls; by default Twilio's REST API, when its credentials are set.
    `clock` is that of sessions, tokens and recordings; without one it is the machine's, or the one a session brings.
    """

    def __init__(
        self,
        *,
        stt: str | Callable[[], SttProvider] | None = None,
        tts: str | Tts | Callable[[], Tts] | None = None,
        vad: str | Vad | None = None,
        settings: Settings | None = None,
        session: Callable[[], VoiceSession] = VoiceSession,
        carrier: CarrierTransport | None = None,
        apology: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._stt = stt
        self._tts = tts
        self._vad = vad
        self._fixed_settings = settings
        self.session = session
        self._carrier = carrier
        self._apology = apology
        self.clock = clock
        self.tracers: TracerProvider | None = None
        """Who records traces; None: whoever the program has set for the process (`opentelemetry.trace`)."""
        self._handlers: dict[str, Handler] = {}
        self._on_status: list[StatusHandler] = []
        self._on_sms: SmsHandler | None = None
        self._on_sms_status: SmsStatusHandler | None = None

    # -- what the program registers ------------------------------------------------------------------------------------

    def call(self, number: str | None = None) -> Callable[[H], H]:
        """Answer calls with the decorated function: all of them, or those to (and placed from) one number of ours.

        Raises `ConfigurationError` for what is no handler.
        """
        if number is not None and not isinstance(number, str):
            raise ConfigurationError("`call` takes a number of ours, or nothing.", remedy="Write @app.call().")

        def register(handler: H) -> H:
            check_handler(handler)
            key = number or ANY_NUMBER
            if key in self._handlers:
                raise ConfigurationError(
                    f"Two handlers answer {number or 'every number'}.", remedy="Give one of them a number of its own."
                )
            self._handlers[key] = handler
            return handler

        return register

    def status(self, hook: StatusHandler) -> StatusHandler:
        """Call the decorated function with every `CallStatus` of the carrier; several are called in turn."""
        self._on_status.append(hook)
        return hook

    def sms(self, hook: SmsHandler) -> SmsHandler:
        """Call the decorated function with every message that comes in; the text it returns is the reply."""
        self._on_sms = hook
        return hook

    def sms_status(self, hook: SmsStatusHandler) -> SmsStatusHandler:
        """Call the decorated function when a message of ours was delivered, or was not."""
        self._on_sms_status = hook
        return hook

    # -- what it is made of, from here on ------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """Read when first needed, so that a program may load its environment after making the app."""
        return self._fixed_settings or Settings()

    @cached_property
    def carrier(self) -> CarrierTransport | None:
        """The carrier's REST API; None without credentials."""
        if self._carrier is not None:
            return self._carrier
        settings = self.settings
        if settings.transport.strip().lower() == "mock":
            return None  # the mock bridge's calls are not the carrier's to end
        if not settings.twilio_account_sid or not settings.twilio_auth_token.get_secret_value():
            return None
        return create_transport("twilio", settings=settings)

    @cached_property
    def metrics(self) -> Metrics | None:
        """What is counted, for Prometheus; None unless VOICE_METRICS_TOKEN is set. Raises `ConfigurationError`."""
        return metrics_of(self.settings)

    @cached_property
    def switchboard(self) -> Switchboard:
        """The calls that are alive."""
        made = new_switchboard(self.settings, self.clock, self.metrics, self.tracers)
        if self._apology is not None:
            made.apology = self._apology
        return made

    @cached_property
    def phrase_cache(self) -> PhraseCache:
        """Phrases that are synthesised before they are said, for all calls."""
        return PhraseCache()

    @cached_property
    def api(self) -> FastAPI:
        """The FastAPI application, made when first needed: add your own routes to it. Raises `ConfigurationError`."""
        return create_app(
            self._handlers,
            settings=self.settings,
            new_session=self._session_maker(),
            control=self.carrier,
            switchboard=self.switchboard,
            on_status=self._report,
            on_sms=self._on_sms,
            on_sms_status=self._on_sms_status,
            on_startup=self._warm,
            on_shutdown=self._close,
            clock=self.clock,
            metrics=self.metrics,
        )

    @contextmanager
    def rewired(
        self,
        *,
        settings: Settings,
        carrier: CarrierTransport,
        clock: Clock,
        stt: Callable[[], SttProvider] | None = None,
        tts: Callable[[], Tts] | None = None,
    ) -> Iterator[None]:
        """For tests: the same handlers and routes, put together anew from these parts, until the `with` is left.

        `stt` and `tts` replace vendors that are only named, or left to the settings. What the program made itself
        stays.
        """
        made = {name: self.__dict__.pop(name) for name in _MADE if name in self.__dict__}
        given = {name: self.__dict__[name] for name in ("_fixed_settings", "_carrier", "clock", "_stt", "_tts")}
        self._fixed_settings, self._carrier, self.clock = settings, carrier, clock
        if stt is not None and (isinstance(self._stt, str) or self._stt is None):
            self._stt = stt
        if tts is not None and (isinstance(self._tts, str) or self._tts is None):
            self._tts = tts
        if "api" in made:
            _adopt_routes(made["api"], self.api)
        try:
            yield
        finally:
            for name in _MADE:
                self.__dict__.pop(name, None)
            self.__dict__.update(made, **given)

    @property
    def speech(self) -> tuple[str, str]:
        """The names of speech recognition and synthesis, for people; "" where there is none."""
        return _named(self._stt or self.settings.voice_stt), _named(self._tts or self.settings.voice_tts)

    @property
    def answers(self) -> tuple[str, ...]:
        """Our numbers that have a handler; `ANY_NUMBER` for the one of all others."""
        return tuple(self._handlers)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by our numbers, as in `answers`."""
        return MappingProxyType(self._handlers)

    async def _report(self, status: CallStatus) -> None:
        for hook in self._on_status:
            await run_hook(hook, status)

    def _session_maker(self) -> Callable[[], VoiceSession]:
        # Providers are found now and not in the first call: an import may take a second, and a missing extra is to be
        # known before the phone rings.
        stt = self._stt or self.settings.voice_stt or None
        new_stt = stt_called(stt) if isinstance(stt, str) else stt
        tts = self._tts or self.settings.voice_tts or None
        shared_tts = tts_called(tts) if isinstance(tts, str) else tts
        # A class has the methods of its voices, and must be called all the same.
        is_voice = hasattr(shared_tts, "speak") or hasattr(shared_tts, "synthesize")
        if callable(shared_tts) and (isinstance(shared_tts, type) or not is_voice):
            shared_tts = shared_tts()
        self._shared_tts = shared_tts
        self._check_speech(heard=new_stt is not None, spoken=shared_tts is not None)
        vad = self.settings.voice_vad if self._vad is None else self._vad
        self._shared_vad = configured_vad(vad) if isinstance(vad, str) else vad
        if (
            self._shared_vad is not None and self.metrics is not None and hasattr(self._shared_vad, "on_batch")
        ):  # optional: VadWithBatches
            self._shared_vad.on_batch = self.metrics.vad.observe
        parts = (new_stt, shared_tts, self._shared_vad, self.phrase_cache, self.carrier)
        return partial(_new_session, self.session, self.clock, *parts)  # type: ignore[arg-type]

    def _check_speech(self, *, heard: bool, spoken: bool) -> None:
        """What a conversation needs is missed now, and not by the first caller. Only a session may bring its own."""
        talks = any(hasattr(handler, "fixed_phrases") for handler in self._handlers.values())
        if not talks or self.session is not VoiceSession:
            return
        if not spoken:
            raise ConfigurationError("An agent needs a voice.", remedy="VoiceApp(tts=...), or VOICE_TTS.")
        if not heard:
            log.warning("an agent without speech recognition hears only keys: VoiceApp(stt=...), or VOICE_STT")

    async def _warm(self) -> None:
        """What takes its time is done before the first call."""
        for handler in self._handlers.values():  # any may have `fixed_phrases`: what agents say of their own accord
            self.phrase_cache.keep(self._shared_tts, getattr(handler, "fixed_phrases", ()))
        if self._shared_vad is not None:
            await self._warm_vad(self._shared_vad)

    async def _warm_vad(self, vad: Vad) -> None:
        try:
            await vad.start()
        except Exception as error:  # whatever a provider raises: calls go on without what nobody asked for by name
            if self._vad is not None or self.settings.voice_vad:
                raise
            log.warning("no voice detection: %r", error)

    async def _close(self) -> None:
        """End what keeps connections or threads: the carrier's client, the voice and the voice detector."""
        await self.phrase_cache.aclose()
        for part in (self.__dict__.get(name) for name in ("carrier", "_shared_tts", "_shared_vad")):
            close = getattr(part, "close", None) or getattr(part, "aclose", None)  # optional in both contracts
            if close is not None:
                await close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.api(scope, receive, send)

    # -- calling out ---------------------------------------------------------------------------------------------------

    async def place_call(self, to: str, from_: str = "", *, detect_machine: bool = False) -> str:
        """Dial `to`; when it is answered, the handler of our number gets the call. Returns the call's id.

        `detect_machine`: the carrier first listens who it is, a human for some 2 s, a machine to the end of its
        greeting; then the handler gets the call, with `answered_by`.

        Raises `MissingSettingError` or `CarrierError`.
        """
        if self.carrier is None:
            raise MissingSettingError("TWILIO_ACCOUNT_SID", needed_for="placing a call")
        if not self.settings.public_url:
            raise MissingSettingError("VOICE_PUBLIC_URL", needed_for="placing a call")
        base = self.settings.public_url
        place: Callable[..., Awaitable[str]] = self.carrier.place_call  # not every carrier can detect
        detection = {"machine_detection": "DetectMessageEnd"} if detect_machine else {}
        return await place(
            to,
            from_=from_ or self.settings.twilio_phone_number,
            url=f"{base}/incoming",
            status_callback=f"{base}/status",
            **detection,
        )


def _adopt_routes(old: FastAPI, new: FastAPI) -> None:
    """What the program added to the old application, it has added to the new one."""
    ours = {getattr(route, "path", None) for route in new.router.routes}
    new.router.routes += [route for route in old.router.routes if getattr(route, "path", None) not in ours]
    new.user_middleware[:] = old.user_middleware
    new.exception_handlers = {**old.exception_handlers, **new.exception_handlers}


def _named(provider: object) -> str:
    return provider if isinstance(provider, str) else getattr(provider, "__name__", type(provider).__name__)


def _new_session(
    make: Callable[[], VoiceSession],
    clock: Clock | None,
    stt: Callable[[], SttProvider] | None,
    tts: Tts | None,
    vad: Vad | None,
    phrase_cache: PhraseCache,
    carrier: CarrierTransport | None,
) -> VoiceSession:
    session = make()
    if clock is not None:
        session.clock = session.stream.clock = clock
    if session.stt_factory is None:
        session.stt_factory = stt
    if session.tts is None:
        session.tts = tts
    if session.vad is None:
        session.vad = vad
    if session.phrase_cache is None:
        session.phrase_cache = phrase_cache
    if session.carrier is None:
        session.carrier = carrier
    return session
