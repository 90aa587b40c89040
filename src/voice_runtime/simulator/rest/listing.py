"""Lists, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.fields import Asked
from voice_runtime.simulator.rest.refusal import Refusal

__all__ = ["Shown", "listed"]

_MAX_PAGE = 1000
_PAGING = ("PageSize", "Page", "PageToken")


class Shown(Protocol):
    @property
    def key(self) -> str:
        """What tells it from the others of its list: mostly its SID."""

    def as_json(self) -> dict[str, object]: ...


def listed(asked: Asked, name: str, found: Sequence[Shown]) -> Response:
    """A page of `found`, which comes newest first.

    A page token holds the place by SID, so that what is new meanwhile moves nobody to another page: `PA<sid>` is what
    comes after that one, `PB<sid>` what comes before. `Page` without a token counts pages.
    """
    query = asked.fields
    size, page = query.whole("PageSize", 50, 1, _MAX_PAGE), query.whole("Page", 0, 0, 10**9)
    first = _first(query.get("PageToken"), [record.key for record in found], size) if query.get("PageToken") else None
    if first is None:
        first = page * size
    rows = found[first : first + size]

    def uri(number: int, token: str = "") -> str:
        kept = [(n, v) for n, v in query.pairs if n not in _PAGING]
        extra = [("PageSize", str(size)), ("Page", str(number))] + ([("PageToken", token)] if token else [])
        return f"{asked.path}?{urlencode([*kept, *extra])}"

    return JSONResponse(
        # Exactly these keys: the SDK takes the only one that it does not know for the name of the records.
        {
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1, f"PA{rows[-1].key}") if rows and first + size < len(found) else None,
            "previous_page_uri": uri(page - 1, f"PB{rows[0].key}") if page and rows else None,
            "uri": uri(page, query.get("PageToken")),
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(rows) - 1, 0),
            name: [record.as_json() for record in rows],
        }
    )


def _first(token: str, keys: list[str], size: int) -> int:
    place, key = token[:2], token[2:]
    if place not in ("PA", "PB") or key not in keys:
        raise Refusal.invalid("PageToken is not valid")
    at = keys.index(key)
    return at + 1 if place == "PA" else max(at - size, 0)
