"""Who is on the line: somebody who types, a script of the user's, or a person of the simulator's."""

from __future__ import annotations

import importlib.util
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voice_runtime.cli.simulate.keyboard import Keyboard
from voice_runtime.cli.simulate.screen import Screen
from voice_runtime.cli.simulate.typed import TypedCaller
from voice_runtime.cli.simulate.voices import choose_voice
from voice_runtime.cli.simulate.wanted import Wanted
from voice_runtime.errors import CallHangupError, ConfigurationError
from voice_runtime.simulator import (
    Line,
    Menu,
    Phone,
    Script,
    answering_machine,
    busy,
    call_screening,
    ivr,
    load_script,
    no_answer,
    person,
    unreachable,
    waits_for_hang_up,
)

__all__ = ["CALLERS", "PEOPLE", "Cast", "cast_for"]

_SUPPORT = Menu("For invoices press one.", {"1": "Nobody is free."})
_MENU = Menu(
    "Welcome. For sales press one, for support press two.",
    {"1": "You are through to sales.", "sales": "You are through to sales.", "2": _SUPPORT, "support": _SUPPORT},
)

CALLERS: dict[str, Callable[[], Phone]] = {
    "silent": lambda: Phone(waits_for_hang_up(600.0)),
    "echo": lambda: Phone(_echo),
}
"""Who may call, or answer."""

PEOPLE: dict[str, Callable[[], Phone]] = {
    **CALLERS,
    "person": person,
    "answering-machine": answering_machine,
    "ivr": lambda: ivr(_MENU),
    "screening": call_screening,
    "busy": busy,
    "no-answer": no_answer,
    "unreachable": unreachable,
}
"""Who may answer."""

_ONSET = 1600  # bytes, 200 ms: more than passes until a sound is noticed

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Cast:
    """`phone`: who calls, or answers. `failures`: what they expected in vain. `start`: call it on the loop."""

    phone: Phone
    failures: list[str] = field(default_factory=list)
    hint: str = ""
    start: Callable[[], None] = lambda: None


def cast_for(wanted: Wanted, screen: Screen) -> Cast:
    """Who is wanted. Raises ValueError with one sentence."""
    failures: list[str] = []

    def fail(why: str) -> None:
        failures.append(why)
        screen.say(why, "bold red")

    name, voice = choose_voice(wanted.voice)
    if wanted.script:
        return Cast(Phone(_watched(_load_script(wanted.script), fail), voice=voice), failures)
    if wanted.person:
        if wanted.person not in PEOPLE:
            raise ValueError(f"--person {wanted.person}: it is one of {', '.join(PEOPLE)}")
        phone = PEOPLE[wanted.person]()
        if wanted.person not in CALLERS and not wanted.listen:
            raise ValueError(f"--person {wanted.person} answers calls, and makes none: give --listen")
        return Cast(replace(phone, script=_watched(phone.script, fail), voice=voice), failures)
    keyboard = Keyboard()
    hint = f"type what the caller says (voice: {name}), or :help"
    return Cast(Phone(TypedCaller(keyboard, voice, screen.say, fail)), failures, hint, keyboard.start)


async def _echo(line: Line) -> None:
    """Says what the agent said, when the agent has stopped."""
    while True:
        await line.wait_until_agent_speaks(600)
        began = max(0, len(line.ear) - _ONSET)
        await line.wait_until_agent_stops(500, 600)
        await line.say(bytes(line.ear[began:-_ONSET]), "(echo)")


def _load_script(named: str) -> Script:
    """A YAML file, or the function of `file.py:function`, `caller` when only the file is named.

    Raises ValueError with one sentence.
    """
    name, _, function = named.partition(":")
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return load_script(named)
        except ConfigurationError as error:
            raise ValueError(" ".join(str(error).split())) from error
        except OSError as error:
            raise ValueError(f"--script {named}: {error.strerror}") from error
    if path.suffix != ".py":
        raise ValueError(f"--script {named}: it is call.yaml, or file.py:function")
    module = _imported(path)
    found: Any = vars(module).get(function or "caller")
    if found is None:
        raise ValueError(f"--script {named}: {name} has no function {function or 'caller'}")
    if not callable(found):
        raise ValueError(f"--script {named}: {function or 'caller'} is no function")
    script: Script = found
    return script


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"--script {path}: there is no such file")
    module = importlib.util.module_from_spec(spec)
    here = str(path.resolve().parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is the user's own code, and may raise anything
        log.debug("importing %s", path, exc_info=error)
        raise ValueError(f"--script {path} cannot be imported: {_told(error, str(path))}") from error
    return module


def _watched(script: Script, fail: Callable[[str], None]) -> Script:
    """`script`, whose failure is told instead of raised; then the person hangs up."""

    async def kept(line: Line) -> None:
        try:
            await script(line)
        except CallHangupError:
            raise
        except TimeoutError as error:
            fail(str(error))
        except Exception as error:  # it is the user's own code, and may raise anything
            log.debug("the script failed", exc_info=error)
            fail(f"{_told(error)}, after {line.time:.1f} s on the line")

    return kept


def _told(error: Exception, path: str = "") -> str:
    """Type, words and place, in one line."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    own = Path(__file__).parents[2]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not Path(f.filename).is_relative_to(own)]
    frames = [f for f in frames if not f.filename.startswith("<frozen")]
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
