"""The command line: `voice-runtime`."""

from __future__ import annotations

from voice_runtime.cli.commands import app, main

__all__ = ["app", "main"]
