"""`voice-runtime call`: an outbound call, carried here and watched to its end, or left to the server elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

import typer

from voice_runtime.cli.output import FAILED, say, show_json
from voice_runtime.cli.serving import loop_factory, stops_on_signals
from voice_runtime.errors import MissingSettingError, VoiceRuntimeError
from voice_runtime.events import EndReason
from voice_runtime.server.serving import Stop, serve
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.server.webhooks import CallStatus
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CarrierTransport
from voice_runtime.transports.twilio_call import TwilioTransport

__all__ = ["Outbound", "Outcome", "call_and_serve", "place"]

PLACING = "placing a call"
EVENTS = ("initiated", "ringing", "answered", "completed")
SILENCE_SECONDS = 30.0
"""How long after it has stopped ringing the carrier may say nothing, before we take it that we are not reached."""
LAST_WORD_SECONDS = 10.0
"""How long media and carrier may take to agree that the call is over."""
LOOK_SECONDS = 0.05
WELL = frozenset({EndReason.CALLER_HUNG_UP, EndReason.AGENT_HUNG_UP, EndReason.HANDLER_RETURNED})
WORDS = {"initiated": "dialling", "in-progress": "answered"}


@dataclass(frozen=True, slots=True)
class Outbound:
    """What to dial. `ring`: seconds."""

    number: str
    from_: str
    ring: int
    as_json: bool
    detect_machine: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of the call. `status`: the carrier's last word; `reason`: ours; `why` is for people."""

    call_sid: str
    to: str
    status: str = "queued"
    answered: bool = False
    reason: str = ""
    why: str = "interrupted"
    seconds: float = 0.0
    ok: bool = False


def place(wanted: Outbound) -> int:
    """Have the carrier dial, and connect the call to the server at VOICE_PUBLIC_URL. Returns the exit code."""
    settings = Settings()
    _require_public_url(settings)

    async def dial() -> str:
        carrier = TwilioTransport(settings)
        try:
            return await _dial(carrier, settings, wanted)
        finally:
            await carrier.close()

    call_sid = asyncio.run(dial())
    if wanted.as_json:
        show_json({"call_sid": call_sid, "to": wanted.number, "status": "queued"})
    else:
        typer.echo(call_sid)
    return 0


def call_and_serve(app: VoiceApp, wanted: Outbound, *, host: str | None = None, port: int | None = None) -> int:
    """Serve `app`, call, and stay until the call is over. Returns the exit code, 0 if it was answered and ended well.

    A signal hangs the call up. Raises `VoiceRuntimeError`.
    """
    _require_public_url(app.settings)
    carrier = app.carrier
    if carrier is None:
        missing = "AUTH_TOKEN" if app.settings.twilio_account_sid else "ACCOUNT_SID"
        raise MissingSettingError(f"TWILIO_{missing}", needed_for=PLACING)
    stop = Stop()
    watch = _Watch(app, carrier, wanted, stop)
    settings = app.settings.model_copy(update={"voice_drain_seconds": LAST_WORD_SECONDS})

    async def serve_it() -> None:
        tasks, watching = TaskOwner("call"), list[asyncio.Task[None]]()

        def ready(_: int) -> None:
            watching.append(tasks.start("watch", watch.run()))

        try:
            await serve(app, host=host, port=port, settings=settings, ready=ready, stop=stop)
            if watching:  # after a signal, the hang-up may still be under way
                await asyncio.wait(watching, timeout=LAST_WORD_SECONDS)
        finally:
            await tasks.close()

    with stops_on_signals(stop), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve_it())
    if watch.failure is not None:
        raise watch.failure
    outcome = watch.outcome
    if wanted.as_json:
        show_json(asdict(outcome))
    say(f"ended: {outcome.why}")
    return 0 if outcome.ok else FAILED


def _require_public_url(settings: Settings) -> None:
    if not settings.public_url:
        raise MissingSettingError("VOICE_PUBLIC_URL", needed_for=PLACING)


