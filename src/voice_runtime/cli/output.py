"""What commands print: results to stdout, everything else to stderr; errors as one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["FAILED", "USAGE", "give_up", "problems", "say", "show_json", "show_table"]

FAILED, USAGE = 1, 2


def say(text: str) -> None:
    """A line for the person at the terminal, beside the result."""
    typer.echo(text, err=True)


def give_up(text: str, code: int = USAGE) -> NoReturn:
    """End the command with one line and an exit code."""
    say(f"voice-runtime: {text}")
    raise typer.Exit(code)


def problems(error: ValidationError) -> list[str]:
    """One line for each setting that is wrong, by its environment variable; never with its value."""
    lines = []
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in found["loc"]).upper() or "settings"
        lines.append(f"{name}: {found['msg'].removeprefix('Value error, ')}.")
    return lines


def show_json(value: object) -> None:
    """The result, for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The result, for people. Text is taken as it is: names in brackets are no markup."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(highlight=False).print(table)
