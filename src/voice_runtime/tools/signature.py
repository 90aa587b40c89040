"""What a function takes: the JSON Schema of it that models are shown, and arguments made of what they write."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from voice_runtime.tools.docstring import read_docstring
from voice_runtime.tools.result import bounded

__all__ = ["BadArguments", "Signature"]

MAX_PROBLEMS: Final = 5
"""Of arguments, that a model is told of."""


class BadArguments(ValueError):
    """What a model wrote is not what the function takes: says where, and why, in words for the model."""


class Signature:
    """Of one function, when `given` are the types of what the runtime hands out by itself.

    Raises `TypeError` for a function that cannot be a tool.
    """

    def __init__(self, function: Callable[..., Any], given: frozenset[type] = frozenset()) -> None:
        self.description, said = read_docstring(function.__doc__)
        self.injected: dict[str, type] = {}
        asked: dict[str, tuple[Any, Any]] = {}  # type and default
        hints = _hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"tool {_name(function)}: {parameter} has no name that a model could use")
            hint = hints.get(name, Any)
            if (kind := _plain_type(hint)) is not None and _related(kind, given):
                self.injected[name] = kind
            else:
                asked[name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
        self._whole = _only_model(asked)  # the name of the one parameter that is a model, whose fields are asked for
        self._names = {f"arg_{at}": name for at, name in enumerate(asked)}  # any name is good for a parameter
        try:
            self._model = asked[self._whole][0] if self._whole else self._made_of(_name(function), asked, said)
            self.schema = _schema_of(self._model)
        except PydanticUserError as error:
            why = error.message.partition(". ")[0]  # then come hints for who writes models
            raise TypeError(
                f"tool {_name(function)}: {why}: a model cannot write one. If it is the context of a call, "
                "Agent(context=...) makes it."
            ) from error

    def _made_of(self, name: str, asked: Mapping[str, tuple[Any, Any]], said: Mapping[str, str]) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for field, parameter in self._names.items():
            hint, default = asked[parameter]
            ours = Field(alias=parameter, description=said.get(parameter) or None)
            base, *further = get_args(hint) if get_origin(hint) is Annotated else (hint,)
            fields[field] = (Annotated[(base, ours, *further)], default)  # what they say wins
        return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)

    def arguments(self, written: str) -> dict[str, Any]:
        """The function's arguments, without those that are injected. Raises `BadArguments`."""
        try:
            made = self._model.model_validate_json(written.strip() or "{}")
        except ValidationError as error:
            raise BadArguments(_in_words(error)) from error
        if self._whole:
            return {self._whole: made}
        return {parameter: getattr(made, field) for field, parameter in self._names.items()}


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)  # a callable object has none


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Of its parameters, whatever it returns."""
    described = inspect.unwrap(function if inspect.isroutine(function) else type(function).__call__)
    names = getattr(described, "__globals__", {})  # a method has those of its function
    hints = {name: hint for name, hint in getattr(described, "__annotations__", {}).items() if name != "return"}
    try:
        return get_type_hints(types.SimpleNamespace(__annotations__=hints), names, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"tool {_name(function)}: {error}. What its annotations name has to exist at run time, at module level."
        ) from error


def _plain_type(hint: Any) -> type | None:
    """The class that a parameter asks for, if it is one: `X`, `X | None`, `Annotated[X, ...]`."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        others = [kind for kind in get_args(hint) if kind is not types.NoneType]
        hint = others[0] if len(others) == 1 else hint
    hint = get_origin(hint) or hint  # of a generic class
    return hint if isinstance(hint, type) else None


def _related(kind: type, given: frozenset[type]) -> bool:
    """Built-in types are never injected: whatever the application's own context is, a `str` comes from the model."""
    own = kind.__module__ != "builtins"
    return own and any(issubclass(one, kind) or issubclass(kind, one) for one in given)


def _only_model(asked: Mapping[str, tuple[Any, Any]]) -> str:
    if len(asked) == 1:
        ((name, (hint, default)),) = asked.items()
        if default is ... and isinstance(hint, type) and issubclass(hint, BaseModel):
            return name
    return ""


class _WithoutTitles(GenerateJsonSchema):
    """A title only says the name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_WithoutTitles)
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return schema


def _in_words(error: ValidationError) -> str:
    told = []
    found = error.errors(include_url=False, include_input=False, include_context=False)
    for each in found[:MAX_PROBLEMS]:
        where = ".".join(str(part) for part in each["loc"])
        told.append(f"{where}: {each['msg']}" if where else each["msg"])
    more = [f"and {len(found) - MAX_PROBLEMS} more"] if len(found) > MAX_PROBLEMS else []
    return "; ".join([bounded(one, 300) for one in told] + more)
