"""Scripts as YAML files: a list of steps, each one thing that a person on the line does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from voice_runtime.audio.wav import read_wav, to_ulaw_8k
from voice_runtime.errors import AudioFormatError, ConfigurationError
from voice_runtime.simulator.hearing import plain_words
from voice_runtime.simulator.person import TELEPHONE_KEYS, Line
from voice_runtime.simulator.script import Script

__all__ = ["load_script"]

_Check: TypeAlias = Callable[[object, Path], object]
"""Makes an argument of what a file in this folder says. Raises ValueError, whose text goes after "needs"."""
_Act: TypeAlias = Callable[[Line, Mapping[str, Any]], Awaitable[None]]


def _words(value: object, _folder: Path) -> object:
    if not isinstance(value, str) or not plain_words(value):
        raise ValueError("words" + _quotes(value))
    return value


def _text(value: object, _folder: Path) -> object:
    if not isinstance(value, str):
        raise ValueError("text" + _quotes(value))
    return value


def _keys(value: object, _folder: Path) -> object:
    if not isinstance(value, str):
        raise ValueError("keys" + _quotes(value))
    if not value or set(value) - TELEPHONE_KEYS:
        raise ValueError(f"the keys of a telephone (0-9 * # A-D, w and W for pauses), not {value!r}")
    return value


def _quotes(value: object) -> str:
    return f", not {value!r}" + (": put it in quotes" if isinstance(value, int | float) else "")


def _number(value: object, _folder: Path) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise ValueError(f"a number from 0 to 86400, not {value!r}")
    return float(value)


def _audio(value: object, folder: Path) -> object:
    if not isinstance(value, str):
        raise ValueError(f"the path of a WAV file, not {value!r}")
    try:
        return to_ulaw_8k(read_wav(folder / value))
    except (OSError, AudioFormatError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"a WAV file: {value}: {reason}") from error


@dataclass(frozen=True, slots=True)
class _Verb:
    """`first`: the argument of `verb: value`, or "". The arguments in `needed` must be there."""

    act: _Act
    arguments: Mapping[str, _Check] = field(default_factory=dict)
    first: str = ""
    needed: frozenset[str] = frozenset()


async def _press(line: Line, given: Mapping[str, Any]) -> None:
    line.press(given["digits"])
    await line.wait_until_keys_pressed()


async def _hang_up(line: Line, _given: Mapping[str, Any]) -> None:
    line.hang_up()
    await line.stay()


def _one(act: _Act, first: str, check: _Check, **others: _Check) -> _Verb:
    return _Verb(act, {first: check, **others}, first, frozenset({first}))


_VERBS: Final[Mapping[str, _Verb]] = {
    "say": _one(lambda line, given: line.say(**given), "words", _words),
    "play": _one(lambda line, given: line.play(**given), "audio", _audio, text=_text),
    "press": _one(_press, "digits", _keys),
    "hears": _one(lambda line, given: line.hears(**given), "text", _words, timeout=_number),
    "hear_out": _Verb(lambda line, given: line.hear_out(**given), {"quiet_ms": _number, "timeout": _number}),
    "pause": _one(lambda line, given: line.pause(**given), "seconds", _number),
    "interrupt_after": _Verb(
        lambda line, given: line.interrupt_after(**given),
        {"seconds": _number, "words": _words, "timeout": _number},
        needed=frozenset({"seconds", "words"}),
    ),
    "mumble": _one(lambda line, given: line.mumble(**given), "seconds", _number),
    "hang_up": _Verb(_hang_up),
    "stay": _Verb(lambda line, given: line.stay(**given), {"timeout": _number}, "timeout"),
}


@dataclass(frozen=True, slots=True)
class _Step:
    act: _Act
    given: Mapping[str, Any]
    where: str


def load_script(path: str | Path) -> Script:
    """The person that a YAML file describes, who hangs up after the last step.

    Everything is checked, and audio is read, now. Raises ConfigurationError: file, step, and what is wrong with it.
    When a step does not come about, its TimeoutError says which one it is.
    """
    path = Path(path)
    steps = [_step(step, f"{path}: step {number}", path.parent) for number, step in enumerate(_steps(path), 1)]

    async def caller(line: Line) -> None:
        for step in steps:
            try:
                await step.act(line, step.given)
            except TimeoutError as error:
                raise TimeoutError(f"{step.where}: {error}") from error

    return caller


def _steps(path: Path) -> list[object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is no text in UTF-8") from error
    except yaml.YAMLError as error:
        at = (
            f", line {error.problem_mark.line + 1}"
            if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark
            else ""
        )
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else " ".join(str(error).split())
        raise ConfigurationError(f"{path}{at}: is no YAML: {problem}") from error
    if not isinstance(content, list) or not content:
        raise ConfigurationError(f"{path}: must be a list of steps, such as `- say: hello`")
    return content


def _step(step: object, where: str, folder: Path) -> _Step:
    name, value = next(iter(step.items())) if isinstance(step, dict) and len(step) == 1 else (step, None)
    if not isinstance(name, str):
        raise ConfigurationError(f"{where}: must be one verb, such as `say: hello`, not {name!r}")
    if (verb := _VERBS.get(name)) is None:
        raise ConfigurationError(f"{where}: there is no verb {name!r}; there are {', '.join(_VERBS)}")
    given = value if isinstance(value, dict) else {} if value is None else {verb.first: value}
    if "" in given:
        takes = "a mapping of " + ", ".join(verb.arguments) if verb.arguments else "nothing"
        raise ConfigurationError(f"{where}: {name} takes {takes}, not {value!r}")
    for argument in given:
        if argument not in verb.arguments:
            raise ConfigurationError(
                f"{where}: {name} has no {argument!r}; it has {', '.join(verb.arguments) or 'none'}"
            )
    if missing := sorted(verb.needed - set(given)):
        raise ConfigurationError(f"{where}: {name} needs {' and '.join(missing)}")
    made = {}
    for argument, said in given.items():
        try:
            made[argument] = verb.arguments[argument](said, folder)
        except ValueError as error:
            what = name if argument == verb.first else f"{argument} of {name}"
            raise ConfigurationError(f"{where}: {what} needs {error}") from error
    return _Step(verb.act, made, where)
