"""Puts the demo on: server, carrier and caller on this machine, live transcript, three artefacts, verdict."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import tempfile
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from voice_runtime.cli.demo.agent import DeliveryLine, delivery_line
from voice_runtime.cli.demo.caller import caller
from voice_runtime.cli.demo.verdict import Check, judge
from voice_runtime.cli.loopback import open_door, serving, url_of
from voice_runtime.cli.output import FAILED, give_up
from voice_runtime.events import (
    CallEnded,
    CallEvent,
    DtmfReceived,
    FinalTranscript,
    ProviderFailed,
    ToolFinished,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.llm import History, Item
from voice_runtime.registry import STT, TTS
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.simulator import Annotation, CallPicture, CallRecord, Carrier, NoteKind, draw, rest_app
from voice_runtime.simulator.report import clock_time, transcript
from voice_runtime.tts import create_tts

__all__ = ["run_demo"]

PUBLIC = "https://parcel-post.example.com"
"""The address the carrier believes to call: signatures are made and checked for it, as behind a real proxy."""
CALL_SECONDS = 120.0


def run_demo(out: Path, json: bool = False) -> int:
    """Make the call; write `call.wav`, `transcript.txt` and `call.svg` into `out`. 0 when everything was right.

    What would spoil it is found out first: speech that is not installed (`ProviderLoadError`), a folder that is none.
    """
    TTS.load("espeak")
    STT.load("pocketsphinx")
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        give_up(f"{out} cannot be written to: {error.strerror}. Choose another folder with --out.", FAILED)
    console = Console(stderr=json, highlight=False)
    return asyncio.run(_Stage(out, console, as_json=json).play())


class _Watched(DeliveryLine):
    """Keeps what it remembers of the call."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: list[Item] = []

    async def exit(self, call: VoiceSession, history: History) -> None:
        self.remembered = list(history)


