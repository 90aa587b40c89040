"""`voice-runtime serve`: signals, the first log line, the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import structlog

from voice_runtime.cli.output import FAILED, give_up
from voice_runtime.registry import STT, TTS
from voice_runtime.server.serving import Stop, serve
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.settings import Settings, unknown_variables
from voice_runtime.telemetry import LEVELS, configure_logging

__all__ = ["announce", "loop_factory", "run", "spare_the_collector", "start_logging", "stops_on_signals"]

log = structlog.stdlib.get_logger("voice_runtime.serve")

AT_ONCE_SECONDS = 1.0
"""After the second signal: for handlers to let go. Then the process ends, whatever still hangs."""
LEAVE_SECONDS = 5.0
"""After a drain: for threads of the loop's pool, where a hook or a vendor's SDK may hang, to end."""


def start_logging(level: str | None, json: bool | None, redact_private: bool = False) -> None:
    """Logs as the options say, or the settings. Before the program is imported, for that may log already."""
    settings = Settings()
    if level is not None and level.lower() not in LEVELS:
        give_up(f"--log-level {level}: it is one of {', '.join(LEVELS)}.")
    configure_logging(
        level or settings.voice_log_level,
        settings.voice_log_json if json is None else json,
        redact_private=redact_private,
    )


def run(app: VoiceApp, *, host: str | None = None, port: int | None = None) -> int:
    """Serve `app` until a signal; returns the exit code, which is 0 after a drain."""
    settings = app.settings
    listening_at = settings.voice_server_host if host is None else host
    stop = Stop()

    def ready(bound: int) -> None:
        spare_the_collector()
        announce(app, listening_at, bound)

    with stops_on_signals(stop), asyncio.Runner(loop_factory=loop_factory()) as runner:
        drained = runner.run(serve(app, host=host, port=port, settings=settings, ready=ready, stop=stop))
        leaving = _end_after(LEAVE_SECONDS, 0 if drained else FAILED)
    leaving.cancel()
    log.info("stopped" if drained else "stopped at once")
    return 0 if drained else FAILED


def spare_the_collector() -> None:
    """What is loaded by now stays for good: Python's collector of cycles need not look at it again.

    Every few hundred calls a full collection stops all others while it goes through the objects of the web framework
    and its like: measured up to 67 ms, and 22 ms without them. Only for a process that is ours: what is loaded now and
    becomes garbage in cycles later never goes.
    """
    gc.collect()
    gc.freeze()


def announce(app: VoiceApp, host: str, port: int) -> None:
    """The line that says where we are, and what is still to be done before the phone can ring."""
    settings = app.settings
    todo = []
    if not app.answers:
        todo.append("decorate a function with @app.call(), until then every call is rejected")
    if not settings.public_url.startswith("https://"):
        todo.append("set VOICE_PUBLIC_URL to the https:// address of this port")
    if settings.twilio_skip_signature_validation:
        todo.append("signatures are NOT checked: unset TWILIO_SKIP_SIGNATURE_VALIDATION")
    elif not settings.twilio_auth_token.get_secret_value():
        todo.append("set TWILIO_AUTH_TOKEN, until then every call is refused")
    elif not settings.twilio_account_sid:
        todo.append("set TWILIO_ACCOUNT_SID, to end and place calls")
    for name, near in unknown_variables(os.environ).items():
        todo.append(f"{name} is no setting{f': {near} is' if near else ''}")
    stt, tts = app.speech
    if not tts:
        todo.append("choose VOICE_TTS to speak")
    if not stt:
        todo.append("choose VOICE_STT to hear")
    if missing := dict.fromkeys((*STT.missing(stt), *TTS.missing(tts))):
        todo.append(f"set {', '.join(missing)}, until then calls fail")
    shown = f"[{host}]" if ":" in host else host
    said = {
        "public_url": settings.public_url,
        "stt": stt,
        "tts": tts,
        "max_calls": settings.voice_max_calls,
        "todo": "; ".join(todo),
    }
    (log.warning if todo else log.info)(
        "listening", at=f"http://{shown}:{port}", **{name: value for name, value in said.items() if value}
    )


@contextlib.contextmanager
def stops_on_signals(stop: Stop) -> Iterator[None]:
    """SIGTERM and SIGINT ask `stop`. After the second one the process ends soon, even with a loop that hangs."""

    def asked(number: int, frame: FrameType | None) -> None:
        stop.ask()
        if stop.wish is Stop.Wish.END:
            _end_after(AT_ONCE_SECONDS, FAILED)

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_after(seconds: float, code: int) -> threading.Timer:
    """End the process, even if threads or the loop hang, unless it has ended or this was cancelled by then."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
    return timer


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one: it is not made for every platform."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
