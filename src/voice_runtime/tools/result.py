"""What a tool returned, as text for a model."""

from __future__ import annotations

import logging

from pydantic_core import PydanticSerializationError, to_json

__all__ = ["as_text"]

log = logging.getLogger(__name__)


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
