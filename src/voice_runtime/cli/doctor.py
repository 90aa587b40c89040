"""`voice-runtime doctor`: everything that must be right before the phone can ring, one line each."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import httpx
import typer
from pydantic import ValidationError

from voice_runtime.cli.output import FAILED, problems, show_json
from voice_runtime.errors import ConfigurationError, VoiceRuntimeError
from voice_runtime.registry import KINDS, STT, TTS, Registry, split_names
from voice_runtime.server.serving import listen
from voice_runtime.settings import Settings, unknown_variables
from voice_runtime.telemetry import LEVELS
from voice_runtime.transports.twilio_account import open_rest
from voice_runtime.transports.twilio_call_list import ANYBODY, CallListQuery

__all__ = ["Check", "State", "diagnose", "report"]

HTTP_SECONDS = 5.0
_ACCOUNT = re.compile("AC[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_HERE = ("localhost", "127.0.0.1", "::1")


class State(StrEnum):
    """`FAIL` is a must; `WARN` is for the operator to judge."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `remedy`: what to do, when it is not ok."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def report(online: bool, as_json: bool) -> int:
    """Print all checks; returns the exit code."""
    checks = list(diagnose(online))
    if as_json:
        show_json([asdict(check) for check in checks])
    else:
        for check in checks:
            typer.echo(f"{check.state:<5} {check.name}: {check.detail}{f' -> {check.remedy}' if check.remedy else ''}")
    return FAILED if any(check.state is State.FAIL for check in checks) else 0


def diagnose(online: bool) -> Iterator[Check]:
    """The checks, cheapest first; `online` adds those that need the network."""
    yield _python()
    yield from _extras()
    try:
        settings = Settings()
    except ValidationError as error:
        for line in problems(error):
            yield Check("settings", State.FAIL, line, "Correct it in the environment.")
        return
    yield _settings(settings)
    yield _public_url(settings)
    yield from _credentials(settings)
    yield _signatures(settings)
    for name in split_names(settings.voice_stt):
        yield _speech(STT, "VOICE_STT", name, "hear")
    for name in split_names(settings.voice_tts):
        yield _speech(TTS, "VOICE_TTS", name, "speak")
    yield _port(settings)
    yield _ffplay(settings)
    if online:
        yield _account(settings)
        yield _reachable(settings)


