"""MODULE:APP, as the operator wrote it, to a `VoiceApp`."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, cast

from starlette.applications import Starlette

import voice_runtime
from voice_runtime.agent import Agent
from voice_runtime.cli.output import FAILED, give_up
from voice_runtime.cli.parrot import parrot
from voice_runtime.errors import ConfigurationError
from voice_runtime.handler import Handler, check_handler
from voice_runtime.llm import Brain, Turn
from voice_runtime.server.app import ANY_NUMBER
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings

__all__ = ["Answerer", "Speech", "load_answerer", "load_target"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Speech:
    """--stt and --tts."""

    stt: str | None = None
    tts: str | None = None


def load_target(target: str | None, speech: Speech) -> VoiceApp:
    """The app that `target` names. A bare handler is put into one; so is the parrot, when nothing is named.

    Ends the command with one line when it cannot be had.
    """
    if target is None:
        return _wrapped(parrot, speech)
    found = _attribute(target)
    if isinstance(found, VoiceApp):
        if speech.stt or speech.tts:
            give_up(f"{target} is a VoiceApp and names its providers itself, or with VOICE_STT and VOICE_TTS.")
        return found
    if isinstance(found, Starlette):
        give_up(f"{target} is a web application, not a VoiceApp. Serve it with an ASGI server such as uvicorn.")
    return _wrapped(_handler(found, target), speech)


@dataclass(frozen=True, slots=True)
class Answerer:
    """What answers a call, and what makes the session of one, as a `VoiceApp` says."""

    handler: Handler
    new_session: Callable[[], VoiceSession] = VoiceSession


def load_answerer(target: str) -> Answerer:
    """An agent, a brain, a handler, or a `VoiceApp` with one. Ends the command as `load_target` does."""
    found = _attribute(target)
    if isinstance(found, VoiceApp):
        handlers = found.handlers
        handler = handlers.get(ANY_NUMBER) or next(iter(handlers.values()), None)
        if handler is None:
            give_up(f"{target} is a VoiceApp that answers no calls: @{target.partition(':')[2] or 'app'}.call() does.")
        if len(handlers) > 1 and ANY_NUMBER not in handlers:
            give_up(f"{target} answers {', '.join(handlers)}, each in its own way: name the agent itself.")
        return Answerer(handler, found.session)
    return Answerer(_handler(found, target))


def _handler(found: object, target: str) -> Handler:
    """A handler, or an agent around a brain."""
    if isinstance(found, type) or not callable(found):
        give_up(f"{target} is {_kind(found)}, and neither a VoiceApp, an agent, a brain nor a function of a call.")
    try:
        if _is_brain(found):
            return Agent(cast(Brain, found))
        check_handler(found)
    except (ConfigurationError, TypeError) as error:
        give_up(f"{target}: {error}")
    return cast(Handler, found)


def _is_brain(found: Callable[..., Any]) -> bool:
    """A stream, or a function of a turn: it says so by its annotation, or by the name."""
    called = found if inspect.isroutine(found) else type(found).__call__
    if inspect.isasyncgenfunction(called):
        return True
    if isinstance(found, Agent):
        return False
    taken = [one for one in inspect.signature(found).parameters.values() if one.default is one.empty][:1]
    return any(one.name == "turn" or one.annotation in (Turn, "Turn") for one in taken)


def _wrapped(handler: Handler, speech: Speech) -> VoiceApp:
    app = VoiceApp(stt=speech.stt, tts=speech.tts, settings=Settings())
    app.call()(handler)
    return app


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"


def _attribute(target: str) -> Any:
    name, _, attribute = target.partition(":")
    if name.endswith(".py") or "/" in name:
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        give_up(f"{name} is a file; name its module: {module}:{attribute or 'app'}.")
    found: Any = _module(name)
    for part in (attribute or "app").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            give_up(f"The module {name} has no {attribute or 'app'}.{_candidates(found, name)}")
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            give_up(f"There is no module {error.name} in {here} or on Python's path.")
        give_up(f"The module {name} cannot be imported: {error}. Install what it needs.", FAILED)
    except (ValueError, TypeError) as error:
        if not _frames(error, name):
            give_up(f"{name!r} is no name of a module: {error}.")
        _broken(name, error)
    except Exception as error:  # it is the program's own code, and may raise anything
        _broken(name, error)


def _broken(name: str, error: Exception) -> NoReturn:
    log.debug("importing %s", name, exc_info=error)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}: "
    else:
        frames = _frames(error, name)
        where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    give_up(f"The module {name} cannot be imported: {where}{type(error).__name__}: {text}", FAILED)


def _frames(error: Exception, name: str) -> list[traceback.FrameSummary]:
    """Where in the program it happened: the importing machinery and ourselves left out."""
    ours = (str(Path(voice_runtime.__file__).parent), importlib.__file__, "<frozen")
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]


def _candidates(module: object, name: str) -> str:
    if not isinstance(module, ModuleType):
        return ""
    apps = [key for key, value in vars(module).items() if isinstance(value, (VoiceApp, Agent))]
    functions = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__ and not isinstance(value, type)
    ]
    names = [key for key in apps or functions if not key.startswith("_")]
    return f" It has {', '.join(f'{name}:{key}' for key in sorted(names))}." if names else ""