async def _dial(carrier: CarrierTransport, settings: Settings, wanted: Outbound) -> str:
    base, from_ = settings.public_url, wanted.from_ or settings.twilio_phone_number
    url, status = f"{base}/incoming", f"{base}/status"
    if isinstance(carrier, TwilioTransport):
        return await carrier.place_call(
            wanted.number,
            from_,
            url=url,
            status_callback=status,
            status_callback_events=EVENTS,
            timeout=wanted.ring,
            machine_detection="DetectMessageEnd" if wanted.detect_machine else "",
        )
    return await carrier.place_call(wanted.number, from_=from_, url=url, status_callback=status)


class _Watch:
    """One call, from dialling to its end: what the carrier reports, beside what the media socket saw."""

    def __init__(self, app: VoiceApp, carrier: CarrierTransport, wanted: Outbound, stop: Stop) -> None:
        self.outcome = Outcome("", wanted.number)
        self.failure: VoiceRuntimeError | None = None
        self._app, self._carrier, self._wanted, self._stop = app, carrier, wanted, stop
        self._session: VoiceSession | None = None
        self._reports: asyncio.Queue[CallStatus] = asyncio.Queue()
        app.status(self._reported)

    async def _reported(self, status: CallStatus) -> None:
        self._reports.put_nowait(status)

    async def run(self) -> None:
        """Sets `outcome` or `failure`, and stops the server."""
        try:
            self.outcome.call_sid = await _dial(self._carrier, self._app.settings, self._wanted)
            say(f"queued: {self.outcome.call_sid}")
            await self._follow()
            await self._conclude()
        except VoiceRuntimeError as error:
            self.failure = error
        finally:
            self._stop.ask()

    async def _follow(self) -> None:
        """Until the call is over, by anybody's word."""
        now = asyncio.get_running_loop().time
        patience = now() + self._wanted.ring + SILENCE_SECONDS
        while True:
            self._look()
            if await self._next_report():
                return
            if self._session is not None and self._session.end is not None:
                last = now() + LAST_WORD_SECONDS  # the carrier's own word may be lost
                while now() < last and not await self._next_report():
                    pass
                return
            if self.outcome.answered:
                patience = float("inf")  # from here on, somebody ends it
            if self._stop.wish is not Stop.Wish.NONE or now() > patience:
                await self._carrier.hang_up(self.outcome.call_sid)
                return

    async def _next_report(self) -> bool:
        """Take what the carrier says next; whether the call is over by it."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                status = await self._reports.get()
        except TimeoutError:
            return False
        if status.call_sid != self.outcome.call_sid or not (status.terminal or status.status in (*EVENTS, *WORDS)):
            return False  # of another call, or about the stream
        self.outcome.status = status.status
        self.outcome.answered |= status.status in ("in-progress", "completed")
        if not status.terminal:
            say(WORDS.get(status.status, status.status))
        return status.terminal

    def _look(self) -> None:
        for session in self._app.switchboard.calls:
            if session.call_sid == self.outcome.call_sid:
                self._session = session
                self.outcome.answered = True

    async def _conclude(self) -> None:
        self._look()
        outcome, session = self.outcome, self._session
        if session is not None:
            try:
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    end = await session.wait_ended()
            except TimeoutError:
                outcome.why = "the carrier says that it is over, but its audio goes on"
                return
            outcome.reason, outcome.seconds = str(end.reason), round(session.elapsed(), 1)
            outcome.why = f"{end.reason}{f' ({end.detail})' if end.detail else ''} after {outcome.seconds:g} s"
            outcome.ok = end.reason in WELL and self._stop.wish is Stop.Wish.NONE
        elif self._stop.wish is not Stop.Wish.NONE:
            pass
        elif outcome.status == "completed" and self._app.switchboard.total:
            outcome.why, outcome.ok = "completed", True  # over before we looked
        elif outcome.answered:
            outcome.why = "answered, but its audio never came here: does VOICE_PUBLIC_URL lead to this process?"
        elif outcome.status == "queued":
            outcome.why = "the carrier reported nothing: does VOICE_PUBLIC_URL lead to this process?"
        else:
            outcome.why = outcome.status
