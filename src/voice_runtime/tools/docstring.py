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
_DEEP = 1000  # before the first entry has shown how far entries are indented


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description, and what is said of the parameters by name: an `Args:` section, or `:param name:` lines.

    Sections about results and errors are for programmers, and left out.
    """
    described: list[str] = []
    parameters: dict[str, list[str]] = {}
    into: list[str] | None = described
    heading: int | None = None  # the indent of the heading of the section that this is in
    entries: int | None = None  # and of its entries, if it is about parameters
    for line in inspect.cleandoc(text or "").splitlines():
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        if heading is not None and stripped and indent <= heading:
            heading, entries, into = None, None, described
        if _GOOGLE.match(stripped):
            heading, entries, into = indent, _DEEP, None
        elif heading is None and _OTHER_SECTION.match(stripped):
            heading, into = indent, None
        elif found := _FIELD.match(stripped):
            into = parameters.setdefault(found[1], [found[2]])
        elif _OTHER_FIELD.match(stripped):
            into = None
        elif entries is not None and indent <= entries and (found := _ENTRY.match(stripped)):
            entries = indent
            into = parameters.setdefault(found[1], [found[2]])
        elif into is not None:
            into.append(stripped)
    return "\n".join(described).strip(), {name: " ".join(filter(None, lines)) for name, lines in parameters.items()}
