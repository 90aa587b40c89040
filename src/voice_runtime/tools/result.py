"""What a tool returned, as text for a model; and what a model or a tool wrote, small and plain enough to be kept."""

from __future__ import annotations

import logging
import re
from typing import Final

from pydantic_core import PydanticSerializationError, to_json

__all__ = ["MAX_CHARACTERS", "as_text", "bounded", "plain_name"]

log = logging.getLogger(__name__)

MAX_CHARACTERS: Final = 16_000
"""Of a result, and of arguments: what goes into the history goes to the model with each turn from then on."""


def as_text(name: str, result: object) -> str:
    """Text as it is; nothing as "OK"; models, dataclasses and plain values as JSON; anything else as `str` has it."""
    if isinstance(result, str):
        return result
    if result is None:
        return "OK"
    try:
        return to_json(result).decode()
    except PydanticSerializationError:
        log.warning("tool %s returned a %s, which is no JSON: the model gets its str()", name, type(result).__name__)
        return str(result)


def bounded(text: str, limit: int = MAX_CHARACTERS) -> str:
    """`text`, cut if it is longer, and without halves of surrogate pairs, which no request to a model can hold."""
    kept = text[:limit].encode("utf-8", "replace").decode()
    return kept if len(text) <= limit else f"{kept} [cut: {len(text) - limit} characters more]"


def plain_name(name: str) -> str:
    """A name that a model made up, as services take it: they refuse the whole conversation for any other."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name[:64]) or "unnamed"
