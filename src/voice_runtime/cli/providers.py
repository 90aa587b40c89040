"""`voice-runtime providers`: what there is, and whether it would work here."""

from __future__ import annotations

from voice_runtime.cli.output import show_json, show_table
from voice_runtime.registry import KINDS, Listing

__all__ = ["show_providers"]


def show_providers(as_json: bool) -> None:
    """Every provider of every kind, each imported to see whether it can be."""
    rows = [row for kind in KINDS for row in kind.list()]
    if as_json:
        show_json([_plain(row) for row in rows])
    else:
        show_table(
            ("kind", "name", "from", "extra", "keys", "state"),
            [(row.kind, row.name, row.spec.source, row.spec.extra, _keys(row), _state(row)) for row in rows],
        )


def _plain(row: Listing) -> dict[str, object]:
    return {
        "kind": row.kind,
        "name": row.name,
        "source": row.spec.source,
        "target": row.spec.target,
        "extra": row.spec.extra or None,
        "loads": not row.error,
        "error": row.error or None,
        "keys": {key: key not in row.missing for key in row.spec.keys},
        "usable": not row.error and not row.missing,
    }


def _keys(row: Listing) -> str:
    return ", ".join(f"{key} {'missing' if key in row.missing else 'set'}" for key in row.spec.keys)


def _state(row: Listing) -> str:
    return row.error or ("needs its key" if row.missing else "ready")