def _python() -> Check:
    """For the report: a Python that is too old could not have imported this."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("Python", State.OK, version)


def _extras() -> Iterator[Check]:
    broken: dict[str, list[str]] = {}
    for row in (row for kind in KINDS for row in kind.list()):
        if row.spec.extra:
            broken.setdefault(row.spec.extra, []).extend([row.error] if row.error else [])
        elif row.error:
            yield Check(f"{row.kind} {row.name}", State.WARN, row.error)
    for extra, errors in sorted(broken.items()):
        if errors:
            remedy = f"If you want it: pip install 'voice-runtime[{extra}]'."
            yield Check(f"extra {extra}", State.WARN, "not installed, or not whole", remedy)
        else:
            yield Check(f"extra {extra}", State.OK, "installed")


def _settings(settings: Settings) -> Check:
    if settings.voice_log_level.lower() not in LEVELS:
        remedy = f"Use one of {', '.join(LEVELS)}."
        return Check("settings", State.FAIL, f"VOICE_LOG_LEVEL is {settings.voice_log_level!r}", remedy)
    if unknown := unknown_variables(os.environ):
        meant = [f"{near} instead of {name}" for name, near in unknown.items() if near]
        remedy = f"Set {', '.join(meant)}." if meant else "Unset it, if nothing else reads it."
        return Check("settings", State.WARN, f"no such setting: {', '.join(unknown)}", remedy)
    return Check("settings", State.OK, "valid")


def _public_url(settings: Settings) -> Check:
    url, name = settings.public_url, "public URL"
    if not url:
        remedy = "Set VOICE_PUBLIC_URL to the https:// address of this server, as the carrier reaches it."
        return Check(name, State.FAIL, "not set", remedy)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
        shown = url.rpartition("@")[2]  # never what stands before an @: it may be a password
        return Check(name, State.FAIL, f"{shown} is no address", "Write https://host, without a path or query.")
    if parts.scheme == "http":
        if parts.hostname in _HERE:
            return Check(name, State.WARN, f"{url} is for the simulator only", "Twilio needs https:// for its sockets.")
        return Check(name, State.FAIL, f"{url} is not https://", "Twilio opens media sockets over TLS only.")
    if parts.path:
        remedy = f"Make sure that the proxy takes {parts.path} off again."
        return Check(name, State.WARN, f"{url} has a path", remedy)
    return Check(name, State.OK, url)


def _credentials(settings: Settings) -> Iterator[Check]:
    account, number = settings.twilio_account_sid, settings.twilio_phone_number
    if not account:
        yield Check("account", State.FAIL, "not set", "Set TWILIO_ACCOUNT_SID (AC..., in the Twilio console).")
    elif not _ACCOUNT.fullmatch(account):
        yield Check("account", State.FAIL, "malformed", "TWILIO_ACCOUNT_SID is AC and 32 hexadecimal digits.")
    else:
        yield Check("account", State.OK, account)
    if settings.twilio_auth_token.get_secret_value():
        yield Check("auth token", State.OK, "set")
    else:
        yield Check("auth token", State.FAIL, "not set", "Set TWILIO_AUTH_TOKEN: it proves that a call is Twilio's.")
    if not number:
        remedy = "Set TWILIO_PHONE_NUMBER to place calls and send messages."
        yield Check("phone number", State.WARN, "not set", remedy)
    elif not _NUMBER.fullmatch(number):
        yield Check("phone number", State.FAIL, "not in E.164", "Write TWILIO_PHONE_NUMBER as +15551234567.")
    else:
        yield Check("phone number", State.OK, number)


def _signatures(settings: Settings) -> Check:
    if settings.twilio_skip_signature_validation:
        remedy = "Unset TWILIO_SKIP_SIGNATURE_VALIDATION."
        return Check("signatures", State.FAIL, "not checked: anybody who finds this server can call", remedy)
    return Check("signatures", State.OK, "checked")


def _speech(registry: Registry, setting: str, chosen: str, doing: str) -> Check:
    name = registry.kind
    if not chosen:
        remedy = f"Set {setting}, or name a provider in the program."
        return Check(name, State.WARN, f"none chosen: calls cannot {doing}", remedy)
    try:
        registry.load(chosen)
    except ConfigurationError as error:
        return Check(name, State.FAIL, " ".join(str(error).removesuffix(error.remedy).split()), error.remedy)
    if missing := registry.missing(chosen):
        return Check(name, State.FAIL, f"{chosen} has no key", f"Set {', '.join(missing)}.")
    return Check(name, State.OK, chosen)


def _port(settings: Settings) -> Check:
    host, port = settings.voice_server_host, settings.voice_server_port
    try:
        listen(host, port).close()
        return Check("port", State.OK, f"{host}:{port} is free")
    except ConfigurationError as error:
        at = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
        if _get(f"http://{f'[{at}]' if ':' in at else at}:{port}/healthz") == 200:
            return Check("port", State.OK, f"{host}:{port} is a running server's")
        return Check("port", State.FAIL, str(error).removesuffix(error.remedy).strip(), error.remedy)


def _ffplay(settings: Settings) -> Check:
    if shutil.which("ffplay"):
        return Check("ffplay", State.OK, "installed")
    if settings.voice_monitor:
        return Check("ffplay", State.FAIL, "VOICE_MONITOR needs it", "Install ffmpeg, or unset VOICE_MONITOR.")
    return Check("ffplay", State.OK, "not installed, and not needed without VOICE_MONITOR")


def _account(settings: Settings) -> Check:
    name = "carrier"
    if not settings.twilio_account_sid or not settings.twilio_auth_token.get_secret_value():
        return Check(name, State.FAIL, "not asked", "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.")
    try:
        with open_rest(settings) as rest:
            rest.list_calls(CallListQuery(ANYBODY, datetime.now(UTC), page_size=1))
    except VoiceRuntimeError as error:
        detail = " ".join(str(error).removesuffix(error.remedy).split())
        return Check(name, State.FAIL, detail, error.remedy or "Check the TWILIO_ settings and the network.")
    return Check(name, State.OK, "accepts the credentials")


def _reachable(settings: Settings) -> Check:
    name = "reachable"
    if not settings.public_url:
        return Check(name, State.FAIL, "not tried", "Set VOICE_PUBLIC_URL.")
    status = _get(f"{settings.public_url}/healthz")
    if status == 200:
        return Check(name, State.OK, f"{settings.public_url} answers")
    said = f"answers {status}" if status else "does not answer"
    # deploy.md keeps /healthz away from the public, so anything but silence may be right.
    state = State.WARN if status and status < 500 else State.FAIL
    return Check(name, state, f"{settings.public_url}/healthz {said}", "Start the server, its tunnel or its proxy.")


def _get(url: str) -> int:
    """The status; 0 without an answer."""

    async def ask() -> int:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS) as client:
            return (await client.get(url)).status_code

    try:
        return asyncio.run(asyncio.wait_for(ask(), HTTP_SECONDS))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError):
        return 0