class _Stage:
    def __init__(self, out: Path, console: Console, *, as_json: bool) -> None:
        self._out = out
        self._console = console
        self._as_json = as_json
        self._events: list[CallEvent] = []

    async def play(self) -> int:
        token = secrets.token_hex(16)
        agent = _Watched()
        self._console.print("Calling the delivery line: a simulated carrier, a real server, real speech, no network.\n")
        door, rest_door = open_door(), open_door()
        async with (
            Carrier(token, addresses={PUBLIC: url_of(door)}) as carrier,
            serving(rest_app(carrier.rest), rest_door),
        ):
            settings = Settings(
                voice_public_url=PUBLIC,
                twilio_account_sid=carrier.rest.account_sid,
                twilio_auth_token=SecretStr(token),
                twilio_api_base_url=url_of(rest_door),
                twilio_skip_signature_validation=False,
                voice_require_token=True,
            )
            app = delivery_line(settings, agent)
            sessions = self._watch(app)
            async with serving(app, door), asyncio.timeout(CALL_SECONDS):
                record = await carrier.call(f"{PUBLIC}/incoming", caller, status_callback=f"{PUBLIC}/status")
        end = sessions[0].end if sessions else None
        checks = await asyncio.to_thread(judge, record, self._events, agent.remembered, end, _render)
        notes = self._notes(record)
        self._write(record, notes)
        self._report(record, checks)
        return 0 if all(check.passed for check in checks) else 1

    def _watch(self, app: VoiceApp) -> list[VoiceSession]:
        """Have every session of the app report here; they are collected in the list."""
        sessions: list[VoiceSession] = []

        def make() -> VoiceSession:
            session = VoiceSession()
            session.on_event(self._happened)
            sessions.append(session)
            return session

        app.session = make
        return sessions

    # -- live ----------------------------------------------------------------------------------------------------------

    def _happened(self, event: CallEvent) -> None:
        self._events.append(event)
        match event:
            case FinalTranscript(at, text):
                self._line(at, "caller", text, "cyan")
            case DtmfReceived(at, digit):
                self._line(at, "key", digit, "cyan")
            case UtteranceFinished(at, _, text, outcome, heard_text=heard):
                self._line(at, "agent", text, "green")
                if outcome != "played":
                    self._line(at, "", f"{outcome}: the caller heard “{heard}”", "red")
            case ToolFinished(at, _, name, ms, outcome):
                self._line(at, "tool", f"{name}: {outcome} in {ms:.0f} ms", "magenta")
            case ProviderFailed(at, kind, provider, reason, _):
                self._line(at, kind, f"{provider} failed: {reason}", "red")
            case CallEnded(at, end):
                self._line(at, "end", f"{end.reason} ({end.fault})", "dim")

    def _line(self, at: float, who: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((clock_time(at), "dim"), f"  {who:<7} ", (text, style)), soft_wrap=True)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _notes(self, record: CallRecord) -> list[Annotation]:
        """What the carrier noted, and what only the agent can know: its words, and when it took a turn for ended."""
        notes = [*map(_without_suffix, record.notes), *record.timeline.annotations()]
        began: dict[int, float] = {}
        for event in self._events:
            match event:
                case UtteranceStarted(at, number, _):
                    began[number] = at
                case UtteranceFinished(at, number, text, _):
                    notes.append(Annotation(NoteKind.AGENT, began[number], at, text))
                case FinalTranscript(at):
                    notes.append(Annotation(NoteKind.TURN_END, at, at, "understood"))
        return notes

    def _write(self, record: CallRecord, notes: list[Annotation]) -> None:
        record.write_wav(self._out / "call.wav")
        (self._out / "transcript.txt").write_text(transcript(notes), encoding="utf-8")
        picture = CallPicture(
            record.ear,
            record.mouth,
            tuple(note for note in notes if note.kind not in (NoteKind.LATENCY, NoteKind.INTERRUPTION)),
            title="A call to the delivery line",
            subtitle="simulated carrier, real speech: flite calls, pocketsphinx listens, eSpeak NG answers",
        )
        (self._out / "call.svg").write_text(draw(picture), encoding="utf-8")

    def _report(self, record: CallRecord, checks: list[Check]) -> None:
        responses = [round(response.latency_ms) for response in record.timeline.responses()]
        self._console.print()
        for check in checks:
            mark, style = ("ok  ", "green") if check.passed else ("FAIL", "bold red")
            self._console.print(Text.assemble((mark, style), f"  {check.what}: {check.detail}"), soft_wrap=True)
        self._console.print(
            f"\n{record.seconds:.1f} s; from the caller's last word to the agent's first sound: "
            f"{', '.join(map(str, responses))} ms (500 ms of that is the pause that ends a turn)"
        )
        for name, what in (
            ("call.wav", "caller left, agent right"),
            ("transcript.txt", ""),
            ("call.svg", "the picture"),
        ):
            self._console.print(f"  {self._out / name}" + (f"  ({what})" if what else ""), soft_wrap=True)
        if self._as_json:
            print(json.dumps(self._summary(record, checks, responses), indent=2))

    def _summary(self, record: CallRecord, checks: list[Check], responses: list[int]) -> dict[str, Any]:
        return {
            "passed": all(check.passed for check in checks),
            "seconds": round(record.seconds, 1),
            "response_ms": responses,
            "barge_in_ms": [round(barge_in.latency_ms) for barge_in in record.timeline.barge_ins()],
            "checks": [{"what": c.what, "passed": c.passed, "detail": c.detail} for c in checks],
            "artefacts": [str(self._out / name) for name in ("call.wav", "transcript.txt", "call.svg")],
        }


def _without_suffix(note: Annotation) -> Annotation:
    """Marks have unique names on the wire; people read the first part."""
    return dataclasses.replace(note, text=note.text.partition("__")[0]) if note.kind is NoteKind.MARK else note


def _render(text: str) -> bytes:
    """The audio of `text`, made once more."""

    async def whole() -> bytes:
        tts: Any = create_tts("espeak")
        return b"".join([chunk async for chunk in tts.synthesize(text)])

    return asyncio.run(whole())
