"""The attributes of a TwiML element as the fields of a dataclass: `status_callback` is statusCallback, and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar
from xml.etree import ElementTree

__all__ = ["attribute_name", "changed_attributes", "read_attributes", "whole"]

T = TypeVar("T")


def attribute_name(field: str) -> str:
    first, *more = field.rstrip("_").split("_")
    return first + "".join(word.title() for word in more)


def read_attributes(kind: type[T], element: ElementTree.Element, /, **given: object) -> T:
    """A `kind` of `given` and, for all its other fields, the attributes. One that makes no sense has its default."""
    known: dict[str, object] = dict(given)
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass: mypy has no type for the class of one
        if field.name not in given:
            value = element.get(attribute_name(field.name))
            if value is not None:
                known[field.name] = _typed(value.strip(), _default(field))
    return kind(**known)


def changed_attributes(verb: Any, *without: str) -> Mapping[str, str]:
    """The attributes of a verb that say something else than their defaults, except the fields `without`."""
    written = {}
    for field in fields(verb):
        value, default = getattr(verb, field.name), _default(field)
        if field.name not in without and value != default and isinstance(value, (str, int)):
            written[attribute_name(field.name)] = str(value).lower() if isinstance(value, bool) else str(value)
    return written


def whole(value: str, default: int) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else default


def _default(field: Field[Any]) -> Any:
    return "" if field.default is MISSING else field.default


def _typed(value: str, default: Any) -> object:
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(value.lower(), default)
    return whole(value, default) if isinstance(default, int) else value
