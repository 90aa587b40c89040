"""Puts an agent and a text line together, for one call, and says how it ended."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace

from rich.console import Console

from voice_runtime.agent import Agent
from voice_runtime.agent.floor_watch import FloorWatch
from voice_runtime.cli.chat.caller import ChatCaller
from voice_runtime.cli.chat.screen import ChatScreen, errors_shown
from voice_runtime.cli.output import FAILED, show_json
from voice_runtime.cli.serving import start_logging
from voice_runtime.cli.signals import on_signals
from voice_runtime.cli.simulate.keyboard import Keyboard
from voice_runtime.cli.target import Answerer, load_answerer
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.switchboard import Switchboard
from voice_runtime.tasks import TaskOwner
from voice_runtime.transport import CallInfo
from voice_runtime.transports.text_line import TextLine
from voice_runtime.transports.text_speech import AT_ONCE, SPEAKING_PACE, TextVoice

__all__ = ["Chat", "run_chat"]

_FAILED = (EndReason.HANDLER_FAILED, EndReason.PROVIDER_FAILED)


@dataclass(frozen=True, slots=True)
class Chat:
    """What the command line asks for. `slowly`: at the pace of speech. `silence`: a silent caller is noticed."""

    target: str
    caller: str = "+358401234567"
    called: str = "+358942721000"
    slowly: bool = False
    silence: bool = False
    log_level: str | None = None
    as_json: bool = False
    verbose: bool = False


def run_chat(chat: Chat) -> int:
    """Returns the exit code: 1 when the agent failed, if only in one turn, or a typed line could not be done."""
    patient = not sys.stdin.isatty()
    screen = ChatScreen(Console(stderr=chat.as_json, highlight=False), verbose=chat.verbose, typed=not patient)
    start_logging(chat.log_level or "error", None)
    answerer = load_answerer(chat.target)
    with errors_shown(screen) if chat.log_level is None else nullcontext(), asyncio.Runner() as runner:
        end, failures = runner.run(_call(chat, answerer, screen, patient=patient))
    screen.ended(end)
    ok = end.reason not in _FAILED and not failures and not screen.failed_turns
    if chat.as_json:
        told = {"reason": end.reason.value, "fault": end.fault.value, "detail": end.detail}
        show_json({"ok": ok, "end": told, "transcript": screen.facts()})
    return 0 if ok else FAILED


async def _call(chat: Chat, answerer: Answerer, screen: ChatScreen, *, patient: bool) -> tuple[CallEnd, int]:
    info = CallInfo("CA-chat", "MZ-chat", caller_number=chat.caller, called_number=chat.called)
    line = TextLine(info, screen.heard)
    session = answerer.new_session()
    session.stt_factory = session.stt_secondary_factory = None
    session.stt, session.tts = line.recogniser, TextVoice(SPEAKING_PACE if chat.slowly else AT_ONCE)
    session.stream.has_sound = False
    screen.follow(session)
    handler = answerer.handler
    if isinstance(handler, Agent) and not chat.silence:  # who types takes longer than who talks
        handler.policy = replace(handler.policy, silence=())
    caller = ChatCaller(line, FloorWatch(session), screen, patient=patient, agent=isinstance(handler, Agent))
    if not patient:
        screen.say("type what the caller says, or :help; Ctrl-D hangs up", "dim")
    tasks, keyboard = TaskOwner("chat"), Keyboard()
    keyboard.start()
    with on_signals(line.hang_up):
        tasks.start("caller", caller.type(keyboard))
        end = await Switchboard().carry(session, line, handler)
        await tasks.close()
    return end, caller.failures
