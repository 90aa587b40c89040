"""What a docstring says about a function, and about each of its parameters."""

from __future__ import annotations

import inspect
import re

__all__ = ["read_docstring"]

_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):\s*$")
_OTHER_SECTION = re.compile(r"^(?:Returns?|Raises|Yields?|Examples?|Notes?):")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_FIELD = re.compile(r"^:(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)$")
_OTHER_FIELD = re.compile(r"^:\w+[^:]*:")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description, and what is said of the parameters by name: an `Args:` section, or `:param name:` lines.

    Sections about results and errors are for programmers, and left out.
    """
    described: list[str] = []
    parameters: dict[str, list[str]] = {}
    into: list[str] | None = described
    section = entry_indent = -1  # indents: of "Args:", of its entries
    for line in inspect.cleandoc(text or "").splitlines():
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if section >= 0 and stripped and indent <= section:
            section, into = -1, described
        if _GOOGLE.match(stripped):
            section, entry_indent, into = indent, -1, None
        elif _OTHER_SECTION.match(stripped) and section < 0:
            section, entry_indent, into = indent, 1000, None
        elif field := _FIELD.match(stripped):
            into = parameters.setdefault(field[1], [field[2]])
        elif _OTHER_FIELD.match(stripped):
            into = None
        elif section >= 0 and entry_indent < 1000 and (entry := _ENTRY.match(stripped)) and indent <= _at(entry_indent):
            entry_indent = indent
            into = parameters.setdefault(entry[1], [entry[2]])
        elif into is not None:
            into.append(stripped)
    return "\n".join(described).strip(), {name: " ".join(filter(None, lines)) for name, lines in parameters.items()}


def _at(indent: int) -> int:
    return indent if indent >= 0 else 1000
