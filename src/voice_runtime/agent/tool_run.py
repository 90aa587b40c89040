"""One run of a tool: within its time, with a line for a caller who waits, and a result whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from voice_runtime.errors import CallHangupError, ToolError
from voice_runtime.events import ToolOutcome
from voice_runtime.session import VoiceSession
from voice_runtime.tasks import TaskOwner
from voice_runtime.tools import Tool
from voice_runtime.tools.result import as_text, bounded

__all__ = ["Answer", "run_tool", "status_of"]

log = logging.getLogger(__name__)

MAX_STATUS = 200
"""Characters of a status text: it may quote arguments."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model is told of a tool that it called."""

    outcome: ToolOutcome
    text: str


async def run_tool(
    tool: Tool,
    work: Coroutine[Any, Any, object],
    *,
    call: VoiceSession,
    tasks: TaskOwner,
    hold: Callable[[], None],
    asked: Callable[[], float],
) -> Answer:
    """Do `work`, which is the tool's. `hold` says something to a caller who hears nothing meanwhile. `asked`: how many
    seconds of the call have been the caller's, to answer questions: they are not of the tool's time.

    Work that neither ends in time nor can be cancelled is left behind.
    """
    doing = tasks.start(f"tool-{tool.name}", _guarded(tool, work, call))
    try:
        await _wait(doing, tool, call, hold, asked)
    finally:
        if not doing.done():
            doing.cancel()
    if not doing.done():
        log.warning("call %s: tool %s was not done within %g s", call.call_sid, tool.name, tool.timeout)
        text = f"There was no result within {tool.timeout:g} seconds. It is not known whether it was done."
        return Answer(ToolOutcome.TIMED_OUT, text)
    if doing.cancelled():  # by something that it waited for
        return Answer(ToolOutcome.FAILED, "This failed.")
    return doing.result()


async def _wait(
    doing: asyncio.Task[Answer],
    tool: Tool,
    call: VoiceSession,
    hold: Callable[[], None],
    asked: Callable[[], float],
) -> None:
    """Until it is done, or its time is up. The line is said once the caller has heard nothing for so long."""
    now = asyncio.get_running_loop().time
    began = now()
    deadline, line_at, before = began + tool.timeout, began + tool.holding_after, asked()
    while not doing.done() and now() < deadline:
        await asyncio.wait({doing}, timeout=max(min(deadline, line_at) - now(), 0.01))
        if (theirs := asked() - before) > 0:
            before += theirs
            deadline, line_at = deadline + theirs, line_at + theirs
        if not doing.done() and now() >= line_at:
            sounded = tool.holding_after - call.stream.quiet_seconds()
            if sounded > 0:
                line_at = now() + max(sounded, 0.05)
            else:
                hold()
                line_at = deadline


async def _guarded(tool: Tool, work: Coroutine[Any, Any, object], call: VoiceSession) -> Answer:
    try:
        return Answer(ToolOutcome.DONE, as_text(tool.name, await work))
    except ToolError as error:
        return Answer(ToolOutcome.FAILED, str(error))
    except CallHangupError:
        return Answer(ToolOutcome.CANCELLED, "The call has ended.")
    except Exception:  # the tool is broken, or what it needs: the model is told that much, and no more
        log.exception("call %s: tool %s failed", call.call_sid, tool.name)
        return Answer(ToolOutcome.FAILED, "This failed.")


def status_of(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """What the tool is doing, for people."""
    try:
        return bounded(tool.status.format_map(arguments), MAX_STATUS)
    except Exception:  # a template that does not fit must not keep the tool from running
        log.exception("the status text of tool %s does not fit its arguments", tool.name)
        return ""
